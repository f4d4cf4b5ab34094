"""Channels in FastFile mode: a job sees all files at once, and each comes from S3 when it is opened.

What the hosts see is a folder of FUSE's, served by a process of its own (sagelab/fastfile.py) that knows names and
sizes alone; it asks here for contents. AWS streams what is read; here a file comes whole when it is opened.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import botocore.exceptions

from sagelab import fastfile
from sagelab.cloud.engine.data import channels, encrypted, trees
from sagelab.cloud.engine.data.channels import Location
from sagelab.cloud.engine.data.trees import ROOM
from sagelab.cloud.errors import ClientError, InternalServerError

AT_ONCE = 8  # files that are fetched
TIMEOUT = 10.0  # seconds until it has ended by itself
_ERRORS = {"403": errno.EACCES, "AccessDenied": errno.EACCES, "404": errno.ENOENT, "NoSuchKey": errno.ENOENT}


def unavailable() -> str | None:
    """Why there is no such folder on this machine; None: there is."""
    if importlib.util.find_spec("mfusepy") is None:
        return "mfusepy is not installed"
    try:
        ctypes.CDLL(fastfile.LIBRARY)
    except OSError:
        return "libfuse3 is not installed (apt-get install fuse3)"
    if shutil.which("fusermount3") is None:
        return "fusermount3 is not installed (apt-get install fuse3)"
    if not os.access(encrypted.DEVICE, os.R_OK | os.W_OK):
        return f"{encrypted.DEVICE} cannot be opened by this user"
    return None


class FastFolder:
    """The folder of one channel on one host. say: the log of the job."""

    def __init__(self, s3: Any, files: list[tuple[Location, str, int]], folder: Path, say: Callable[[str], None]):
        """folder: one that no host sees but by `seen`; made. InternalServerError: FUSE does not mount it."""
        self._s3, self._files, self._say = s3, files, say
        self.seen, self._cache = folder / "seen", folder / "cache"
        for each in (self.seen, self._cache):
            each.mkdir(mode=0o700, parents=True)
        self.opened, self.size = 0, 0
        self._lock, self._told = threading.Lock(), set[str]()
        self._pool = ThreadPoolExecutor(AT_ONCE, "fastfile")
        self._process = self._start(folder / "log")
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _start(self, log: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", fastfile.__name__, str(self.seen), str(self._cache)]
        with log.open("wb") as said:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True
            )
        assert process.stdin
        assert process.stdout
        with suppress(BrokenPipeError):
            for _, name, size in self._files:
                process.stdin.write(json.dumps({"name": name, "size": size}).encode() + b"\n")
            process.stdin.write(b"\n")
            process.stdin.flush()
        if process.stdout.readline().strip() != fastfile.READY.encode():
            _end(process)
            words = log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise InternalServerError(f"FUSE mounts no folder for FastFile mode: {words}")
        return process

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with suppress(RuntimeError):  # it is being closed
                self._pool.submit(self._fetch, int(line))

    def _fetch(self, number: int) -> None:
        location, _, size = self._files[number]
        draft = self._cache / f".{number}"
        try:
            _check_room(self._cache, size)
            channels.download(self._s3, location, draft)
            draft.rename(self._cache / str(number))
            code = 0
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError, OSError) as error:
            code = _code(error)
            self._tell(f"FastFile: {location} cannot be read: {error}")
        with self._lock:
            self.opened, self.size = self.opened + (not code), self.size + (0 if code else size)
            assert self._process.stdin
            with suppress(BrokenPipeError, ValueError):
                self._process.stdin.write(b"%d %d\n" % (number, code))
                self._process.stdin.flush()

    def _tell(self, line: str) -> None:
        """Say a thing once."""
        with self._lock:
            new = line not in self._told
            self._told.add(line)
        if new:
            self._say(line)

    @property
    def described(self) -> str:
        """What of it was wanted."""
        return f"{self.opened:,} of {len(self._files):,} files were opened, {self.size / 1e6:,.1f} MB fetched"

    def close(self) -> None:
        """Nobody reads any more: nothing is left mounted."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        _end(self._process)
        self._listener.join()
        if self._process.stdout:
            self._process.stdout.close()
        encrypted.release(self.seen)


def list_files(s3: Any, channel: dict[str, Any], host: int, hosts: int) -> list[tuple[Location, str, int]]:
    """(object, file name, bytes) of all that a channel has on host number `host` of `hosts`. ClientError."""
    source = channel["DataSource"]["S3DataSource"]
    try:
        files = channels.share(source, channels.list_sized(s3, source), host, hosts)
        sized = [(place, name, _size(s3, place) if size is None else size) for place, name, size in files]
    except botocore.exceptions.ClientError as error:
        raise ClientError(f"Data download failed: {source['S3Uri']}: {error}") from error
    for _, name, _ in sized:
        channels.inside(Path(), name)
    return sized


def _size(s3: Any, place: Location) -> int:
    return int(s3.head_object(Bucket=place.bucket, Key=place.key)["ContentLength"])


def _check_room(folder: Path, size: int) -> None:
    if trees.left(folder) - size < ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _code(error: Exception) -> int:
    if isinstance(error, OSError):
        return error.errno or errno.EIO
    found = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    return _ERRORS.get(found, errno.EIO)


def _end(process: subprocess.Popen[bytes]) -> None:
    """It ends with its input, or is killed."""
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()
    try:
        process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
