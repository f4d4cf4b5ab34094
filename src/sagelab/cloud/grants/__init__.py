"""Lake Formation: what is granted on Glue's catalogue, and what somebody may see of a table by it."""
