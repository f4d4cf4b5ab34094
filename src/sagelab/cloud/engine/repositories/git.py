"""The system's git on one bare repository of the home, with settings of its own and nobody else's.

Neither this user's settings nor the machine's are read, no hook runs, and every object that comes in is checked. A
process has limits of its memory, its time and of what it writes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sagelab.cloud.engine.data import trees

PUSH_LIMIT = 1 << 30  # bytes of one push; AWS takes more
REPOSITORY_LIMIT = 2 << 30  # bytes of a repository that takes no more
SECONDS = 600  # that a process may run
PRINTED = 16 << 20  # bytes that a process may print; the largest file of CodeCommit's is smaller
_COMPLAINT = 1 << 14  # bytes of what it says when it fails
_MEMORY = 8 << 20  # KiB of addresses, most of them of files
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "false",
    "gc.autoDetach": "false",
    "http.receivepack": "true",
    "http.uploadpack": "true",
    "http.getanyfile": "false",
    "init.defaultBranch": "main",
    "protocol.allow": "never",
    "receive.maxInputSize": str(PUSH_LIMIT),
    "transfer.fsckObjects": "true",
    "user.useConfigOnly": "true",
}
_NONE: dict[str, str] = {}
_LIMITED = 'ulimit -v "$1" -t "$2" -f "$3" -c 0; shift 3; exec "$@"'


Variables = Mapping[str, str]


class GitFailed(Exception):
    """git says no; its own words."""


class TooMuch(Exception):
    """git has more to say than a process may print."""


class NoGit(Exception):
    """This machine has no git."""


def command() -> str:
    """The path of this machine's git. NoGit: there is none."""
    found = shutil.which("git")
    if found is None:
        raise NoGit("There is no git on this machine: install it (apt install git), and try again.")
    return found


def environment() -> dict[str, str]:
    """All of the environment of a git process."""
    settings: dict[str, str] = {}
    for number, (name, value) in enumerate(_SETTINGS.items()):
        settings |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return settings | {
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "PATH": os.defpath,
    }


def limited(*arguments: str) -> list[str]:
    """The command that runs git with these arguments under its limits. NoGit: this machine has none."""
    limits = [str(_MEMORY), str(SECONDS), str(REPOSITORY_LIMIT // 512)]
    return ["/bin/sh", "-c", _LIMITED, "sh", *limits, command(), *arguments]


@contextmanager
def memory(content: bytes = b"") -> Iterator[int]:
    """A descriptor of a file without a name, which is read from its beginning on."""
    descriptor = os.memfd_create("git")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def ended(running: subprocess.Popen[bytes]) -> Iterator[None]:
    """A process, in a session of its own, that ends with all that it has started: now, or when its time is up."""
    watch = threading.Timer(SECONDS, kill, [running])
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
        kill(running)
        if running.stdout:
            running.stdout.close()
        running.wait()


def kill(running: subprocess.Popen[bytes]) -> None:
    if running.returncode is None:  # else the number may be another's by now
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Repository:
    """One bare repository."""

    folder: Path

    def make(self) -> None:
        """Make it, empty, with the branch `main` to come. NoGit, OSError: it cannot be."""
        self.folder.mkdir(mode=0o700, parents=True)
        self.run("init", "--quiet", "--bare", "--template=", str(self.folder))

    def remove(self) -> None:
        trees.remove(self.folder)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return trees.measure(self.folder)

    def run(self, *arguments: str, given: bytes = b"", variables: Variables = _NONE) -> bytes:
        """What git prints. given: what it reads. variables: of its environment.

        GitFailed: it says no. TooMuch: it says more than PRINTED.
        """
        asked = limited(f"--git-dir={self.folder}", *arguments)
        with memory(given) as stdin, memory() as stderr:
            running = subprocess.Popen(
                asked,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment() | dict(variables),
                cwd=self.folder,
                start_new_session=True,
            )
            with ended(running):
                assert running.stdout is not None
                printed = running.stdout.read(PRINTED + 1)
                if len(printed) > PRINTED:
                    raise TooMuch(f"git has more to say of this than {PRINTED >> 20} MB")
                code = running.wait()
            if code:
                said = os.pread(stderr, _COMPLAINT, 0).decode("utf-8", "replace").strip()
                raise GitFailed(said or f"git ended with {code}")
        return printed

    def text(self, *arguments: str, given: bytes = b"", variables: Variables = _NONE) -> str:
        return self.run(*arguments, given=given, variables=variables).decode("utf-8", "replace").strip()

    def refs(self) -> Mapping[str, str]:
        """Every branch and tag by its full name, and the id of what it names."""
        lines = self.text("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
        pairs = (line.split(" ", 1) for line in lines.splitlines())
        return {name: value for value, name in pairs}

    def archive(self, commit: str, file: Path) -> None:
        """Write a commit's files as a zip. commit: a whole id. GitFailed: there is none."""
        self.run("archive", "--format=zip", f"--output={file}", commit)

    @property
    def head(self) -> str:
        """The branch that a clone begins with, whether or not it has a commit: "main"."""
        return self.text("symbolic-ref", "HEAD").removeprefix("refs/heads/")
