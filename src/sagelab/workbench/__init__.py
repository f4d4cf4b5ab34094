"""What runs inside a notebook instance: lifecycle scripts and JupyterLab. Imports nothing of the rest."""
