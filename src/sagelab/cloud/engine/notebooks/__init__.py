"""Notebook instances: JupyterLab in a host, its volume and its keys."""
