"""Where scripts find the framework."""
