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

from sagelab import shipped
from sagelab.cloud import damage
from sagelab.cloud.home import HOST, PORT, Home

PACKAGES = {
    "every lab": ("boto3", "sagemaker", "tensorflow", "moto", "werkzeug", "jupyterlab"),
    "lab 3": ("optuna",),
    "lab 5": ("iree-base-compiler", "iree-base-runtime", "onnx", "onnxruntime", "ai-edge-litert"),
}
PIP = "pip install 'sagelab[local]'"
SETTINGS = (  # of the kernel: its name, the value that allows namespaces, the one that forbids them
    ("kernel/apparmor_restrict_unprivileged_userns", "0", "1"),  # Ubuntu 24.04 and later
    ("kernel/unprivileged_userns_clone", "1", "0"),  # Debian before 11
    ("user/max_user_namespaces", "10000", "0"),
)
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
    checks: list[Callable[[], Check]] = [_python, _packages, _namespaces, _networks, _encryption, _memory, _git]
    return [
        *(check() for check in [*checks, _kubectl, _volumes, _fast_files, _tunnels]),
        _layers(home),
        _disk(home),
        *_home(home),
        _port(home),
        _emulation(),
    ]


def _python() -> Check:
    found = sys.version.split()[0]
    if (3, 11) <= sys.version_info < (3, 14):
        return Check("Python", "good", found)
    return Check("Python", "missing", found, "Every lab needs Python 3.11, 3.12 or 3.13.")


def _packages() -> Check:
    absent = {lab: [name for name in names if _version(name) is None] for lab, names in PACKAGES.items()}
    lacking = {lab: names for lab, names in absent.items() if names}
    if not lacking:
        return Check("packages", "good", ", ".join(f"{name} {_version(name)}" for name in PACKAGES["every lab"]))
    found = "; ".join(f"{lab} lacks {', '.join(names)}" for lab, names in lacking.items())
    in_project = (shipped.PROJECT / "Makefile").exists()
    advice = f"Run: {'make setup' if in_project else PIP}"
    return Check("packages", "missing" if "every lab" in lacking else "weaker", found, advice)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _namespaces() -> Check:
    from sagelab.cloud.engine.sandbox import probes

    reason = probes.probe()
    if reason is None:
        return Check("namespaces", "good", "a job gets an /opt/ml, processes and a network of its own")
    advice = (
        "Every lab runs, its jobs as plain processes: /opt/ml is a folder elsewhere, they see the files you see, "
        "and lab 0's notebook instance cannot be cut off from the internet. "
    )
    return Check("namespaces", "weaker", reason, advice + _permission())


def _networks() -> Check:
    from sagelab.cloud.engine.sandbox import probes

    reason = probes.probe() or probes.probe_links()
    if reason is None:
        return Check("networks", "good", "several hosts of a job have a network each, joined by a bridge")
    advice = (
        "The hosts of a job share one network: each can take the others' ports. Where it is the kernel that lacks"
        " the devices, run: sudo modprobe -a veth bridge"
    )
    return Check("networks", "weaker", reason, advice)


def _encryption() -> Check:
    from sagelab.cloud.engine.sandbox import probes, tunnels

    reason = probes.probe() or probes.probe_links() or tunnels.unavailable()
    if reason is None:
        return Check("encryption", "good", "hosts of a job can be joined through WireGuard")
    return Check(
        "encryption", "weaker", reason, "EnableInterContainerTrafficEncryption of several hosts is refused."
    )


def _permission(kernel: Path = Path("/proc/sys")) -> str:
    """What allows namespaces where a setting of the kernel forbids them to whoever is not root."""
    for setting, allows, forbids in SETTINGS:
        file = kernel / setting
        if file.exists() and file.read_text().strip() == forbids:
            return f"Run: sudo sysctl -w {setting.replace('/', '.')}={allows}"
    return "In a container, --security-opt seccomp=unconfined allows namespaces."


def _layers(home: Home) -> Check:
    from sagelab.cloud.engine.sandbox import probes

    reason = probes.probe() or probes.probe_overlay(home.python)
    if reason is None:
        return Check("layers", "good", "a job changes its packages as in a container")
    advice = "A job installs packages into a virtual environment, and can remove none of its image's."
    return Check("layers", "weaker", reason, advice)


def _git() -> Check:
    return _program("git", "CodeCommit has no repositories, which lab 8 needs. Run: apt-get install git")


def _volumes() -> Check:
    from sagelab.cloud.engine.data import encrypted

    if (reason := encrypted.unavailable()) is None:
        return Check("volumes", "good", "a volume under a KMS key is encrypted on disk")
    refused = "VolumeKmsKeyId, which lab 6 needs, and a notebook instance's KmsKeyId are refused"
    advice = f"{refused}. Run: apt-get install gocryptfs fuse3"
    return Check("volumes", "weaker", reason, advice)


def _fast_files() -> Check:
    from sagelab.cloud.engine.data import fastfiles

    if (reason := fastfiles.unavailable()) is None:
        return Check("FastFile", "good", "a channel's files come when they are opened")
    return Check("FastFile", "weaker", reason, "A channel's files are all downloaded before the job starts.")


def _tunnels() -> Check:
    from sagelab.cloud.engine.sandbox import tunnels

    if (reason := tunnels.unavailable()) is None:
        return Check("tunnels", "good", "traffic between the hosts of a job is encrypted where it is asked for")
    advice = (
        "EnableInterContainerTrafficEncryption, which lab 6 needs, is refused. Run: apt-get install wireguard-go"
    )
    return Check("tunnels", "weaker", reason, advice)


def _kubectl() -> Check:
    return _program("kubectl", "Lab 8 leaves its step from Kubernetes out. Run: apt-get install kubernetes-client")


def _program(name: str, advice: str) -> Check:
    found = shutil.which(name)
    return Check(name, "good", found) if found else Check(name, "weaker", f"{name} is not installed", advice)


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
        left_out = "Lab 5 leaves its last step out: code for ARM64 devices is compiled, not run."
        return Check("emulation", "weaker", what, f"{left_out} {advice}")
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
