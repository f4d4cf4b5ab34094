"""The data of a container of Model Monitor as a table of texts: CSV, JSON, Parquet, and captured invocations.

An empty text and a null are missing values. Of a captured invocation the output's columns come first, as in a
training set with its label in front.
"""

from __future__ import annotations

import base64
import csv
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from sagelab.algorithms.job import UserError
from sagelab.monitoring import scripts
from sagelab.monitoring.scripts import Row
from sagelab.monitoring.settings import CAPTURE, CSV, JSON, MERGED, PARQUET, Settings

FLAT = "Model Monitor works with tabular data or flattened JSON alone; a record preprocessor script makes it so"


def read(settings: Settings) -> pd.DataFrame:
    """The data set: a column of texts a feature, missing values are None. UserError: it is none, or is empty."""
    if not settings.source.exists():
        raise UserError(f"dataset_source {settings.source} is not there")
    before = scripts.preprocessor(settings.before)
    readers: dict[str, Callable[[], Iterator[pd.DataFrame]]] = {
        CSV: lambda: _csv(settings, before),
        JSON: lambda: _rows(_json(settings), before),
        PARQUET: lambda: (_texts(pd.read_parquet(file)) for file in files(settings.source)),
        CAPTURE: lambda: _captured(settings, before),
        MERGED: lambda: _captured(settings, before),
    }
    tables = [table for table in readers[settings.format]() if len(table)]
    if not tables:
        raise UserError(f"There is no data in {settings.source}")
    return pd.concat(tables, ignore_index=True).astype(object)


def files(source: Path) -> list[Path]:
    """The files of a data set, which is one or lies in a folder and those below it."""
    found = [source] if source.is_file() else [file for file in source.rglob("*") if file.is_file()]
    return sorted(found)


def lines(source: Path) -> Iterator[Any]:
    """Every line of JSON of the files of a data set. UserError: one is none."""
    for file in files(source):
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
            if line.strip():
                yield _parse(line, f"{file.name}, line {number}")


def text(value: Any) -> str | None:
    """A value as CSV has it; None where it is missing. UserError: it is no single value."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        raise UserError(f"{FLAT}: {value!r:.60} is no single value")
    return str(value)


def side(captured: Any, name: str) -> tuple[str, str] | None:
    """(encoding, data) of a side of an invocation, "CSV" or "JSON"; None where it was not captured."""
    given = (captured.get("captureData") or {}).get(name) if isinstance(captured, dict) else None
    if not isinstance(given, dict) or "data" not in given:
        return None
    encoding, data = str(given.get("encoding", "CSV")).upper(), str(given["data"])
    if encoding == "BASE64":
        kind = str(given.get("observedContentType", "")).lower()
        encoding = "CSV" if "csv" in kind else "JSON" if "json" in kind else encoding
        data = base64.b64decode(data).decode(errors="replace")
    if encoding not in ("CSV", "JSON"):
        raise UserError(f"{name} is encoded as {encoding}; Model Monitor reads CSV and JSON")
    return encoding, data


def _csv(settings: Settings, before: Callable[[Any], list[Row]] | None) -> Iterator[pd.DataFrame]:
    header = str(settings.options.get("header", False)).lower() == "true"
    for file in files(settings.source):
        if before is not None:
            yield from _rows(iter(file.read_text(errors="replace").splitlines()), before)
            continue
        try:
            options = {"dtype": str, "keep_default_na": False, "na_values": [""], "skipinitialspace": True}
            table = pd.read_csv(file, header=0 if header else None, encoding_errors="replace", **options)
        except pd.errors.EmptyDataError:
            continue
        except (pd.errors.ParserError, ValueError) as error:
            raise UserError(f"{file.name} is no CSV: {error}") from None
        yield _texts(table if header else table.rename(columns=lambda number: f"_c{number}"))


def _texts(table: pd.DataFrame) -> pd.DataFrame:
    if any(isinstance(kind, pd.StringDtype) for kind in table.dtypes) and all(
        isinstance(kind, pd.StringDtype) for kind in table.dtypes
    ):
        return table.astype(object).where(table.notna(), None)
    return pd.DataFrame(
        {str(name): [text(value) for value in table[name].tolist()] for name in table}, dtype=object
    )


def _json(settings: Settings) -> Iterator[Any]:
    given = next((value for name, value in settings.options.items() if name in ("lines", "line")), True)
    if str(given).lower() == "true":
        yield from lines(settings.source)
        return
    for file in files(settings.source):
        found = _parse(file.read_text(errors="replace"), file.name)
        yield from found if isinstance(found, list) else [found]


def _rows(records: Iterator[Any], before: Callable[[Any], list[Row]] | None) -> Iterator[pd.DataFrame]:
    rows = []
    for record in records:
        for row in before(record) if before else [record]:
            if not isinstance(row, dict):
                raise UserError(f"{FLAT}: {row!r:.60} is no object")
            rows.append({str(name): text(value) for name, value in row.items()})
    table = pd.DataFrame(rows, dtype=object)
    yield table.where(table.notna(), None)


def _captured(settings: Settings, before: Callable[[Any], list[Row]] | None) -> Iterator[pd.DataFrame]:
    found = lines(settings.source)
    if before is not None:
        yield from _rows((scripts.record_of(each) for each in found if isinstance(each, dict)), before)
    else:
        yield from _rows((row for each in found for row in _invocation(each, settings.captured)), None)


def _invocation(captured: Any, names: tuple[str, ...]) -> list[Row]:
    """The rows of one invocation, the output's columns first."""
    sides = {name: found for name in sorted(names, reverse=True) if (found := side(captured, name))}
    encodings = {name: encoding for name, (encoding, _) in sides.items()}
    if len(set(encodings.values())) > 1:
        raise UserError(
            f"Encoding mismatch: Encoding is {encodings['endpointInput']} for endpointInput, but Encoding is"
            f" {encodings['endpointOutput']} for endpointOutput. We currently only support the same type of input"
            " and output encoding at the moment."
        )
    if "JSON" in encodings.values():
        return [_object({name: _parse(data, name) for name, (_, data) in sides.items()})]
    tables = [list(csv.reader(data.strip().splitlines())) for _, data in sides.values()]
    if len({len(table) for table in tables}) > 1:
        raise UserError(
            f"Input and output of an invocation have {' and '.join(str(len(t)) for t in tables)} lines"
        )
    cells = [[cell for row in rows for cell in row] for rows in zip(*tables, strict=True)]
    return [{f"_c{number}": cell.strip() for number, cell in enumerate(row)} for row in cells]


def _object(sides: dict[str, Any]) -> Row:
    row: Row = {}
    for name, found in sides.items():
        if not isinstance(found, dict):
            raise UserError(f"{FLAT}: {name} is {found!r:.60}")
        row |= {key: value for key, value in found.items() if key not in row}
    return row


def _parse(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is no JSON: {error}") from None
