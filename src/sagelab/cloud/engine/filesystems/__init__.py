"""File systems of EFS and FSx, which several jobs mount."""
