"""A folder whose files come when they are opened: python -m sagelab.fastfile MOUNTPOINT CACHE.

A process of its own reads the names from its standard input, one line of JSON each ({"name", "size"}) until an
empty one, and mounts the folder by FUSE, read only. When a file is opened for the first time it says the file's
number and waits until it is told that CACHE/<number> has its content, or which error there is. It ends with its
input.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-access-training-data.html#model-access-training-data-input-modes
"""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

LIBRARY = "libfuse3.so.3"
KIND = "sagelab"  # of the file system, as mountinfo has it: fuse.sagelab
FOREVER = 86400.0  # seconds: what is there does not change while a job runs
READY = "ready"


class Folder:
    """Files and folders by their paths, as FUSE asks for them."""

    use_ns = True

    def __init__(self, names: list[tuple[str, int]], cache: Path) -> None:
        self._cache, self._now = cache, cache.stat().st_mtime_ns
        self._files: dict[str, int] = {}
        self._sizes = [size for _, size in names]
        self._folders: dict[str, set[str]] = {"/": set()}
        for number, (name, _) in enumerate(names):
            self._add(f"/{name}", number)
        self._waiting: dict[int, threading.Event] = {}
        self._ends: dict[int, int] = {}
        self._lock = threading.Lock()

    def _add(self, path: str, number: int) -> None:
        self._files[path] = number
        while path != "/":
            above, _, last = path.rpartition("/")
            inner = self._folders.setdefault(above or "/", set())
            if last in inner:
                return
            inner.add(last)
            path = above or "/"

    # What FUSE asks for

    def init(self, _path: str) -> None:
        _say(READY)

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, Any]:
        facts = {"st_uid": os.getuid(), "st_gid": os.getgid(), "st_blksize": 1 << 17, "st_mtime": self._now}
        if path in self._folders:
            return facts | {"st_mode": stat.S_IFDIR | 0o555, "st_nlink": 2}
        number = self._number(path)
        return facts | {"st_mode": stat.S_IFREG | 0o444, "st_nlink": 1, "st_size": self._sizes[number]}

    def readdir(self, path: str, _handle: int) -> list[str]:
        if path not in self._folders:
            raise OSError(errno.ENOENT, path)
        return [".", "..", *sorted(self._folders[path])]

    def open(self, path: str, flags: int) -> int:
        number = self._number(path)
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EROFS, path)
        self._fetch(number)
        return os.open(self._cache / str(number), os.O_RDONLY | os.O_CLOEXEC)

    def read(self, _path: str, size: int, offset: int, handle: int) -> bytes:
        return os.pread(handle, size, offset)

    def release(self, _path: str, handle: int) -> int:
        os.close(handle)
        return 0

    def statfs(self, _path: str) -> dict[str, int]:
        return {"f_bsize": 4096, "f_frsize": 4096, "f_namemax": 255, "f_files": len(self._files)}

    def _number(self, path: str) -> int:
        try:
            return self._files[path]
        except KeyError:
            raise OSError(errno.ENOENT, path) from None

    # Contents

    def _fetch(self, number: int) -> None:
        """Have a file's content. OSError: there is none to be had; whoever opens it again asks again."""
        with self._lock:
            if self._ends.get(number) == 0:
                return
            first = number not in self._waiting
            event = self._waiting.setdefault(number, threading.Event())
        if first:
            _say(str(number))
        event.wait()
        if code := self._ends.get(number, errno.EIO):
            raise OSError(code, os.strerror(code))

    def hear(self, number: int, code: int) -> None:
        """A file's content is there (0), or it is not: an errno."""
        with self._lock:
            self._ends[number] = code
            event = self._waiting.pop(number, None)
        if event:
            event.set()

    def give_up(self) -> None:
        """Nobody fetches any more."""
        with self._lock:
            waiting, self._waiting = list(self._waiting), {}
        for number in waiting:
            self._ends[number] = errno.EIO


def _say(line: str) -> None:
    """In one write: FUSE's threads speak at once."""
    os.write(1, f"{line}\n".encode())


def _listen(folder: Folder, mountpoint: str) -> None:
    """Hear of contents until the local cloud is gone; then nothing is left mounted."""
    for line in sys.stdin:
        number, _, code = line.partition(" ")
        folder.hear(int(number), int(code))
    folder.give_up()
    subprocess.run(["fusermount3", "-u", "-z", "--", mountpoint], check=False)
    os._exit(0)


def _names() -> list[tuple[str, int]]:
    found = []
    for line in sys.stdin:
        if not line.strip():
            break
        one = json.loads(line)
        found.append((one["name"], one["size"]))
    return found


def main(mountpoint: str, cache: str) -> None:
    os.environ["FUSE_LIBRARY_PATH"] = LIBRARY
    import mfusepy

    folder = Folder(_names(), Path(cache))
    threading.Thread(target=_listen, args=(folder, mountpoint), daemon=True).start()
    lasting = {"attr_timeout": FOREVER, "entry_timeout": FOREVER, "negative_timeout": FOREVER}
    options = {"ro": True, "nodev": True, "nosuid": True, "kernel_cache": True, "subtype": KIND, "fsname": KIND}
    mfusepy.FUSE(folder, mountpoint, foreground=True, **lasting, **options)


if __name__ == "__main__":
    main(*sys.argv[1:])
