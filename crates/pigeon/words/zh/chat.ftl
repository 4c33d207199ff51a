# `pigeon chat` 自己的提示。
