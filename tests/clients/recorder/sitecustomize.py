"""Writes down every call of AWS that a Python process makes, one JSON object a line, into the file SAGELAB_RECORD.

The folder of this file stands first on PYTHONPATH; as the redirect's own sitecustomize does, it then runs the one
that it hides. Standard library alone: it also runs in environments of other clients.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

TARGETS = ("botocore.client", "awscli.botocore.client")  # the AWS CLI brings a botocore of its own


class Finder:
    """Finds botocore.client as anyone would, and wraps the one method that every call goes through."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in TARGETS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                module.BaseClient._make_api_call = wrap(module.BaseClient._make_api_call)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def wrap(make_call: Callable[..., Any]) -> Callable[..., Any]:
    """The method with a record of each call: what was asked, and what came back."""

    def call(self: Any, operation: str, params: dict[str, Any]) -> Any:
        error = None
        try:
            return make_call(self, operation, params)
        except Exception as failure:
            found = getattr(failure, "response", {}).get("Error", {})
            error = found.get("Code", type(failure).__name__)
            raise
        finally:
            service = self.meta.service_model.service_name
            write({"service": service, "operation": operation, "params": params, "error": error})

    return call


def write(record: dict[str, Any]) -> None:
    """Append one line; lines of several processes do not mix, for each is one write."""
    line = json.dumps(record, default=lambda value: f"<{type(value).__name__}>") + "\n"
    descriptor = os.open(os.environ["SAGELAB_RECORD"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def run_hidden() -> None:
    """Run the sitecustomize that this one stands in front of; it must not find this one in its turn."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != here]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


if __name__ == "sitecustomize":
    if os.environ.get("SAGELAB_RECORD"):
        sys.meta_path.insert(0, Finder())
    run_hidden()
