# `pigeon hub` 对操作者说的话：启动时和控制台里。

hub-members = { $count } 个成员
