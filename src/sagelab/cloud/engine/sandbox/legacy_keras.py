"""A Python of an image up to TensorFlow 2.15, whose Keras is Keras 2: `import keras` finds it, as TensorFlow does.

Every Python of such a host imports this at its start, by a line in the host's layer. Where the host has installed
a TensorFlow of its own, that one's Keras is its own matter.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from sagelab.cloud.engine.sandbox.namespaces import LAYER, PACKAGES

VARIABLE = "TF_USE_LEGACY_KERAS"  # TensorFlow's own


class _Keras2(MetaPathFinder, Loader):
    """The modules of `keras` are those of `tf_keras`, under both names."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname.partition(".")[0] != "keras" or _has_tensorflow():
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def exec_module(self, module: ModuleType) -> None:
        """ModuleNotFoundError: Keras 2 has no such module."""
        sys.modules[module.__name__] = importlib.import_module(f"tf_{module.__name__}")


def _has_tensorflow() -> bool:
    """Whether the host has installed one."""
    return Path(LAYER, PACKAGES, "tensorflow").is_dir()


if _has_tensorflow():
    os.environ.pop(VARIABLE, None)
sys.meta_path.insert(0, _Keras2())
