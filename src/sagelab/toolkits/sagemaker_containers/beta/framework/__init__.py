"""What scripts that serve import: encoders, content types, and the worker's answer."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from sagelab.toolkits.sagemaker_containers import find

# Of the server that ran scripts; scripts import them and have no use for them.
SERVER = ("server", "status_codes", "transformer")


def __getattr__(name: str) -> Any:
    """A module. AttributeError: there is none."""
    if name in SERVER:
        return ModuleType(name, "Nothing of it is here: scripts are run by another server.")
    return find(name)
