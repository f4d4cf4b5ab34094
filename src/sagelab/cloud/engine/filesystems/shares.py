"""The folders behind file systems: one each in the home, which every host that mounts it sees.

What is in such a folder jobs can change, so it is touched by descriptors alone (data/trees.py), and a host mounts
a folder below it by one, too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sagelab.cloud.engine.data import trees
from sagelab.cloud.engine.data.trees import ROOM, Tree

NAME = re.compile(r"fs-[0-9a-f]{8,17}", re.ASCII)
FILES, CATALOGUE = "files", "catalogue.json"


class NoRoom(OSError):
    """A file system can take no more."""


class Shares:
    """The file systems of one home: FOLDER/<id>/files is what hosts see, beside it lies what is known of S3."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def tree(self, name: str) -> Tree:
        """The files of a file system; an empty folder where nobody has used it yet."""
        if not NAME.fullmatch(name):
            raise ValueError(f"{name} is no file system")
        folder = self._folder / name / FILES
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Tree(folder)

    def names(self) -> list[str]:
        """The file systems that have a folder."""
        return sorted(one.name for one in self._folder.glob("fs-*"))

    def remove(self, name: str) -> None:
        """Delete one with all that is in it. Hosts that have it mounted hold what they have open."""
        trees.discard(self._folder, (name,))

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Nobody else moves data between S3 and this one meanwhile."""
        with self._locks[name]:
            yield

    # What is known of S3

    def catalogue(self, name: str) -> dict[str, Any]:
        """Name of a file -> what was imported of its object."""
        try:
            found = json.loads((self._folder / name / CATALOGUE).read_bytes())
        except FileNotFoundError:
            return {}
        return dict(found)

    def keep(self, name: str, catalogue: dict[str, Any]) -> None:
        """Replace the catalogue, in one step."""
        self.tree(name)
        descriptor, draft = tempfile.mkstemp(dir=self._folder / name)
        with os.fdopen(descriptor, "w") as out:
            json.dump(catalogue, out)
        Path(draft).replace(self._folder / name / CATALOGUE)


def write(tree: Tree, name: str, content: IO[bytes]) -> int:
    """Put a file at a name in a tree, in place of what stands there; its bytes. NoRoom, trees.Refused."""
    with tree.parent(name) as (folder, last):
        draft = f".{last[:200]}-{os.urandom(8).hex()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as out:
                shutil.copyfileobj(content, out, trees.PART)
                size = out.tell()
            os.rename(draft, last, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft, dir_fd=folder)
            raise
    return size


def check_room(tree: Tree, size: int) -> None:
    """NoRoom: so many bytes more would leave too little of this machine's disk."""
    if trees.left(tree.root) - size < ROOM:
        raise NoRoom(f"{size >> 20:,} MB more leave less than {ROOM >> 30} GB of this machine's disk")


def facts(file: IO[bytes]) -> os.stat_result:
    """What the system knows of an open file."""
    return os.fstat(file.fileno())


def delete(tree: Tree, name: str) -> None:
    """Take a file away. OSError: it is none, or gone."""
    with tree.parent(name) as (folder, last):
        os.unlink(last, dir_fd=folder)
