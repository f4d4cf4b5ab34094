"""From an image URI to what runs it here.

The TensorFlow images of the SageMaker SDK's own tables (for processing jobs, scikit-learn's too) run in this
environment's Python. A job whose code names TensorFlow or Keras is forked from a Python that has imported them;
any other needs less.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelab.cloud.engine.images.neo import is_neo
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.images import Images

# What `sagemaker_training` imports. Not itself: at its import it makes the folders of a job.
TOOLKIT_NEEDS = tuple("asyncio boto3 boto3.s3.transfer inotify_simple paramiko psutil retrying six numpy".split())
URI = re.compile(r"(?P<registry>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.(?P<domain>[a-z.]+)/(?P<image>\S+)")
# The SDK's tables of images (framework/scope), by what an image is for.
TRAINING = ("tensorflow/training",)
INFERENCE = ("tensorflow/inference", "tensorflow/eia")
PROCESSING = ("tensorflow/training", "sklearn/training")
WANTS_TENSORFLOW = re.compile(rb"\b(?:tensorflow|keras)\b")
OWN = "A folder of your own with a `serve` or `train` program becomes an image here with `sagelab image add`."
READ_AT_IMPORT = re.compile(rb"KERAS_BACKEND|TF_USE_LEGACY_KERAS|TF_ENABLE_ONEDNN|XLA_FLAGS")


@dataclass(frozen=True)
class Runtime:
    """A kind of warm Python.

    imports: what it has imported. forks: the commands of a job that are forks of it (HostSpec.forks).
    """

    name: str
    imports: tuple[str, ...] = ()
    forks: tuple[str, ...] = ()


PYTHON = Runtime("python")
TENSORFLOW = Runtime("tensorflow", (*TOOLKIT_NEEDS, "tensorflow", "keras"), ("train", "python3"))
TOOLKIT = Runtime("toolkit", TENSORFLOW.imports, ("train",))


def choose(code: Path | None, toolkit: bool) -> Runtime:
    """The runtime for code in this folder.

    toolkit: the image's own `train` runs it, for the job names no entry point. It imports TensorFlow itself, so
    that a warm one serves it whatever the code is.
    """
    if code is None or _replaces_packages(code):
        return TOOLKIT if toolkit else PYTHON
    sources = [file.read_bytes() for file in code.rglob("*.py") if file.is_file()]
    if any(READ_AT_IMPORT.search(source) for source in sources):
        return TOOLKIT if toolkit else PYTHON
    if toolkit or any(WANTS_TENSORFLOW.search(source) for source in sources):
        return TENSORFLOW
    return PYTHON


def _replaces_packages(code: Path) -> bool:
    """Whether the code brings what a warm Python has imported already, maybe in another version."""
    names = ("requirements.txt", "tensorflow", "keras", "tensorflow.py", "keras.py")
    return any((code / name).exists() for name in names)


def check_training_image(uri: str, own: Images) -> None:
    """ValidationException: no runtime of the local cloud runs this image; the known ones are named."""
    if not (_is_known(uri, TRAINING) or own.find(uri, "train")):
        raise ValidationException(
            f"The local cloud has no runtime for the training image {uri}. It runs the TensorFlow training images"
            f" of the SageMaker SDK, in any region: {', '.join(known_images(TRAINING))}. {OWN}"
        )


def is_inference_image(uri: str) -> bool:
    """Whether the project's own model server stands for this image."""
    return _is_known(uri, INFERENCE) or is_neo(uri)


def check_inference_image(uri: str, own: Images) -> None:
    """ValidationException: no model server of the local cloud stands for this image; the known ones are named."""
    if is_inference_image(uri) or own.find(uri, "serve"):
        return
    trouble = f"The local cloud has no model server for the image {uri}"
    if _is_known(uri, TRAINING):
        trouble = f"{uri} is an image for training, which has no model server"
    raise ValidationException(
        f"{trouble}. The local cloud serves with the TensorFlow inference images of the SageMaker SDK, in any"
        f" region: {', '.join(known_images(INFERENCE))}; and models that it compiled with Neo's own images. {OWN}"
    )


def check_processing_image(uri: str) -> None:
    """ValidationException: no runtime of the local cloud runs this image as a processing job."""
    if not _is_known(uri, PROCESSING):
        raise ValidationException(
            f"The local cloud has no runtime for the processing image {uri}. It runs these images of the SageMaker"
            f" SDK, in any region: {', '.join(known_images(PROCESSING))}."
        )


@functools.cache
def known_images(tables: tuple[str, ...]) -> tuple[str, ...]:
    """The repositories and version ranges of images that run here. tables: TRAINING, INFERENCE or PROCESSING."""
    groups: dict[str, list[str]] = {}
    for version, entry in _rows(tables):
        groups.setdefault(entry["repository"], []).append(version)
    return tuple(f"{name} (versions {', '.join(group)})" for name, group in groups.items())


def describe_here() -> str:
    """What stands behind every image here, in a word."""
    import platform

    version = importlib.metadata.version("tensorflow")
    return f"Python {platform.python_version()}, TensorFlow {version}, CPU only"


def _is_known(uri: str, tables: tuple[str, ...]) -> bool:
    found = URI.fullmatch(uri)
    if found is None:
        return False
    repository, _, tag = found["image"].partition(":")
    return any(
        repository == row["repository"]
        and found["registry"] in row["registries"].values()
        and re.match(rf"{version}(?!\d)|{version[:-2]}-", tag)
        for version, row in _rows(tables)
    )


@functools.cache
def _rows(tables: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    """The rows of the SDK's tables, in order; of TensorFlow's those of 2, for code for 1 would not run here."""
    rows = []
    for table in tables:
        framework, _, scope = table.partition("/")
        versions = _images(framework)[scope]["versions"].items()
        rows += [row for row in versions if framework != "tensorflow" or _by_number(row[0]) >= (2,)]
    return sorted(rows, key=lambda row: _by_number(row[0]))


def _images(framework: str) -> dict[str, Any]:
    files = importlib.metadata.files("sagemaker-core") or []
    name = f"{framework}.json"
    wanted = next(file for file in files if file.name == name and "image_uri_config" in str(file))
    found: dict[str, Any] = json.loads(Path(str(wanted.locate())).read_text())
    return found


def _by_number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
