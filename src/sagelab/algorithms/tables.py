"""Rows of numbers as the built-in algorithms take them: CSV, libsvm, Parquet and RecordIO-protobuf.

In a file the label comes first; in a request there is none.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, vstack

from sagelab.algorithms import recordio
from sagelab.algorithms.job import UserError

CSV, LIBSVM, PARQUET, RECORDIO = "csv", "libsvm", "parquet", "recordio-protobuf"
KINDS = {
    "csv": CSV,
    "text/csv": CSV,
    "libsvm": LIBSVM,
    "text/libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "parquet": PARQUET,
    "application/x-parquet": PARQUET,
    "recordio-protobuf": RECORDIO,
    "application/x-recordio-protobuf": RECORDIO,
}


@dataclass(frozen=True)
class Table:
    """features: (rows, columns), dense or sparse; NaN is a missing value. labels, weights: (rows,), or None."""

    features: Any
    labels: Any = None
    weights: Any = None


def kind_of(content_type: str | None) -> str:
    """CSV, LIBSVM, PARQUET or RECORDIO; libsvm where nothing is said. UserError: it is none of them."""
    name, _, options = (content_type or "text/libsvm").partition(";")
    kind = KINDS.get(name.strip().lower())
    if kind is None:
        raise UserError(
            f"{content_type} is not an accepted ContentType: it must be one of csv, libsvm, parquet,"
            " recordio-protobuf, text/csv, text/libsvm, text/x-libsvm, application/x-parquet,"
            " application/x-recordio-protobuf."
        )
    size = dict(part.strip().partition("=")[::2] for part in options.split(";")).get("label_size", "1")
    if kind == CSV and size != "1":
        raise UserError(f"{content_type} is not supported: label_size must be equal to 1.")
    return kind


def read_files(folder: Path, kind: str, weighted: bool = False) -> Table | None:
    """All files of a channel together; None where there is none. weighted: CSV's second column is weights."""
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith((".", "_")) and file.stat().st_size
    )
    tables = [_read_file(file, kind, weighted) for file in files]
    if not tables:
        return None
    try:
        return join(tables)
    except ValueError as error:
        raise UserError(f"The files of {folder.name} do not fit together: {error}") from None


def _read_file(file: Path, kind: str, weighted: bool) -> Table:
    try:
        if kind == PARQUET:
            return _labelled(_parquet(file), weighted=False)
        if kind == RECORDIO:
            return Table(*recordio.read(file.read_bytes()))
        text = file.read_text("utf-8")
        return _libsvm(text, labelled=True) if kind == LIBSVM else _labelled(_csv(text), weighted)
    except (UnicodeDecodeError, ValueError, OSError) as error:
        raise UserError(f"{file.name} of channel {file.parent.name} is not {kind}: {error}") from None


def read_request(body: bytes, kind: str) -> Any:
    """The features of a request's rows. UserError: they cannot be read."""
    try:
        if kind == RECORDIO:
            return recordio.read(body)[0]
        text = body.decode().strip("\r\n")
        return _csv(text) if kind == CSV else _libsvm(text, labelled=False).features
    except (UnicodeDecodeError, ValueError) as error:
        raise UserError(f"Loading {kind} data failed, please ensure data is in {kind} format: {error}") from None


def _labelled(rows: Any, weighted: bool) -> Table:
    first = 2 if weighted else 1
    if rows.shape[1] <= first:
        raise ValueError(f"a row has {rows.shape[1]} columns, and none that is a feature")
    return Table(rows[:, first:], rows[:, 0], rows[:, 1] if weighted else None)


def _csv(text: str) -> Any:
    """Empty cells are missing values. The delimiter is found out, as AWS's container does it."""
    head = text.split("\n", 1)[0][:512]
    try:
        delimiter = csv.Sniffer().sniff(head).delimiter
    except csv.Error:
        delimiter = ","
    delimiter = "," if delimiter.isalnum() or delimiter in ".-+" else delimiter
    plain = _plain(text, delimiter)
    if plain is not None:
        return plain
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:  # a cell of more than 128 KB
        raise ValueError(str(error)) from None
    if not rows:
        raise ValueError("it has no rows")
    if len({len(row) for row in rows}) > 1:
        raise ValueError("its rows are not all of one length")
    return np.array([[cell.strip() or "nan" for cell in row] for row in rows], dtype=np.float32)


def _plain(text: str, delimiter: str) -> Any:
    """The same by NumPy's reader, which takes a tenth of the time; None where it cannot read it all."""
    for each in () if delimiter.isspace() else _readings(text, re.escape(delimiter)):
        with warnings.catch_warnings(), suppress(ValueError):
            warnings.simplefilter("ignore")  # of a text without rows, and of what is larger than float32
            found = np.loadtxt(
                io.StringIO(each), np.float32, delimiter=delimiter, ndmin=2, comments=None, quotechar='"'
            )
            return found if found.size else None
    return None


def _readings(text: str, mark: str) -> Iterator[str]:
    """The text as it is, then with its empty cells filled. mark: the delimiter, as an expression."""
    yield text
    yield re.sub(rf"(?<={mark})(?=[ \t]*(?:{mark}|\r?\n|\Z))|^(?={mark})", "nan", text, flags=re.MULTILINE)


def _parquet(file: Path) -> Any:
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_table(file).to_pandas().to_numpy(dtype=np.float32)
    except (pyarrow.ArrowException, TypeError) as error:  # columns of lists, of structures
        raise ValueError(str(error)) from None


def _libsvm(text: str, labelled: bool) -> Table:
    """Columns count from 0, as XGBoost reads a file: of one that counts from 1 the first column has no values.

    labelled: each row begins with its label, which may have a weight, 1:0.5; else what has no colon is no column.
    """
    labels, weights, values, columns, ends = [], [], [], [], [0]
    for line in text.splitlines():
        parts = line.partition("#")[0].split()
        if not parts:
            continue
        if labelled:
            label, _, weight = parts.pop(0).partition(":")
            labels.append(float(label))
            weights.append(float(weight or 1))
        cells = [part.split(":", 1) for part in parts if ":" in part and not part.startswith("qid:")]
        columns += [int(column) for column, _ in cells]
        values += [float(value) for _, value in cells]
        ends.append(len(values))
    if columns and not 0 <= min(columns) <= max(columns) < recordio.MOST_COLUMNS:
        raise ValueError(f"a column is not from 0 to {recordio.MOST_COLUMNS - 1}")
    indices = np.array(columns, np.int64)
    shape = (len(ends) - 1, int(indices.max(initial=-1)) + 1)
    features = csr_matrix((np.array(values, np.float32), indices, np.array(ends)), shape)
    weighted = set(weights) - {1.0}
    return Table(features, np.array(labels) if labelled else None, np.array(weights) if weighted else None)


def join(tables: list[Table]) -> Table:
    if len(tables) == 1:
        return tables[0]
    together: dict[str, Any] = {}
    for name in ("features", "labels", "weights"):
        parts = [getattr(table, name) for table in tables]
        if any(part is None for part in parts):
            together[name] = None
        elif any(isinstance(part, csr_matrix) for part in parts):
            together[name] = _stack(parts)
        else:
            together[name] = np.concatenate(parts)
    return Table(**together)


def _stack(parts: Iterable[Any]) -> Any:
    found = [csr_matrix(part) for part in parts]
    width = max(part.shape[1] for part in found)
    for part in found:
        part.resize(part.shape[0], width)
    return vstack(found, format="csr")
