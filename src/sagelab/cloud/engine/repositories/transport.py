"""One request of a git client, answered by git's own `http-backend`, a CGI program.

It is started for one repository and one of three actions; nothing of a repository is served as a file.
https://git-scm.com/docs/git-http-backend
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Generator
from dataclasses import dataclass, field

from sagelab.cloud.engine.repositories import git
from sagelab.cloud.engine.repositories.git import Repository

PULL, PUSH = "git-upload-pack", "git-receive-pack"
ADVERTISE = "info/refs"
MOST_REFS = 4_000  # of one push: https://docs.aws.amazon.com/codecommit/latest/userguide/limits.html
_PIECE = 1 << 16
_SIZE = re.compile(rb"[0-9a-fA-F]{4}")
_HEAD = 1 << 14  # bytes of the head of what http-backend says


@dataclass(frozen=True)
class Exchange:
    """action: ADVERTISE, or the service itself. service: PULL or PUSH. body: a descriptor, `size` bytes to read.

    kind: the content type. zipped: whether the body is. version: of the protocol, "2", or "".
    """

    action: str
    service: str
    body: int
    size: int
    kind: str = ""
    zipped: bool = False
    version: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """As CGI has them."""
        found = {
            "QUERY_STRING": f"service={self.service}" if self.action == ADVERTISE else "",
            "REQUEST_METHOD": "GET" if self.action == ADVERTISE else "POST",
            "CONTENT_TYPE": self.kind,
            "CONTENT_LENGTH": str(self.size),
            "REMOTE_USER": "codecommit",
            "REMOTE_ADDR": "127.0.0.1",
        }
        if self.zipped:
            found["HTTP_CONTENT_ENCODING"] = "gzip"
        if self.version:
            found["GIT_PROTOCOL"] = f"version={self.version}"
        return found


@dataclass(frozen=True)
class Spoken:
    """git's answer: a status of HTTP, headers, and a body in parts."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    parts: Generator[bytes, None, None] | None = None


def speak(repository: Repository, exchange: Exchange) -> Spoken:
    """git's answer to one request. NoGit: this machine has none."""
    place = {
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROJECT_ROOT": str(repository.folder.parent),
        "PATH_INFO": f"/{repository.folder.name}/{exchange.action}",
    }
    running = subprocess.Popen(
        git.limited("http-backend"),
        stdin=exchange.body,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env=git.environment() | place | exchange.variables,
        cwd=repository.folder,
        start_new_session=True,
    )
    status, headers = _read_head(running)
    if not headers:
        with git.ended(running):
            return Spoken(500)
    return Spoken(status, headers, _stream(running))


def asks_too_much(exchange: Exchange) -> bool:
    """Whether a push names more branches and tags than one may: each is a file. Its body begins with them.

    https://git-scm.com/docs/pack-protocol
    """
    at = 0
    for _ in range(MOST_REFS + 1):
        size = os.pread(exchange.body, 4, at)
        if exchange.zipped or not _SIZE.fullmatch(size) or int(size, 16) < 4:
            return exchange.zipped  # the last, or what git itself will say no to; no client packs a push
        at += int(size, 16)
    return True


def _read_head(running: subprocess.Popen[bytes]) -> tuple[int, list[tuple[str, str]]]:
    assert running.stdout is not None
    status, headers, size = 200, [], 0
    while size < _HEAD and (line := running.stdout.readline(_HEAD)).strip():
        size += len(line)
        name, _, value = line.decode("latin-1").strip().partition(": ")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers.append((name, value))
    return status, headers


def _stream(running: subprocess.Popen[bytes]) -> Generator[bytes, None, None]:
    """The parts of git's answer; who goes away in the middle ends it, and so does its time."""
    assert running.stdout is not None
    with git.ended(running):
        while piece := os.read(running.stdout.fileno(), _PIECE):
            yield piece
