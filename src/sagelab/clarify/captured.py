"""What an endpoint was asked and answered, as a data set: the executions of Model Monitor's schedules.

Of bias the records are merged with labels, and the endpoint's answers are the predicted labels; of explanations
the features alone count. https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-config-json-monitor-bias-parameters.html
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jmespath
import pandas as pd

from sagelab.algorithms.job import UserError
from sagelab.clarify import predictor
from sagelab.clarify.config import CSV, Config, Document, column
from sagelab.monitoring import records

BIAS, EXPLANATIONS = "MODEL_BIAS", "MODEL_EXPLAINABILITY"
EVERY = {"pre_training_bias": {"methods": "all"}, "post_training_bias": {"methods": "all"}}
# What the configuration of a schedule need not say.
USUAL: dict[str, Document] = {
    BIAS: {"dataset_type": CSV, "methods": EVERY},
    EXPLANATIONS: {"dataset_type": CSV},
}
GUESS = "predicted label"
LABEL = "label"
NO_DATA = "There are no captured requests"


@dataclass
class Table:
    """Rows as they are read: features as lines of CSV or as values, and a label and a predicted one of each."""

    lines: list[str] = field(default_factory=list)
    values: list[list[Any]] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    guesses: list[Any] = field(default_factory=list)

    def features(self) -> pd.DataFrame:
        """UserError: there are none, or some are CSV and others JSON."""
        if bool(self.lines) == bool(self.values):
            raise UserError(
                "The captured requests are neither all of CSV nor all of JSON" if self.lines else NO_DATA
            )
        if self.values:
            return pd.DataFrame(self.values)
        return pd.read_csv(io.StringIO("\n".join(self.lines)), header=None, skipinitialspace=True)


def read(config: Config, variables: Mapping[str, str]) -> tuple[Config, pd.DataFrame]:
    """(the configuration with the columns' names, the data set). UserError: it is none, or does not fit.

    variables: of the container, as Model Monitor has them.
    """
    merged, found = variables.get("analysis_type") == BIAS, Table()
    for record in records.lines(Path(variables["dataset_source"])):
        _add(found, record, variables, merged)
    try:
        table = found.features()
    except ValueError as error:
        raise UserError(f"The captured requests are no table: {error}") from None
    if not merged:
        table.columns = pd.Index(_names(config.headers, table.shape[1], None))
        return replace(config, label=None), _without(table, config, variables)
    label, place = _label(config, table.shape[1], bool(found.values))
    names = _names(config.headers, table.shape[1], label)
    table.columns = pd.Index(names)
    table.insert(min(place, len(names)), label, _numbers(found.labels))
    table[GUESS] = found.guesses
    return replace(config, label=label, predicted=GUESS), _without(table, config, variables)


def _add(table: Table, record: Any, variables: Mapping[str, str], merged: bool) -> None:
    """Add the rows of one invocation."""
    asked = records.side(record, "endpointInput")
    if asked is None:
        raise UserError("A record has no endpointInput; capture the input of the endpoint")
    lines, values = _rows(*asked, variables.get("features_attribute"))
    table.lines += lines
    table.values += values
    if merged:
        count = len(lines) + len(values)
        table.labels += _truths(record, count)
        table.guesses += _guesses(record, count, variables)


def _rows(encoding: str, data: str, attribute: str | None) -> tuple[list[str], list[list[Any]]]:
    """The features of a request: (lines of CSV, rows of JSON)."""
    if encoding == "CSV":
        return [line for line in data.splitlines() if line.strip()], []
    if not attribute:
        raise UserError("FeaturesAttribute is needed: the captured requests are JSON")
    found: list[list[Any]] = []
    for given in _documents(data):
        row = _search(attribute, given)
        if not isinstance(row, list):
            raise UserError(f"FeaturesAttribute {attribute} is no list in {str(given)[:200]}")
        found += row if row and all(isinstance(one, list) for one in row) else [row]
    return [], found


def _documents(data: str) -> Iterator[Any]:
    """A document, or one a line. UserError: it is neither."""
    try:
        yield json.loads(data)
        return
    except (ValueError, RecursionError):
        pass
    try:
        yield from [json.loads(line) for line in data.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UserError(f"A captured request is no JSON: {error}") from None


def _search(attribute: str, given: Any) -> Any:
    try:
        return jmespath.search(attribute, given)
    except jmespath.exceptions.JMESPathError as error:
        raise UserError(f"FeaturesAttribute {attribute}: {error}") from None


def _truths(record: Any, count: int) -> list[Any]:
    """The labels of a merged record, one a line."""
    given = record.get("groundTruthData")
    found = str(given["data"]).strip().splitlines() if isinstance(given, dict) and "data" in given else []
    if len(found) != count:
        raise UserError(f"A record of {count} rows has {len(found)} labels; it was not merged with as many")
    return [one.strip() for one in found]


def _guesses(record: Any, count: int, variables: Mapping[str, str]) -> list[Any]:
    answered = records.side(record, "endpointOutput")
    if answered is None:
        raise UserError("A record has no endpointOutput; capture the output of the endpoint")
    encoding, data = answered
    kind = predictor.CSV if encoding == "CSV" else predictor.JSON_LINES if "\n" in data.strip() else predictor.JSON
    settings = {
        "label": variables.get("inference_attribute"),
        "probability": variables.get("probability_attribute"),
    }
    try:
        threshold = float(variables.get("probability_threshold_attribute") or 0.5)
    except ValueError:
        raise UserError("probability_threshold_attribute is no number") from None
    return predictor.labels(predictor.read_answers(data.encode(), kind, count), settings, threshold)


def _label(config: Config, features: int, json_: bool) -> tuple[str, int]:
    """(name of the label's column, its place among the columns)."""
    headers, given = config.headers or [], config.label
    if json_ and len(headers) == features + 1:
        return headers[-1], features
    if isinstance(given, int):
        return (headers[given] if given < len(headers) else LABEL), given
    name = str(given)
    return name, headers.index(name) if name in headers else 0


def _names(headers: list[str] | None, features: int, label: str | None) -> list[Any]:
    """The names of the features. UserError: there are fewer or more."""
    if headers is None:
        return list(range(features))
    found = [name for name in headers if name != label]
    if len(found) != features:
        raise UserError(f"headers has {len(headers)} names, and a request {features} features")
    return found


def _without(table: pd.DataFrame, config: Config, variables: Mapping[str, str]) -> pd.DataFrame:
    """The data without the columns that are excluded, by the configuration or by the definition."""
    given = [one.strip() for one in variables.get("exclude_features_attribute", "").split(",") if one.strip()]
    numbered = [int(one) if one.isdigit() and one not in table else one for one in given]
    return table.drop(columns=[column(table, one) for one in (*config.excluded, *config.joined, *numbered)])


def _numbers(values: list[Any]) -> pd.Series[Any]:
    """As numbers, where all are some."""
    found = pd.Series(values)
    try:
        return pd.to_numeric(found)
    except (ValueError, TypeError):
        return found
