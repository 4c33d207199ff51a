# `pigeon history` 自己的提示。
