"""`awsglue` for scripts: what they import by that name is the module of sagelab.spark.awsglue, not another."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

NAME, REAL = "awsglue", "sagelab.spark.awsglue"
FILE = f'"""Glue\'s library."""\n\nfrom {__name__} import take_over\n\ntake_over()\n'


class Names(MetaPathFinder, Loader):
    """Finds awsglue.X."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname.startswith(f"{NAME}.") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return importlib.import_module(f"{REAL}{spec.name.removeprefix(NAME)}")

    def exec_module(self, module: ModuleType) -> None:
        """It has run."""


def take_over() -> None:
    """From now on the name leads there; called by the module that has it."""
    sys.meta_path.insert(0, Names())
    sys.modules[NAME] = importlib.import_module(REAL)


def write(folder: Path) -> None:
    """Make a folder one from which Python imports `awsglue`."""
    folder.mkdir(exist_ok=True)
    (folder / f"{NAME}.py").write_text(FILE)
