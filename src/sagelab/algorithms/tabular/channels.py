"""The channels of the algorithms that take rows of numbers: RecordIO-protobuf, or CSV without a header.

https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms import recordio, tables
from sagelab.algorithms.job import Job, UserError
from sagelab.algorithms.tables import Table

RECORDIO, CSV = "application/x-recordio-protobuf", "text/csv"
KINDS = (RECORDIO, CSV)


def require(job: Job, *names: str) -> None:
    """UserError: the job has not one of these channels."""
    missing = [name for name in names if job.channel(name) is None]
    if missing:
        raise UserError(
            "Failed to validate input data configuration. (caused by ValidationError)\n\nCaused by:"
            f" '{missing[0]}' is a required property"
        )


def read(
    job: Job, channel: str, *, labelled: bool = False, width: int | None = None, kinds: tuple[str, ...] = KINDS
) -> Table | None:
    """The rows of a channel; None where the job has none of that name.

    labelled: the algorithm needs labels. width: how many features there must be, if that is told. kinds: the
    content types that it takes. UserError: they cannot be read.
    """
    folder = job.channel(channel)
    if folder is None:
        return None
    content_type = job.config("inputdataconfig")[channel].get("ContentType") or RECORDIO
    kind, labels = kind_of(content_type, kinds)
    parts = [_read(file, kind, labels, channel) for file in _files(folder)]
    if not parts:
        raise UserError(f"Unable to read data channel '{channel}'. The channel has no data: its files are empty.")
    try:
        found = tables.join(parts)
    except ValueError as error:
        raise _unreadable(channel, content_type, f"the files do not fit together: {error}") from None
    numbers = found.features if isinstance(found.features, np.ndarray) else found.features.data
    if not np.isfinite(numbers).all():
        raise _unreadable(channel, content_type, "a value is missing or no finite number")
    if labelled and found.labels is None:
        raise _unreadable(channel, content_type, "the records have no labels")
    if width is not None and found.features.shape[1] != width:
        found = Table(_widen(found.features, width, channel), found.labels)
    return found


def need(
    job: Job, channel: str, *, labelled: bool = False, width: int | None = None, kinds: tuple[str, ...] = KINDS
) -> Table:
    """The rows of a channel that there must be. UserError: they cannot be read, or it is not there."""
    require(job, channel)
    found = read(job, channel, labelled=labelled, width=width, kinds=kinds)
    assert found
    return found


def kind_of(content_type: str, kinds: tuple[str, ...] = KINDS) -> tuple[str, int]:
    """(RECORDIO or CSV, how many columns are labels). UserError: it is none of these."""
    name, *options = [part.strip() for part in content_type.split(";")]
    given = dict(option.partition("=")[::2] for option in options)
    labels = given.get("label_size", "1").strip()
    if name.lower() not in kinds or labels not in ("0", "1"):
        raise UserError(f"No iterator has been registered for ContentType ('{content_type[:80]}', '1.0')")
    return name.lower(), int(labels)


def read_csv(text: str) -> Any:
    """(rows, columns). ValueError: a cell is no number, a row has another length, or there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a text without rows
        found = np.loadtxt(io.StringIO(text), dtype=np.float32, delimiter=",", ndmin=2, comments=None)
    if not found.size:
        raise ValueError("there are no rows")
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith((".", "_")) and file.stat().st_size
    )


def _read(file: Path, kind: str, labels: int, channel: str) -> Table:
    try:
        if kind == RECORDIO:
            return Table(*recordio.read(file.read_bytes()))
        rows = read_csv(file.read_text("utf-8"))
        if rows.shape[1] <= labels:
            raise ValueError(f"a row has {rows.shape[1]} columns, and none that is a feature")
        return Table(rows[:, labels:], rows[:, 0] if labels else None)
    except (ValueError, OSError, UserError) as error:
        raise _unreadable(channel, kind, f"{file.name}: {error}") from None


def _unreadable(channel: str, content_type: str, why: str) -> UserError:
    return UserError(
        f"Unable to read data channel '{channel}'. Requested content-type is '{content_type}'. Please verify the"
        f" data matches the requested content-type.\n\nCaused by: {why}"
    )


def _widen(features: Any, width: int, channel: str) -> Any:
    """Sparse rows are as wide as the algorithm was told. UserError: they have other columns."""
    if features.shape[1] < width and not isinstance(features, np.ndarray):
        features.resize(features.shape[0], width)
        return features
    raise UserError(
        f"The data of channel '{channel}' has {features.shape[1]} features, and feature_dim is {width}. Please set"
        " feature_dim to the number of columns without the label."
    )
