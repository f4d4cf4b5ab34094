"""Which model an unpacked archive holds: exactly one, of the framework that the request names.

Sentences are Neo's where it has one for the case:
https://docs.aws.amazon.com/sagemaker/latest/dg/neo-troubleshooting-compilation.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sagelab.neo.errors import InputConfiguration
from sagelab.neo.program import Program
from sagelab.neo.shapes import Shape

FRAMEWORKS = ("KERAS", "TENSORFLOW", "ONNX", "TFLITE")
ENDINGS = {"KERAS": (".keras", ".h5"), "TENSORFLOW": (".pb", ".pbtxt"), "ONNX": (".onnx",), "TFLITE": (".tflite",)}
WANTED = {
    "KERAS": "Keras models: one .h5 or .keras file",
    "TENSORFLOW": "TensorFlow models: one SavedModel, saved_model.pb with its folder variables",
    "ONNX": "ONNX models: one .onnx file",
    "TFLITE": "TensorFlow Lite models: one .tflite file",
}


@dataclass(frozen=True)
class Source:
    """A model's file; of a SavedModel its saved_model.pb."""

    framework: str
    file: Path

    def read(self, config: Mapping[str, Shape] | None, signature: str | None = None) -> Program:
        """The model as a Program. NeoError: it cannot be one."""
        if self.framework == "KERAS":
            from sagelab.neo import keras_models

            return keras_models.read(self.file, config)
        if self.framework == "TENSORFLOW":
            from sagelab.neo import saved_models

            name = signature or saved_models.DEFAULT_SIGNATURE
            return saved_models.read(self.file.parent, config, name)
        if self.framework == "ONNX":
            from sagelab.neo import onnx_models

            return onnx_models.read(self.file, config)
        from sagelab.neo import tflite_models

        return tflite_models.read(self.file, config)

    def files(self) -> list[Path]:
        """Every file of the model."""
        folder = self.file.parent
        variables = sorted((folder / "variables").rglob("*")) if self.framework == "TENSORFLOW" else []
        return [self.file, *(file for file in variables if file.is_file())]

    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.stat().st_size for file in self.files())

    def checksum(self) -> str:
        """SHA-256 over the files of the model, in order."""
        found = hashlib.sha256()
        for path in self.files():
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    found.update(block)
        return f"sha256:{found.hexdigest()}"


def find(folder: Path, framework: str) -> Source:
    """The one model of this framework below a folder. InputConfiguration: there is none, or more than one."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.is_symlink()]
    found = [file for file in files if _is_model(file, framework)]
    if not found:
        raise InputConfiguration(_none(files, folder, framework))
    if len(found) > 1:
        names = ", ".join(str(file.relative_to(folder)) for file in found[:5])
        raise InputConfiguration(
            f"Exactly one model is allowed for {WANTED[framework]}. The archive has: {names}."
        )
    return Source(framework, found[0])


def _is_model(file: Path, framework: str) -> bool:
    if framework == "TENSORFLOW":
        return file.name in ("saved_model.pb", "saved_model.pbtxt")
    return file.suffix.lower() in ENDINGS[framework]


def _none(files: list[Path], folder: Path, framework: str) -> str:
    names = [str(file.relative_to(folder)) for file in files]
    has = f"has {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "is empty"
    others = [
        other for other in FRAMEWORKS if other != framework and any(_is_model(file, other) for file in files)
    ]
    hint = f" It looks like {others[0]}." if others else ""
    return (
        f"No model found. Please make sure the framework you select is correct. {framework} is for"
        f" {WANTED[framework]}. The archive {has}.{hint}"
    )
