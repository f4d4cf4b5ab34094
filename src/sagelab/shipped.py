"""Where the labs lie as they are shipped: in the project's own folders, or in the package that was installed."""

from __future__ import annotations

from pathlib import Path

FOLDERS = ("notebooks", "labs")  # a notebook names its scripts by ../labs/<lab>
LEFT_OUT = (".ipynb_checkpoints", "__pycache__")
PROJECT = Path(__file__).parents[2]  # of an installation from the repository, which `make setup` makes
PACKAGED = Path(__file__).with_name("labs_as_shipped")  # of an installation from the wheel


def find() -> Path | None:
    """The folder that has notebooks/ and labs/; None where this installation brings none."""
    there = (folder for folder in (PROJECT, PACKAGED) if all((folder / name).is_dir() for name in FOLDERS))
    return next(there, None)


def beginning(name: str) -> str:
    """What the names of the labs that somebody means begin with: "3", as pages call lab 3, is "03"."""
    return f"{int(name):02}" if name.isascii() and name.isdigit() else name
