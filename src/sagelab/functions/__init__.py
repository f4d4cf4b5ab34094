"""What runs inside a function's environment: its handler, called for one event after the other."""
