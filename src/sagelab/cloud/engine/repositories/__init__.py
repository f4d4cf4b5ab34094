"""Git repositories: bare folders of the home, touched by the system's own git alone."""
