"""Predictions and what was true, as rows: columns of a table, or parts of a merged record."""

from __future__ import annotations

import csv
import json
import re
from typing import Any

import pandas as pd

from sagelab.algorithms.job import UserError
from sagelab.monitoring import records
from sagelab.monitoring.settings import BINARY, MERGED, REGRESSION, Settings

STEP = re.compile(r"\.?([A-Za-z_][\w-]*)|\[['\"]([^'\"]+)['\"]\]|\[(\d+)\]")
WORDS = {"true": "1", "false": "0"}


def read(settings: Settings) -> pd.DataFrame:
    """Columns "truth", "prediction" and, where it is asked for, "probability". UserError: there are none."""
    if settings.format == MERGED and settings.before is None:
        found = _merged(settings)
    else:
        found = _named(settings, records.read(settings))
    if not len(found):
        raise UserError(f"There is no data in {settings.source}")
    return _typed(settings, found)


def _named(settings: Settings, table: pd.DataFrame) -> pd.DataFrame:
    """Columns of a table by their names, or by their numbers."""
    names = {"truth": "ground_truth", "prediction": "inference", "probability": "probability"}
    given = {name: settings.attributes[kind] for name, kind in names.items() if kind in settings.attributes}
    columns = {}
    for name, attribute in given.items():
        wanted = attribute.removeprefix("$.")
        if wanted not in table and wanted.isdigit() and int(wanted) < len(table.columns):
            wanted = str(table.columns[int(wanted)])
        if wanted not in table:
            raise UserError(f"The data has no column {attribute}; it has {', '.join(map(str, table.columns))}")
        columns[name] = table[wanted]
    return pd.DataFrame(columns)


def _merged(settings: Settings) -> pd.DataFrame:
    """The records that the merger wrote: the output of an invocation, and its label."""
    rows = []
    for record in records.lines(settings.source):
        label = record.get("groundTruthData") if isinstance(record, dict) else None
        if not isinstance(label, dict) or "data" not in label:
            raise UserError("A record has no groundTruthData; it was not merged with labels")
        found = records.side(record, "endpointOutput")
        if found is None:
            raise UserError("A record has no endpointOutput; capture the output of the endpoint")
        row = {"truth": str(label["data"]).strip()}
        for name, kind in (("prediction", "inference"), ("probability", "probability")):
            if kind in settings.attributes:
                row[name] = _locate(*found, settings.attributes[kind])
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)


def _locate(encoding: str, data: str, attribute: str) -> Any:
    """The part of an output that an attribute names: of CSV a number's, of JSON a path's."""
    if encoding == "CSV":
        cells = next(csv.reader(data.strip().splitlines()), [])
        if not attribute.isdigit() or int(attribute) >= len(cells):
            raise UserError(f"{attribute} is no column of the output {data[:60]!r}")
        return cells[int(attribute)].strip()
    try:
        found = json.loads(data)
        for member, quoted, number in STEP.findall(attribute.removeprefix("$")):
            found = found[int(number)] if number else found[member or quoted]
    except (ValueError, KeyError, IndexError, TypeError):
        raise UserError(f"{attribute} is not in the output {data[:60]!r}") from None
    return records.text(found)


def _typed(settings: Settings, found: pd.DataFrame) -> pd.DataFrame:
    """The rows with numbers in them where the problem asks for numbers."""
    if "truth" not in found:
        raise UserError("ground_truth_attribute is needed")
    if "probability" in found:
        found["probability"] = _numbers(found["probability"], "probability")
        if "prediction" not in found:
            found["prediction"] = (found["probability"] >= settings.threshold).astype(int).astype(str)
    if "prediction" not in found:
        raise UserError("inference_attribute or probability_attribute is needed")
    found = found.dropna(subset=["truth", "prediction"]).copy()
    for name in ("truth", "prediction"):
        if settings.problem == REGRESSION:
            found[name] = _numbers(found[name], name)
        else:
            found[name] = [_label(value) for value in found[name]]
    if settings.problem == BINARY:
        for name in ("truth", "prediction"):
            if strange := sorted({*found[name]} - {"0", "1"}):
                raise UserError(f"The labels of a binary classification are 0 and 1; {name} has {strange[0]!r}")
            found[name] = found[name].astype(int)
    return found


def _numbers(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    try:
        return values.astype(float)
    except (ValueError, TypeError):
        raise UserError(f"{name} has a value that is no number") from None


def _label(value: Any) -> str:
    """A class in one spelling: 1, 1.0 and true are the same."""
    text = WORDS.get(str(value).strip().lower(), str(value).strip())
    return text.removesuffix(".0") if re.fullmatch(r"-?\d+\.0", text) else text
