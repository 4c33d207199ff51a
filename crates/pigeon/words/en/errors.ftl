# Mistakes that many make: what happened, why, and what to do.

errors-language = '{ $word }' is not a supported language; choose `en` or `zh`
