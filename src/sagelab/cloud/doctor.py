"""What this machine allows the local cloud, and what is weaker without it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sagelab.cloud import damage
from sagelab.cloud.home import HOST, PORT, Home

PACKAGES = ("boto3", "sagemaker", "tensorflow", "moto", "werkzeug", "jupyterlab")
MEMORY = 4e9  # bytes free that a training job and a notebook take together
DISK = 2e9


@dataclass(frozen=True)
class Check:
    """One finding. verdict: "good", "weaker" (works with less) or "missing" (the labs cannot run)."""

    name: str
    verdict: str
    found: str
    advice: str = ""


def examine(home: Home) -> list[Check]:
    """Every check, on this machine as it is now."""
    checks: list[Callable[[], Check]] = [_python, _packages, _namespaces, _memory]
    return [*(check() for check in checks), _layers(home), _disk(home), *_home(home), _port(home), _emulation()]


def _python() -> Check:
    found = sys.version.split()[0]
    if (3, 11) <= sys.version_info < (3, 14):
        return Check("Python", "good", found)
    return Check("Python", "missing", found, "The labs need Python 3.11, 3.12 or 3.13.")


def _packages() -> Check:
    found, absent = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            absent.append(name)
    if absent:
        return Check("packages", "missing", f"without {', '.join(absent)}", "Run: make setup")
    return Check("packages", "good", ", ".join(found))


def _namespaces() -> Check:
    from sagelab.cloud.engine.sandbox import namespaces

    reason = namespaces.probe()
    if reason is None:
        return Check("namespaces", "good", "a job gets an /opt/ml, processes and a network of its own")
    advice = (
        "Jobs run as plain processes: /opt/ml is a folder elsewhere, and they see the files you see; "
        "a notebook instance cannot be cut off from the internet. "
        "In a container, --security-opt seccomp=unconfined allows namespaces."
    )
    return Check("namespaces", "weaker", reason, advice)


def _layers(home: Home) -> Check:
    from sagelab.cloud.engine.sandbox import namespaces

    reason = namespaces.probe() or namespaces.probe_overlay(home.python)
    if reason is None:
        return Check("layers", "good", "a job changes its packages as in a container")
    advice = "A job installs packages into a virtual environment, and can remove none of its image's."
    return Check("layers", "weaker", reason, advice)


def _memory() -> Check:
    free = _available_memory()
    found = f"{free / 1e9:.1f} GB free, {os.cpu_count()} cores"
    if free >= MEMORY:
        return Check("memory", "good", found)
    return Check("memory", "weaker", found, f"Below {MEMORY / 1e9:.0f} GB a large job may be killed.")


def _available_memory() -> int:
    facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(facts["MemAvailable"].split()[0]) * 1024


def _disk(home: Home) -> Check:
    free = shutil.disk_usage(home.path).free
    found = f"{free / 1e9:.1f} GB free at {home.path}"
    if free >= DISK:
        return Check("disk", "good", found)
    return Check("disk", "weaker", found, f"Below {DISK / 1e9:.0f} GB models and data may not fit.")


def _home(home: Home) -> list[Check]:
    """A finding for each file that is damaged."""
    found = [
        Check("home", "missing", f"{error.file} {error.what}", error.advice)
        for error in damage.find(home, whole=True)
    ]
    return found or [Check("home", "good", "no file of it is damaged")]


def _emulation() -> Check:
    from sagelab.neo import emulator

    try:
        command = emulator.translator()
    except emulator.NoEmulator as error:
        what, _, advice = str(error).partition(". ")
        return Check("emulation", "weaker", what, f"Code for ARM64 devices is compiled, not run. {advice}")
    return Check("emulation", "good", command[0] if command else "this processor is ARM64 itself")


def _port(home: Home) -> Check:
    running = home.server()
    if running is not None:
        return Check("port", "good", f"this local cloud answers at {running['url']}")
    port = home.last_port() or PORT
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return Check("port", "weaker", f"{port} is taken", "The local cloud will choose another.")
    return Check("port", "good", f"{port} is free")
