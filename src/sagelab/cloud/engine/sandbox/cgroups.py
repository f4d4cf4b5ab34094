"""A control group of its own for each host, where the machine has given the local cloud one to divide.

    systemd-run --user --scope -p Delegate=yes sagelab up

makes such a one. The kernel counts there what limits.py cannot see (its own buffers for sockets and pipes), and
ends all that is in a group at once. Which limits there are depends on the controllers that the machine has given.
https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import logging
import os
import secrets
import select
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger("sagelab")

CONTROLLERS = ("memory", "pids")
SPARE = 1.1  # of the memory: limits.py says why a host ends, so it comes first
OWN = 8  # processes of a host that are not its code's
OURS = "sagelab"
GONE = 10_000  # milliseconds in which what was killed must be gone


def find_delegated() -> Path | None:
    """The control group that this process is in, if its user may divide it."""
    folder = _own_group()
    if folder is None:
        return None
    with suppress(OSError):
        by_mark = "user.delegate" in os.listxattr(folder)
        by_owner = os.getuid() != 0 and folder.stat().st_uid == os.getuid()
        if (by_mark or by_owner) and os.access(folder / "cgroup.procs", os.W_OK):
            return folder
    return None


def _own_group() -> Path | None:
    mounts = [line.split(" ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    places = [fields for fields in mounts if fields[fields.index("-") + 1] == "cgroup2"]
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    path = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)
    if path is None or not places:
        return None
    root, place = places[0][3], places[0][4]
    below = path.removeprefix(root) if root != "/" else path
    return Path(place, below.lstrip("/"))


def divide() -> ControlGroups | None:
    """The groups of this process's hosts, where it was given one that it can divide."""
    root = find_delegated()
    try:
        return ControlGroups(root) if root else None
    except OSError as error:
        logger.warning("the control group %s cannot be divided: %s", root, error)
        return None


class ControlGroups:
    """The groups of the hosts of one local cloud, below one that it may divide."""

    def __init__(self, root: Path) -> None:
        """OSError: it cannot be divided."""
        self._root = root
        own = root / OURS
        own.mkdir(exist_ok=True)
        for pid in _read(root, "procs").split():  # a group that has processes gives its children no controllers
            with suppress(ProcessLookupError):
                _write(own, "procs", pid)
        given = set(_read(root, "controllers").split())
        self.controllers = [name for name in CONTROLLERS if name in given]
        if self.controllers:
            _write(root, "subtree_control", " ".join(f"+{name}" for name in self.controllers))

    def make(self, memory: int | None, processes: int) -> Path | None:
        """A new group for a host; None where there can be none. memory: bytes; None: any."""
        group = self._root / f"{OURS}-{secrets.token_hex(8)}"
        try:
            group.mkdir()
            if "memory" in self.controllers and memory is not None:
                (group / "memory.max").write_text(str(int(memory * SPARE)))
                (group / "memory.oom.group").write_text("1")
            if "pids" in self.controllers:
                (group / "pids.max").write_text(str(processes + OWN))
        except OSError:
            logger.exception("a host has no control group")
            return None
        return group


def enter(group: str) -> None:
    """Put this process into a group, and so all that it will start."""
    _write(Path(group), "procs", "0")


def remove(group: Path) -> None:
    """End all that is still in a group, and remove it."""
    try:
        _write(group, "kill", "1")
        with (group / "cgroup.events").open() as events:
            changes = select.poll()
            changes.register(events, select.POLLPRI)
            while "populated 1" in events.read() and changes.poll(GONE):
                events.seek(0)
        group.rmdir()
    except OSError:
        logger.exception("the control group of a host is left")


def _read(group: Path, name: str) -> str:
    return (group / f"cgroup.{name}").read_text()


def _write(group: Path, name: str, text: str) -> None:
    (group / f"cgroup.{name}").write_text(text)
