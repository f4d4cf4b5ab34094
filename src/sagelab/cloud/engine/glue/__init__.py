"""What runs a job of Glue's: its hosts, its logs, its bookmark."""
