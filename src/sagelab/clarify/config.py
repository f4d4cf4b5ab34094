"""What analysis_config.json asks for, and the data that it is about.

https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-processing-job-configure-analysis.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sagelab.algorithms.job import UserError
from sagelab.clarify.bias import AFTER, BEFORE, Flags

CSV, JSON_LINES, PARQUET = "text/csv", "application/jsonlines", "application/x-parquet"
METHODS = ("shap", "pre_training_bias", "post_training_bias", "report")
REFUSED = {
    "text_config": "explanations of texts",
    "image_config": "explanations of pictures",
    "features_to_explain": "a choice of features to explain",
}
DIFFERENT = 0.05  # a column of whole numbers with a larger share of different values is one of measures
Name = str | int
Document = dict[str, Any]


@dataclass(frozen=True)
class Config:
    """label, facets, group: names of columns. positive: the values of a positive label, or its threshold.

    facets: (column, values of the disadvantaged group or its threshold). methods: name -> its settings.
    predictor: how the model is asked; None: it is not. constraints: the analysis.json to check against.
    """

    kind: str
    headers: list[str] | None
    label: Name | None
    predicted: Name | None
    positive: list[Any]
    facets: list[tuple[Name, list[Any]]]
    group: Name | None
    excluded: list[Name]
    methods: dict[str, Document]
    predictor: Document | None
    threshold: float = 0.5
    joined: list[Name] = field(default_factory=list)


def read(file: Path, usual: Document | None = None) -> Config:
    """UserError: what is wrong with the file. usual: what it need not say."""
    try:
        given = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        raise UserError(f"{file.name} is missing or is no JSON") from None
    if not isinstance(given, dict):
        raise UserError(f"{file.name} is no object")
    given = (usual or {}) | given
    kind, methods = str(given.get("dataset_type", "")).lower(), given.get("methods")
    if kind not in (CSV, JSON_LINES, PARQUET):
        raise UserError(f"dataset_type {kind!r}: the local cloud reads {CSV}, {JSON_LINES} and {PARQUET}")
    if not isinstance(methods, dict) or not methods:
        raise UserError("methods: at least one is needed")
    _check_methods(methods)
    asked = [one for one in ("pre_training_bias", "post_training_bias") if one in methods]
    facets = [(one["name_or_index"], one.get("value_or_threshold") or []) for one in given.get("facet", [])]
    if asked and (not facets or given.get("label") is None):
        raise UserError(f"{asked[0]} needs a label and a facet")
    return Config(
        kind,
        given.get("headers"),
        given.get("label"),
        given.get("predicted_label"),
        given.get("label_values_or_threshold") or [],
        facets,
        given.get("group_variable"),
        given.get("excluded_columns") or [],
        methods,
        given.get("predictor"),
        float(given.get("probability_threshold") or 0.5),
        [given["joinsource_name_or_index"]] if given.get("joinsource_name_or_index") is not None else [],
    )


def _check_methods(methods: Document) -> None:
    for name, settings in methods.items():
        if name not in METHODS:
            raise UserError(f"methods: the local cloud does not do {name}; it does {', '.join(METHODS)}")
        if not isinstance(settings, dict):
            raise UserError(f"methods.{name} must be an object")
        for member, words in REFUSED.items():
            if settings.get(member):
                raise UserError(f"methods.{name}.{member}: the local cloud does no {words}")
    for name, table in (("pre_training_bias", BEFORE), ("post_training_bias", AFTER)):
        for metric in wanted(methods, name, list(table)):
            if metric not in table:
                raise UserError(f"methods.{name}: {metric} is none of {', '.join(table)}")


def wanted(methods: Document, name: str, every: list[str]) -> list[str]:
    """The metrics of a method that are asked for, in order."""
    asked = methods.get(name, {}).get("methods", []) if name in methods else []
    return every if asked == "all" else sorted([asked] if isinstance(asked, str) else asked)


def load(config: Config, folder: Path) -> pd.DataFrame:
    """The data set, with its columns' names. UserError: it is none."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if not files:
        raise UserError(f"There is no data in {folder}")
    try:
        tables = [_table(config, file) for file in files]
    except (ValueError, OSError) as error:
        raise UserError(f"The data cannot be read as {config.kind}: {error}") from None
    table = pd.concat(tables, ignore_index=True)
    if not len(table):
        raise UserError(f"There is no data in {folder}")
    if config.headers:
        if len(config.headers) != table.shape[1]:
            raise UserError(f"headers has {len(config.headers)} names for {table.shape[1]} columns")
        table.columns = pd.Index(config.headers)
    return table.drop(columns=[column(table, one) for one in (*config.excluded, *config.joined)])


def _table(config: Config, file: Path) -> pd.DataFrame:
    if config.kind == PARQUET:
        return pd.read_parquet(file)
    if config.kind == CSV:
        with file.open() as text:
            first = [name.strip().strip('"') for name in text.readline().split(",")]
        named = not config.headers or first == config.headers  # a file may say them once more
        return pd.read_csv(file, header=0 if named else None, skipinitialspace=True)
    rows = [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
    return pd.DataFrame([row.get("features", row) if isinstance(row, dict) else row for row in rows])


def column(table: pd.DataFrame, name: Name) -> Any:
    """The column of a name or of a number. UserError: there is none."""
    if name in table.columns:
        return name
    if isinstance(name, int) and 0 <= name < table.shape[1]:
        return table.columns[name]
    raise UserError(f"The data has no column {name!r}; it has {', '.join(map(str, table.columns))}")


def chosen(values: pd.Series[Any], given: list[Any]) -> Flags:
    """Which rows have one of the values, or are above a threshold. UserError: there is none, or no number."""
    if given and _is_measure(values, given):
        try:
            return np.asarray(values.astype(float) > float(given[0]))
        except (TypeError, ValueError):
            raise UserError(f"{given[0]!r} is no threshold for the column {values.name}") from None
    if not given:
        raise UserError(f"The column {values.name} needs values or a threshold")
    texts = {_text(one) for one in given}
    return np.array([_text(one) in texts for one in values])


def groups(values: pd.Series[Any], given: list[Any]) -> list[tuple[str, Flags]]:
    """(its values or threshold, its rows) of each disadvantaged group of a facet."""
    if given:
        shown = ",".join(map(_text, given))
        if _is_measure(values, given):
            shown = f"({_text(given[0])}, {_text(values.astype(float).max())}]"
        return [(shown, chosen(values, given))]
    if _is_measure(values, given):
        raise UserError(f"The facet {values.name} needs a value_or_threshold")
    return [(_text(one), chosen(values, [one])) for one in sorted(values.unique(), key=str)]


def _is_measure(values: pd.Series[Any], given: list[Any]) -> bool:
    """Whether a threshold divides a column: of numbers with fractions, or of whole ones of which enough differ.

    So has it https://github.com/aws/amazon-sagemaker-clarify. Of two values none is a threshold here, so that few
    rows of zeros and ones are read as many are.
    """
    if len(given) > 1 or not pd.api.types.is_numeric_dtype(values) or values.nunique() <= 2:
        return False
    return bool(pd.api.types.is_float_dtype(values) or values.nunique() / values.count() >= DIFFERENT)


def _text(value: Any) -> str:
    """A value as it is compared and shown: 1, 1.0 and "1" are one."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value).strip()
    return str(int(number)) if number.is_integer() else str(number)
