"""Which images run here, and what runs them."""
