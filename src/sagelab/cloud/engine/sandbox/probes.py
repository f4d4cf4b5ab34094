"""What this machine allows of a host's namespaces: each tried in a process of its own.

Standard library alone, as namespaces.py is.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from sagelab.cloud.engine.data import trees
from sagelab.cloud.engine.sandbox import links, namespaces, privileges
from sagelab.cloud.engine.sandbox.namespaces import (
    CLONE_NEWIPC,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    MS_NODEV,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
)


def probe() -> str | None:
    """None where this machine allows all that `enter` does but a layer over packages, else the reason it gives."""

    def act() -> None:
        namespaces.mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID)
        _probe_proc()
        privileges.drop()

    return try_apart(act)


def probe_overlay(folder: Path) -> str | None:
    """None where a layer in such a folder can lie over this Python's packages, else the reason."""
    if Path(sys.prefix).is_relative_to("/usr"):
        return "the packages are the system's own"
    layer = Path(tempfile.mkdtemp(dir=folder))
    for name in ("upper", "work", "seen"):
        (layer / name).mkdir()

    def act() -> None:
        os.setxattr(layer / "upper", "user.sagelab", b"")  # the kernel keeps there what a folder stands for
        namespaces.mount_overlay(Path(sys.prefix), layer, layer / "seen")
        next((layer / "seen/bin").iterdir()).unlink()

    try:
        return try_apart(act)
    finally:
        trees.remove(layer)


def probe_links() -> str | None:
    """None where the hosts of a job can have networks of their own that are joined (links.py), else the reason."""

    def act() -> None:
        for network in links.join(["10.0.0.1", "10.0.0.2"], namespaces.raise_loopback):
            os.close(network)

    return try_apart(act)


def try_apart(act: Callable[[], None]) -> str | None:
    """Do something in namespaces of its own; the reason where the kernel refuses."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            namespaces.isolate_users()
            namespaces.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)
            namespaces.mount(None, "/", None, MS_REC | MS_PRIVATE)
            act()
        except OSError as error:
            os.write(writer, f"{error.strerror}: {error.filename or 'namespaces'}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        reason = answer.read().decode()
    os.waitpid(child, 0)
    return reason or None


def _probe_proc() -> None:
    child = os.fork()
    if child == 0:
        try:
            namespaces.mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise OSError(1, "Operation not permitted", "mount of /proc")
