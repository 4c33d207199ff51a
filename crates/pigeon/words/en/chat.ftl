# What `pigeon chat` says of itself.
