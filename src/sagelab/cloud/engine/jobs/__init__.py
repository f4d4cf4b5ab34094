"""Jobs: what the life of each kind is, and what it does with its hosts."""
