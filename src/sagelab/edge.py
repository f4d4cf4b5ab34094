"""A compiled model on an edge device: here under emulation, with the runtime that the device would install.

`sagelab edge run` and lab 5 use it. What is computed is what the device computes; how long it takes says nothing.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.neo import emulator, runtime
from sagelab.neo.runtime import Array, BadArtifact, Manifest


class EdgeError(Exception):
    """The device cannot be shown; `str()` says why, and what to do."""


@dataclass(frozen=True)
class Readings:
    """What the device answered. scores: (n, classes), a row an image."""

    manifest: Manifest
    scores: Array

    @property
    def digits(self) -> Array:
        """The class of the highest score, an image."""
        found: Array = np.argmax(self.scores, axis=1)
        return found


def cache() -> Path:
    """Where the device's runtime is kept once it was fetched."""
    return Path(os.environ.get("SAGELAB_HOME") or Path.home() / ".sagelab").expanduser() / "cache"


def available() -> str | None:
    """None where a device can be emulated, else what is missing and how to get it. Fetches the runtime."""
    try:
        emulator.fetch(cache())
    except emulator.NoEmulator as error:
        return str(error)
    return None


def run(artifact: Path | str, images: Array, target: str | None = None) -> Readings:
    """Let the device of an artifact read images, one after the other.

    artifact: a folder, or the .tar.gz of a compilation job. images: (n, height, width) of 0 to 255, or (n, ...)
    as the model takes them. target: what the artifact must have been compiled for. EdgeError: it cannot be run.
    """
    with _unpacked(Path(artifact)) as folder:
        try:
            manifest = runtime.read_manifest(folder)
            _check(manifest, target)
            device = emulator.fetch(cache())
            rows = [_answer(device, folder, manifest, image) for image in images]
        except (emulator.NoEmulator, BadArtifact) as error:
            raise EdgeError(str(error)) from error
    return Readings(manifest, np.concatenate(rows))


def held_out_digits(count: int) -> tuple[Array, Array]:
    """The first held-out digits of the labs: images (count, 28, 28) of 0 to 255, and what they are."""
    from sagelab.lab import digits

    data = digits.load()
    return data.held_out_images[:count], data.held_out_labels[:count]


def keras_scores(file: Path | str, images: Array) -> Array:
    """What a Keras file answers to the same images."""
    from sagelab.neo import keras_models

    model = keras_models.load(Path(file))
    shape = tuple(model.inputs[0].shape[1:])
    return np.asarray(model(np.concatenate([_row(image, (1, *shape)) for image in images]), training=False))


def _check(manifest: Manifest, target: str | None) -> None:
    if target and manifest.target != target:
        raise EdgeError(f"The artifact was compiled for {manifest.target}, not for {target}.")
    if not manifest.triple.startswith("aarch64"):
        raise EdgeError(
            f"The artifact was compiled for {manifest.target} ({manifest.triple}), which is no ARM64 device."
        )
    if len(manifest.inputs) > 1:
        names = ", ".join(tensor.name for tensor in manifest.inputs)
        raise EdgeError(f"The model has more than one input ({names}); images are one.")


def _answer(device: emulator.Emulator, folder: Path, manifest: Manifest, image: Array) -> Array:
    tensor = manifest.inputs[0]
    inputs = np.repeat(_row(image, (1, *tensor.shape[1:])), tensor.shape[0], axis=0)
    first: Array = device.run(folder, manifest, {tensor.name: inputs})[manifest.outputs[0].name][:1]
    return first


def _row(image: Any, shape: Sequence[int]) -> Array:
    """One image as one row of the model's input; whole numbers are pixels of 0 to 255."""
    array = np.asarray(image)
    scaled = array / 255 if array.dtype.kind in "ui" else array
    if scaled.size != np.prod(shape):
        raise EdgeError(f"The model takes images of {list(shape[1:])}, not {list(array.shape)}.")
    return scaled.reshape(shape).astype(np.float32)


@contextmanager
def _unpacked(artifact: Path) -> Iterator[Path]:
    if artifact.is_dir():
        yield artifact
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(artifact) as archive:
                archive.extractall(folder, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise EdgeError(f"{artifact} is no archive of a compilation job: {error}") from error
        yield Path(folder)
