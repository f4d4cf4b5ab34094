"""Functions of Lambda: their code in an environment of its own, called for one event after the other."""
