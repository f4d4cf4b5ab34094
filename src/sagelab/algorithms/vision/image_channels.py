"""What the channels of the algorithms for pictures hold: pictures, each with its label as it was written.

RecordIO files, pictures beside a list or beside annotations of the same name, and what a pipe brings of an
augmented manifest: https://docs.aws.amazon.com/sagemaker/latest/dg/image-classification.html#IC-inputoutput
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.vision import image_records

RECORDIO = "application/x-recordio"
PICTURES = ("application/x-image", "image/jpeg", "image/png")
SUFFIXES = (".jpg", ".jpeg", ".png")
LARGEST_FILE = 1 << 28  # bytes of one picture, list or annotation
MOST = 10_000_000  # pictures of a channel


@dataclass(frozen=True)
class Example:
    """name: for the words of an error. picture: its bytes, or its file. label: the numbers that a record or a list
    has, or the bytes or the file of an annotation."""

    name: str
    picture: Any
    label: Any

    @property
    def data(self) -> Any:
        """The bytes of the picture."""
        return content(self.picture)


def content(where: Any) -> Any:
    """The bytes that are there, or in a file. UserError: the file is not there, or too large."""
    if not isinstance(where, Path):
        return where
    if not where.is_file():
        raise UserError(f"File {where.name} is not in its channel.")
    if where.stat().st_size > LARGEST_FILE:
        raise UserError(f"File {where.name} has more than {LARGEST_FILE} bytes.")
    return where.read_bytes()


def require(job: Job, *names: str) -> None:
    """UserError: one of these channels is missing, or they are not all of one content type."""
    config = job.config("inputdataconfig")
    for name in names:
        if name not in config:
            raise missing(name)
    kinds = {kind_of(job, name) for name in names}
    if len(kinds) > 1:
        raise UserError(
            f"Channels {', '.join(names)} must have one content type, not {' and '.join(sorted(kinds))}."
        )


def missing(channel: str) -> UserError:
    """The job has not this channel, in the words of these algorithms' containers."""
    return UserError(
        f"Failed to validate input data configuration. (caused by ValidationError)\n\nCaused by: '{channel}'"
        " is a required property"
    )


def kind_of(job: Job, channel: str) -> str:
    """RECORDIO or "application/x-image", by a channel's content type. UserError: it is another."""
    given = str(job.config("inputdataconfig").get(channel, {}).get("ContentType") or "")
    kind = given.partition(";")[0].strip().lower()
    if kind in PICTURES:
        return PICTURES[0]
    if kind == RECORDIO:
        return RECORDIO
    raise UserError(
        f"Content type {given or 'of none'} of channel {channel} is not supported. "
        f"Please use {', '.join((RECORDIO, *PICTURES))}."
    )


def label_format(job: Job, channel: str) -> str:
    """ "multi-hot" or "class-id", of the channel's content type."""
    given = str(job.config("inputdataconfig").get(channel, {}).get("ContentType") or "")
    options = dict(part.strip().partition("=")[::2] for part in given.split(";")[1:])
    found = options.get("label-format", "multi-hot").strip()
    if found not in ("multi-hot", "class-id"):
        raise UserError(f"label-format {found} of channel {channel} is neither multi-hot nor class-id.")
    return found


def recorded(job: Job, channel: str) -> list[Example]:
    """The pictures of a RecordIO channel: of its .rec files, or of what a pipe brings. UserError: it has none."""
    config, folder = job.config("inputdataconfig")[channel], _folder(job, channel)
    piped, wrapped = config.get("TrainingInputMode") == "Pipe", config.get("RecordWrapperType") == "RecordIO"
    suffixes = (".rec", ".recordio")
    files = sorted(file for file in folder.rglob("*") if file.is_file() and (piped or file.suffix in suffixes))
    if not files:
        raise UserError(f"No .rec file in {channel} channel path {folder}")
    found = [example for file in files for example in _of_file(file, wrapped)]
    if not found:
        raise UserError(f"No data in {channel} channel path {folder}")
    return found


def listed(job: Job, channel: str, lists: str) -> list[Example]:
    """The pictures that the .lst file of another channel names, with its numbers as their labels."""
    folder, files = _folder(job, channel), sorted(_folder(job, lists).rglob("*.lst"))
    if len(files) != 1:
        raise UserError(f"Channel {lists} must have one .lst file.")
    (file,) = files
    found = []
    for number, line in enumerate(content(file).decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        columns = line.split("\t")
        try:
            labels = np.array([float(column) for column in columns[1:-1]], np.float32)
        except ValueError:
            labels = np.array([])
        if not labels.size or not np.isfinite(labels).all():
            raise UserError(
                f"Line {number} of {file.name} is not an index, a label and a path, with tabs between."
            )
        path = columns[-1].strip()
        found.append(Example(path, inside(folder, path), labels))
    if not found:
        raise UserError(f"{file.name} names no images.")
    return found


def annotated(job: Job, channel: str, suffix: str) -> list[Example]:
    """The pictures of `train` or `validation`, each with the file of the annotation that has its name.

    UserError: one picture has none, there are no pictures, or one of the four channels is missing.
    """
    require(job, "train", "validation", "train_annotation", "validation_annotation")
    annotations = f"{channel}_annotation"
    folder, beside = _folder(job, channel), _folder(job, annotations)
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    known = {file.stem: file for file in beside.rglob(f"*{suffix}")}
    for file in files:
        if file.stem not in known:
            raise UserError(f"Image {file.name} of channel {channel} has no {file.stem}{suffix} in {annotations}.")
    if not files:
        raise UserError(f"No .jpg or .png images in {channel} channel path {folder}")
    return [Example(file.name, file, known[file.stem]) for file in files]


def inside(folder: Path, path: str) -> Path:
    """The file of a relative path. UserError: it leads out of the folder, or nothing is there."""
    try:
        found = (folder / path).resolve()
        there = found.is_relative_to(folder.resolve()) and found.is_file()
    except (ValueError, OSError):
        there = False
    if not there:
        raise UserError(f"Image {path[:200]} is not in channel path {folder}.")
    return found


def parse(where: Any, name: str) -> Any:
    """What the JSON of an annotation says. UserError: it is none."""
    try:
        return json.loads(bytes(content(where)))
    except (ValueError, RecursionError):
        raise UserError(f"The annotation of {name} is not JSON.") from None


def _folder(job: Job, channel: str) -> Path:
    folder = job.channel(channel)
    if folder is None:
        raise missing(channel)
    return folder


def _of_file(file: Path, wrapped: bool) -> Iterator[Example]:
    with file.open("rb") as source:
        yield from _wrapped(source, file.name) if wrapped else _unwrapped(source, file.name)


def _unwrapped(source: image_records.Source, name: str) -> Iterator[Example]:
    for number, record in enumerate(image_records.read(source, name)):
        if number >= MOST:
            raise UserError(f"{name} has more than {MOST} images.")
        labels, picture = image_records.unpack(record, name)
        yield Example(f"{number} of {name}", picture, labels)


def _wrapped(source: image_records.Source, name: str) -> Iterator[Example]:
    """An augmented manifest's: a record of the picture, then one of its label, and so on."""
    records = image_records.read(source, name)
    for number, picture in enumerate(records):
        label = next(records, None)
        if label is None or number >= MOST:
            raise UserError("An augmented manifest does not bring a label after each image: check AttributeNames.")
        yield Example(f"{number} of {name}", picture, label)
