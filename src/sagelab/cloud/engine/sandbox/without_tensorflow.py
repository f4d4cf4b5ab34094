"""A warm Python of an image that has no TensorFlow, though the environment has: what imports it finds none.

SageMaker's toolkit imports TensorFlow wherever it is, for the names of its errors. What a host installs is found.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from sagelab.cloud.engine.sandbox.interpreter import LAYERED

NAMES = ("tensorflow", "keras")


class _Absent(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:  # noqa: ARG002
        """None, for others to find it. ModuleNotFoundError: it is one of what the image does not have."""
        if fullname in NAMES and not Path(LAYERED, fullname).is_dir():
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


sys.meta_path.insert(0, _Absent())
