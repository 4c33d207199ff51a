# 常见的错误：出了什么事，为什么，怎么办。

errors-language = 不支持的语言 '{ $word }'；请用 `en` 或 `zh`
