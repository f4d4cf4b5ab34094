"""Whether a fork of the warm Python is what a fresh interpreter would be, for what is to run.

It is not where a variable has another value than when the warm Python read it at its imports, nor where modules
come first on the path, or lie in the host's layer, that have the name of one that is imported. Which variables
were read is noted, but for native libraries: nobody sees what those read.

Standard library alone, imported before the fork.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# What native libraries, the loader and the interpreter itself read when they start.
NATIVE = re.compile(
    r"(PYTHON|LD_|LC_|MALLOC_|GLIBC_|TF_|TF2_|XLA_|KERAS_|JAX_|ONEDNN_|DNNL_|OMP_|GOMP_|KMP_|MKL_|OPENBLAS_|GOTO_"
    r"|BLIS_|VECLIB_|NUMEXPR_|NPY_|NUMBA_|CUDA_|HDF5_|ARROW_|GRPC_|ABSL_|TORCH_(?!NCCL_)|PYTORCH_|ATEN_)\w*"
    r"|LANG|LANGUAGE|TZ|TZDIR|RES_OPTIONS"
)
# What a fork reads again (interpreter.py), or what changes with every host and decides nothing at an import.
HARMLESS = frozenset(
    "HOME PATH TERM TMPDIR TMP TEMP PYTHONPATH PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE TF_CONFIG".split()
)
MODULE = re.compile(r"([^.]+)(\.py|\.pyc|(\.[^.]+)?\.so)")

_start: dict[str, str] = {}
_read: set[str] = set()


class _Noting(type(os.environ)):  # type: ignore[misc]
    """os.environ, which notes what is asked for."""

    def __getitem__(self, name: Any) -> Any:
        _read.add(name)
        return super().__getitem__(name)


@contextmanager
def noting_reads() -> Iterator[None]:
    """Note which variables are read meanwhile: for the imports of the warm Python."""
    _start.update(os.environ)
    plain, os.environ.__class__ = os.environ.__class__, _Noting
    try:
        yield
    finally:
        os.environ.__class__ = plain


def changed(env: dict[str, str]) -> set[str]:
    """The variables that the warm Python read at its imports and that have another value here."""
    others = {name for name, value in env.items() if _start.get(name) != value} - HARMLESS
    return {name for name in others if name in _read or NATIVE.fullmatch(name)}


def shadowed(folders: list[str], layer: str | None = None) -> set[str]:
    """The imported modules in whose place a fresh interpreter would find others.

    folders: that it would look in first. layer: what a host has changed of the packages.
    """
    found = {name for folder in folders for name in _modules(folder) if not _came_from(name, folder)}
    if layer:
        # Of a package in parts (without a file of its own) a new part is found in any case.
        changed = {entry.name.partition(".")[0] for entry in _entries(layer)}
        found |= {name for name in changed if getattr(sys.modules.get(name), "__file__", None)}
    return {name for name in found if name in sys.modules} - {"__main__", "__mp_main__"}


def _modules(folder: str) -> Iterator[str]:
    """The names by which modules and packages can be imported from a folder."""
    for entry in _entries(folder):
        if found := MODULE.fullmatch(entry.name):
            yield found[1]
        elif entry.name in sys.modules and _is_file(f"{entry.path}/__init__.py"):
            yield entry.name


def _came_from(name: str, folder: str) -> bool:
    """Whether it is the imported one: an image's packages may lie beside those of its Python."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return isinstance(file, str) and file.startswith(f"{folder}/")


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return False


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
