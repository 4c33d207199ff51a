# What `pigeon join` says of itself.
