"""What a script makes with TensorFlow, made once: a SavedModel is the same in every run, and takes ten seconds.

It lies below build/ under a name of all that it comes from: the script, its arguments, the versions of Python,
TensorFlow and Keras, this processor, and the source files that the script uses.
"""

from __future__ import annotations

import fcntl
import hashlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from tests import forks

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "models"


def build(script: str, *arguments: str, rooms: Iterable[str] = ()) -> Path:
    """The folder that `python -c SCRIPT FOLDER ARGUMENTS` filled, never to be written to.

    rooms: the packages of sagelab whose source decides what it makes.
    """
    made = FOLDER / fingerprint(script, *arguments, *(source(room) for room in rooms))
    FOLDER.mkdir(parents=True, exist_ok=True)
    with made.with_suffix(".lock").open("w") as turn:  # let go when this process ends, however it does
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not made.exists():
            make(made, script, arguments)
    return made


def make(made: Path, script: str, arguments: Iterable[str]) -> None:
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        filled = Path(folder, "filled")
        filled.mkdir()
        done = forks.tensorflow().run("-c", script, str(filled), *arguments)
        assert done.returncode == 0, done.stderr
        shutil.move(filled, made)


def fingerprint(*texts: str) -> str:
    packages = [f"{name} {version(name)}" for name in ("tensorflow", "keras", "numpy")]
    parts = [sys.version, processor(), *packages, *texts]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


@cache
def processor() -> str:
    """What machine code is made for."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    return "\n".join(
        [platform.machine(), *sorted({one for one in lines if one.startswith(("flags", "model name"))})]
    )


@cache
def source(room: str) -> str:
    """A digest of all the modules of a package of sagelab."""
    files = sorted((ROOT / "src" / "sagelab" / room).rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
