"""What runs inside a host of a job of Glue's."""
