"""AWS's retired toolkit for containers, by the names that scripts still import.

What went on under another name is SageMaker's training toolkit's own: https://github.com/aws/sagemaker-training-toolkit
"""

from __future__ import annotations

import importlib
from typing import Any

# The names of modules: what they were, and what they are.
MODULES = {
    name: f"sagemaker_training.{name}"
    for name in (
        *("content_types", "encoders", "entry_point", "errors", "files", "functions", "intermediate_output"),
        *("mapping", "modules", "params", "process", "runner", "timeout"),
    )
} | {"env": "sagemaker_training.environment", "logging": "sagemaker_training.logging_config"}


def __getattr__(name: str) -> Any:
    """A module, with or without the underscore that it had. AttributeError: there is none."""
    return find(name)


def find(name: str) -> Any:
    """The module of a name. AttributeError: there is none."""
    known = MODULES.get(name.removeprefix("_"))
    if known is None:
        raise AttributeError(f"{__name__} has no {name} here")
    return importlib.import_module(known)


def training_env() -> Any:
    """What a training job is told."""
    return importlib.import_module(MODULES["env"]).Environment()
