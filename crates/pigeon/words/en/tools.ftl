# Summaries and remarks of the tools, `send` to `replay`.
