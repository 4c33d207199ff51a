# `pigeon join` 自己的提示。
