"""What an analysis tells CloudWatch: lines of JSON in the container, which the platform sends.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-interpreting-cloudwatch.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sagelab.monitoring.settings import Settings
from sagelab.monitoring.statistics import FRACTIONAL, INTEGRAL, Column

FILE = "output/metrics/cloudwatch/cloudwatch_metrics.jsonl"
Metric = dict[str, Any]


def of_data(features: list[Column], drifts: Mapping[str, float]) -> list[tuple[str, Metric]]:
    """(feature, metric) of the columns of a data set. drifts: of those that were compared."""
    return [(column.name, metric) for column in features for metric in _of_column(column, drifts.get(column.name))]


def _of_column(column: Column, drift: float | None) -> list[Metric]:
    values = {
        "non_null": float(len(column.present)),
        "null": float(len(column.values) - len(column.present)),
        "completeness": column.completeness,
        "estimated_unique_values": float(len(column.categories)),
    }
    values |= {f"{kind.lower()}_counts": float(count) for kind, count in column.counts.items()}
    found = [{"MetricName": f"feature_{name}_{column.name}", "Value": value} for name, value in values.items()]
    if drift is not None:
        found.append({"MetricName": f"feature_baseline_drift_{column.name}", "Value": drift})
    if column.kind in (INTEGRAL, FRACTIONAL):
        numbers = column.numbers
        sums = {"SampleCount": float(len(numbers)), "Sum": float(numbers.sum())}
        sums |= {"Minimum": float(numbers[0]), "Maximum": float(numbers[-1])}
        found.append({"MetricName": f"feature_data_{column.name}", "StatisticValues": sums})
    return found


def of_model(scores: Mapping[str, Any]) -> list[tuple[str, Metric]]:
    """The metrics of a model's quality that are one number; they are of no feature."""
    values = {name: one["value"] for name, one in scores.items() if "value" in one}
    return [("", {"MetricName": name, "Value": value}) for name, value in values.items() if math.isfinite(value)]


def write(root: Path, settings: Settings, found: Iterable[tuple[str, Metric]]) -> None:
    """Leave the metrics of an analysis: a feature's with its name as a dimension, and without."""
    leave(
        root,
        settings.dimensions,
        settings.moment,
        ((metric, own) for feature, metric in found for own in ([{}, {"Feature": feature}] if feature else [{}])),
    )


def leave(
    root: Path,
    dimensions: Iterable[tuple[str, str]],
    moment: str,
    found: Iterable[tuple[Metric, Mapping[str, str]]],
) -> None:
    """Leave metrics where the platform looks. dimensions: of all of them, beside which each has its own.

    moment: in ISO 8601; "": now.
    """
    file = root / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    moment, usual = moment or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", list(dimensions)
    with file.open("w") as target:
        for metric, own in found:
            named = [{"Name": name, "Value": value} for name, value in (*usual, *own.items())]
            target.write(json.dumps(metric | {"Timestamp": moment, "Dimensions": named}) + "\n")
