"""EMR's clusters: hosts, what runs on them, and when they are taken away."""
