# What `pigeon history` says of itself.
