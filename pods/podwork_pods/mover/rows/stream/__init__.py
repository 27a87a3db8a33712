"""Following a pod's binlog: which keys of which shops have changed, and up to where that is known."""
