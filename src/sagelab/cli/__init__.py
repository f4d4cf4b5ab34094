"""The command `sagelab`: one local cloud from a shell. Slow things are imported inside the commands."""

from sagelab.cli import clock, cloud, devices, kubeflow, kubernetes, labs, spot, zones  # noqa: F401 - their commands are the group's from here on
from sagelab.cli.group import main

__all__ = ["main"]
