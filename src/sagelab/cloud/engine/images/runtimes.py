"""What runs a job's code: a Python of its image's environment, warm where that helps.

A job whose code names TensorFlow or Keras is forked from a Python that has imported them; any other needs less.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.engine.images.environments import PLAIN, Environment
from sagelab.cloud.engine.images.environments import TENSORFLOW as PACKAGES

WANTS_TENSORFLOW = re.compile(rb"\b(?:tensorflow|keras)\b")
READ = 1 << 20  # bytes of a script: what it imports is at its beginning
# Variables that a script sets for what it imports next, which a warm Python has imported already.
READ_AT_IMPORT = re.compile(
    rb"""["'](?:KERAS_|TF_(?!CPP_|CONFIG|FORCE_GPU)|XLA_|OMP_|KMP_|MKL_|OPENBLAS_|NUMEXPR_|MPLBACKEND"""
    rb"""|HF_HOME|HF_HUB_CACHE|HF_DATASETS_|TRANSFORMERS_|TORCH_|PYTORCH_)"""
)


@dataclass(frozen=True)
class Runtime:
    """A kind of warm Python.

    imports: what it has imported. forks: the commands of a job that are forks of it (HostSpec.forks).
    """

    name: str
    imports: tuple[str, ...] = ()
    forks: tuple[str, ...] = ()
    environment: Environment = PLAIN


PYTHON = Runtime("python")
TENSORFLOW = Runtime("tensorflow", PACKAGES.imports, ("train", "python3"), PACKAGES)
TOOLKIT = Runtime("toolkit", PACKAGES.imports, ("train",), PACKAGES)


def ready(environment: Environment) -> Runtime:
    """A warm Python of an environment, for a program of ours that needs what it imports."""
    if environment is PACKAGES:
        return TENSORFLOW
    return Runtime(environment.name, environment.imports, ("train", "python3"), environment)


def choose(code: Path | None, toolkit: bool, environment: Environment = PACKAGES) -> Runtime:
    """The runtime for code in this folder, with the packages of an environment.

    toolkit: the image's own `train` runs it, for the job names no entry point. It imports what the environment is
    for itself, so that a warm one serves it whatever the code is.
    """
    if "tensorflow" not in environment.imports:
        fresh = code is not None and _sets_variables(_read_sources(Tree(code)))
        forks = ("train",) if fresh else ("train", "python3")
        return Runtime(environment.name, environment.imports, forks, environment)
    found = _choose(code, toolkit)
    if environment is PACKAGES:
        return found
    return replace(found, imports=environment.imports if found.imports else (), environment=environment)


def _choose(code: Path | None, toolkit: bool) -> Runtime:
    if code is None or _replaces_packages(code):
        return TOOLKIT if toolkit else PYTHON
    sources = list(_read_sources(Tree(code)))
    if _sets_variables(sources):
        return TOOLKIT if toolkit else PYTHON
    if toolkit or any(WANTS_TENSORFLOW.search(source) for source in sources):
        return TENSORFLOW
    return PYTHON


def _sets_variables(sources: Iterable[bytes]) -> bool:
    """Whether code names a variable for what it imports next."""
    return any(READ_AT_IMPORT.search(source) for source in sources)


def _read_sources(code: Tree) -> Iterator[bytes]:
    for entry in code.walk():
        if entry.is_file and entry.name.endswith(".py"):
            yield code.read(entry.name, READ)


def _replaces_packages(code: Path) -> bool:
    """Whether the code brings what a warm Python has imported already, maybe in another version."""
    return any((code / name).exists() for name in ("tensorflow", "keras", "tensorflow.py", "keras.py"))


def describe_here(environment: Environment = PACKAGES) -> str:
    """What stands behind an image here, in a word."""
    return ", ".join([f"Python {platform.python_version()}", *environment.versions(), "CPU only"])
