"""The data of a batch transform: an object cut into records and payloads, the answers put together again.

Input and output filters and joins are SageMaker's:
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sagelab.cloud.engine.jobs import frames
from sagelab.cloud.engine.jobs.jsonpath import Expression, NotFound

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"
KINDS = {CSV: CSV, JSON: JSON, LINES: LINES, "application/x-jsonlines": LINES, "application/jsonl": LINES}


class BadData(Exception):
    """The data, or the model's answer to it, is not what the job says it is."""


@dataclass(frozen=True)
class Shape:
    """How an object is cut and its answers are put together.

    lines: whether a line is a record; else the object is. single: one record a payload; else as many as fit.
    limit: bytes of a payload (0: any). assemble_lines: whether each answer ends with a newline.
    frames: RecordIO or TFRecord, where the object has such records.
    """

    lines: bool
    single: bool
    limit: int
    assemble_lines: bool
    frames: str = ""


@dataclass(frozen=True)
class Processing:
    """DataProcessing. source, answer: the media types of the records and of the answers."""

    source: str
    answer: str
    input_filter: Expression
    output_filter: Expression
    join: bool

    @property
    def plain(self) -> bool:
        """Whether data and answers are left as they are."""
        return self.input_filter.whole and self.output_filter.whole and not self.join


def cut(body: bytes, shape: Shape) -> list[list[bytes]]:
    """The payloads of an object, each a list of records; those in frames stay together.

    BadData: a record is larger than a payload may be, or there is none where one must be.
    """
    if shape.frames:
        try:
            return [[one] for one in frames.payloads(body, shape.frames, shape.single, shape.limit)]
        except ValueError as error:
            raise BadData(f"the object is not {shape.frames}: {error}") from None
    if not shape.lines:
        _fit(body, shape)
        return [[body]]
    records = [line for line in body.split(b"\n") if line.strip()]
    for record in records:
        _fit(record, shape)
    if shape.single:
        return [[record] for record in records]
    return list(_fill(records, shape.limit))


def assemble(answers: Iterable[bytes], shape: Shape) -> bytes:
    """The answers as one object."""
    if not shape.assemble_lines:
        return b"".join(answers)
    return b"".join(answer if answer.endswith(b"\n") else answer + b"\n" for answer in answers)


def filter_input(records: list[bytes], how: Processing) -> bytes:
    """What of the records goes to the model. BadData: they are not of their media type, or lack the part."""
    if how.input_filter.whole:
        return b"\n".join(records)
    return _write(
        [_select(how.input_filter, value) for value in _read(b"\n".join(records), how.source)], how.source
    )


def finish(records: list[bytes], answer: bytes, how: Processing) -> bytes:
    """The answer to some records joined with them and filtered. BadData: there is not one for each record."""
    if how.output_filter.whole and not how.join:
        return answer
    values = _read(answer, how.answer)
    if how.join:
        given = _read(b"\n".join(records), how.source)
        if len(given) != len(values):
            raise BadData(
                f"the model answered {len(values)} values to {len(given)} records: they cannot be joined"
            )
        values = [_join(one, found, how) for one, found in zip(given, values, strict=True)]
    values = [_select(how.output_filter, value) for value in values]
    return _write(values, CSV if how.answer == CSV and how.source in (CSV, how.answer) else LINES)


def _fit(record: bytes, shape: Shape) -> None:
    if shape.limit and len(record) > shape.limit:
        raise BadData(f"a record has {len(record):,} bytes, more than MaxPayloadInMB allows")


def _fill(records: list[bytes], limit: int) -> Iterator[list[bytes]]:
    """Groups of records, each as large as a payload may be."""
    group: list[bytes] = []
    size = 0
    for record in records:
        if group and limit and size + len(record) + 1 > limit:
            yield group
            group, size = [], 0
        group.append(record)
        size += len(record) + 1
    if group:
        yield group


def _read(body: bytes, kind: str) -> list[Any]:
    """The records of a body: rows of texts (CSV), or values. BadData: it is not of its kind."""
    try:
        if kind == CSV:
            return [row for row in csv.reader(io.StringIO(body.decode())) if row]
        if kind == LINES:
            return [json.loads(line) for line in body.splitlines() if line.strip()]
        return [json.loads(body)]
    except (ValueError, RecursionError, csv.Error) as error:
        raise BadData(f"it is not {kind}: {error}") from error


def _write(values: list[Any], kind: str) -> bytes:
    if kind != CSV:
        return b"\n".join(json.dumps(value).encode() for value in values)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(v if isinstance(v, list) else [v] for v in values)
    return out.getvalue().removesuffix("\n").encode()


def _select(expression: Expression, value: Any) -> Any:
    try:
        return expression.select(value)
    except NotFound as error:
        raise BadData(str(error)) from None


def _join(given: Any, found: Any, how: Processing) -> Any:
    """One record with its answer, as DataProcessing's JoinSource has it."""
    if how.source == how.answer == CSV:
        return [*given, *found]
    if isinstance(given, dict):
        return {**given, "SageMakerOutput": found}
    return {"SageMakerInput": given, "SageMakerOutput": found}
