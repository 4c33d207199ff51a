# What `--help` and the man pages say.
