# 各个工具（`send` 到 `replay`）的小结和提示。
