"""A model as the server sees it, whatever computes it: named tensors in, named tensors out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sagelab.serving.errors import BadModel, BadRequest

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Spec:
    """One tensor: `shape` has None where any size will do, and is itself None where any rank will do.

    dtype object stands for TensorFlow's strings.
    """

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.dtype} of any shape"
        sizes = ["any" if size is None else str(size) for size in self.shape]
        if self.shape and self.shape[0] is None:
            sizes[0] = "batch"
        return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape fits."""
        if self.shape is None:
            return True
        fits = (want is None or want == got for want, got in zip(self.shape, shape, strict=False))
        return len(self.shape) == len(shape) and all(fits)


@dataclass(frozen=True)
class Signature:
    """One way to call a model."""

    inputs: Mapping[str, Spec]
    outputs: Mapping[str, Spec]
    predict: Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Model:
    """A loaded model: its name and version are those of its folders, <name>/<version>/saved_model.pb."""

    name: str
    version: str
    signatures: Mapping[str, Signature]

    def signature(self, name: str | None) -> Signature:
        """BadRequest: the model has no signature of this name."""
        wanted = name or DEFAULT_SIGNATURE
        if wanted not in self.signatures:
            known = ", ".join(sorted(self.signatures))
            raise BadRequest(f'Serving signature key "{wanted}" not found. This model has: {known}.')
        return self.signatures[wanted]


def find(folder: Path, name: str | None = None) -> Path:
    """The newest <digits>/saved_model.pb below the folder: its version's folder.

    name: of the model, the folder that the versions stand in, where the archive has several. Source: the
    container's README, "Deploying more than one model"; SAGEMAKER_TFS_DEFAULT_MODEL_NAME.
    """
    found = [file.parent for file in folder.rglob("saved_model.pb") if re.fullmatch(r"\d+", file.parent.name)]
    if not found:
        raise BadModel(_what_is_missing(folder))
    chosen = [version for version in found if name in (None, version.parent.name)]
    if not chosen:
        names = ", ".join(sorted({version.parent.name for version in found}))
        raise BadModel(f"No SavedModel named {name} in the model archive. It has: {names}.")
    return max(chosen, key=lambda version: (int(version.name), str(version)))


def _what_is_missing(folder: Path) -> str:
    needed = "TensorFlow Serving needs a SavedModel in a folder that is a number: 1/saved_model.pb."
    if not folder.is_dir():
        return f"There is no folder {folder}."
    if any(folder.rglob("saved_model.pb")):
        return f"no SavedModel bundles found! There is a saved_model.pb, but its folder is not a number. {needed}"
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    has = f"has {', '.join(files[:5])}{', ...' if len(files) > 5 else ''}" if files else "is empty"
    return f"no SavedModel bundles found! The model archive {has}. {needed}"
