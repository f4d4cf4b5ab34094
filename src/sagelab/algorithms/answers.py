"""Requests and answers of the algorithms that take rows of numbers, in the formats that they have in common.

https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, vstack

from sagelab.algorithms import recordio
from sagelab.algorithms.job import UserError
from sagelab.algorithms.tabular.channels import CSV, RECORDIO, read_csv

JSON, JSON_LINES = "application/json", "application/jsonlines"

# (body, content type, accept) -> (body, content type)
Answer = Callable[[bytes, str, str], tuple[bytes, str]]
# What is known of rows, (rows, columns) dense or sparse: name -> (rows,) or (rows, values).
Predict = Callable[[Any], Mapping[str, Any]]


class Unanswered(UserError):
    """A request that is no good; status: 400, 406 for its Accept, 415 for its content type."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def answering(
    predict: Predict, together: str = "predictions", width: int | None = None, kinds: tuple[str, ...] = ()
) -> Answer:
    """What answers requests by rows. together: the name of all of them in JSON. width: features of a row.

    kinds: the content types that it takes; all if empty.
    """

    def answer(body: bytes, kind: str, accept: str) -> tuple[bytes, str]:
        rows = read(body, kind, kinds or tuple(_READERS))
        if width is not None:
            rows = _fit(rows, width)
        return write(predict(rows), accept, together)

    return answer


def read(body: bytes, content_type: str, kinds: tuple[str, ...]) -> Any:
    """(rows, columns), dense or sparse. Unanswered: they cannot be read, or are of none of these kinds."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in kinds:
        raise Unanswered(
            f"Content-type '{content_type[:80]}' is not supported. Supported content-types are"
            f" {', '.join(kinds)}.",
            415,
        )
    try:
        return _finite(_READERS[kind](body))
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, UserError) as error:
        raise Unanswered(f"unable to evaluate payload provided: it is not {kind}: {error}") from None


def write(found: Mapping[str, Any], accept: str, together: str = "predictions") -> tuple[bytes, str]:
    """The body and its content type; JSON where nothing else is asked for. Unanswered: 406."""
    for part in (accept or JSON).split(","):
        kind = part.partition(";")[0].strip().lower()
        kind = JSON if kind in ("*/*", "application/*") else kind
        if kind == RECORDIO:
            return recordio.write_labels(found), kind
        if kind in (JSON, JSON_LINES, CSV):
            return _text(found, kind, together), kind
    raise Unanswered(f"Accept type '{accept[:80]}' is not supported.", 406)


def _text(found: Mapping[str, Any], kind: str, together: str) -> bytes:
    columns = [np.asarray(column).tolist() for column in found.values()]
    rows = [dict(zip(found, row, strict=True)) for row in zip(*columns, strict=True)]
    if kind == JSON:
        return json.dumps({together: rows}).encode()
    if kind == JSON_LINES:
        return "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    return "".join(f"{','.join(map(repr, _flat(row.values())))}\n" for row in rows).encode()


def _flat(values: Any) -> list[float]:
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def _fit(rows: Any, width: int) -> Any:
    if rows.shape[1] < width and not isinstance(rows, np.ndarray):
        rows.resize(rows.shape[0], width)
    if rows.shape[1] != width:
        raise Unanswered(f"unable to evaluate payload provided: a row has {rows.shape[1]} features, not {width}")
    return rows


def _read_json(body: bytes) -> Any:
    return _together([_features(one) for one in json.loads(body)["instances"]])


def _read_lines(body: bytes) -> Any:
    return _together([_features(json.loads(text)) for text in body.splitlines() if text.strip()])


def _features(instance: Any) -> Any:
    """(1, columns) of {"features": [...]}, {"data": {"features": {"values": [...]}}}, or the same with keys."""
    found = instance["data"]["features"] if "data" in instance else instance["features"]
    if isinstance(found, list):
        dense = np.array([found], np.float32)
        if dense.ndim != 2:
            raise ValueError("features is not a list of numbers")
        return dense
    values = np.array(found["values"], np.float32).ravel()
    if "keys" not in found:
        return values.reshape(1, -1)
    keys = np.array(found["keys"], np.int64).ravel()
    width = int(np.ravel(found.get("shape", [int(keys.max(initial=-1)) + 1]))[-1])
    if len(keys) != len(values) or width > recordio.MOST_COLUMNS or ((keys < 0) | (keys >= width)).any():
        raise ValueError("the keys are not columns of the shape, or not as many as values")
    return csr_matrix((values, keys, [0, len(keys)]), (1, width))


def _together(rows: list[Any]) -> Any:
    if not rows:
        raise ValueError("there are no instances")
    if all(isinstance(row, np.ndarray) for row in rows):
        return np.concatenate(rows)
    return vstack([csr_matrix(row) for row in rows], format="csr")


def _finite(rows: Any) -> Any:
    if not np.isfinite(rows if isinstance(rows, np.ndarray) else rows.data).all():
        raise ValueError("a value is missing or no finite number")
    return rows


_READERS: dict[str, Callable[[bytes], Any]] = {
    RECORDIO: lambda body: recordio.read(body)[0],
    CSV: lambda body: read_csv(body.decode()),
    JSON: _read_json,
    JSON_LINES: _read_lines,
}
