"""Images of the learner's own: a folder with an executable `serve` or `train` that stands for a container image.

There is no Docker here, so what an image would bring is the folder alone; the operating system and the Python are
this machine's. A host has it at /opt/program, read only, as its working directory and first on its PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote

from sagelab.cloud.errors import ControlError

COMMANDS = ("serve", "train")  # what SageMaker runs an image with
NAME = re.compile(r"[\w./:@-]{1,255}", re.ASCII)  # as CreateModel has it, of what a registry takes


class BadImage(ControlError):
    """A folder or a name that cannot stand for an image."""


class OwnImages:
    """The images that a folder of a home keeps, each a copy of what was added."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, source: Path) -> str:
        """Keep a copy of the folder under this name, in place of an older one; the name with its tag. BadImage."""
        if not NAME.fullmatch(name):
            raise BadImage(f"{name!r} is no name of an image; take one such as my-model:1.")
        commands = [command for command in COMMANDS if os.access(source / command, os.X_OK)]
        if not commands:
            raise BadImage(f"{source} has neither an executable file `serve` nor `train` (chmod +x?).")
        if self._folder.resolve().is_relative_to(source.resolve()):
            raise BadImage(f"{source} holds the local cloud's own folder; take one that has the image alone.")
        self._folder.mkdir(mode=0o700, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=self._folder, prefix=".draft-"))
        shutil.copytree(source, draft, symlinks=True, dirs_exist_ok=True)
        self._forget(name)
        draft.rename(self._path(name))
        return tagged(name)

    def remove(self, name: str) -> str:
        """Forget an image; what runs from it goes on. BadImage: there is none."""
        if self.find(name) is None:
            raise BadImage(f"There is no image {tagged(name)} here; `sagelab image list` says which there are.")
        self._forget(name)
        return tagged(name)

    def names(self) -> dict[str, list[str]]:
        """Every image's name, with its tag, and which of `serve` and `train` it has."""
        found = sorted(path for path in self._folder.glob("[!.]*") if path.is_dir())
        return {unquote(path.name): [one for one in COMMANDS if os.access(path / one, os.X_OK)] for path in found}

    def find(self, name: str, command: str | None = None) -> Path | None:
        """The folder of an image; with a command, only if it has it."""
        path = self._path(name)
        return path if path.is_dir() and (command is None or os.access(path / command, os.X_OK)) else None

    def _path(self, name: str) -> Path:
        return self._folder / quote(tagged(name), safe="")

    def _forget(self, name: str) -> None:
        """Out of the way at once, whatever runs from it; a host holds what it has mounted."""
        if (path := self._path(name)).exists():
            old = Path(tempfile.mkdtemp(dir=self._folder, prefix=".old-"))
            path.rename(old / "image")
            shutil.rmtree(old, ignore_errors=True)


def tagged(name: str) -> str:
    """The name with its tag: a name without one means `latest`, as Docker has it."""
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
