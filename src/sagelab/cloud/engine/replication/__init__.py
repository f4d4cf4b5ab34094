"""DMS's replication tasks at work: a host of each, and the thread that follows it."""
