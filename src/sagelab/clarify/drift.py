"""An analysis beside that of a baseline: more bias than there was, or other reasons for the answers.

https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-model-monitor-feature-attribution-drift.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sagelab.algorithms.job import UserError
from sagelab.clarify.bias import FAIR

BIAS = ("pre_training_bias_metrics", "post_training_bias_metrics")
ENOUGH = 0.9  # NDCG of the order of features, below which it has drifted
LEAST = 1e-9
Document = dict[str, Any]


def read(file: Path) -> Document:
    """The analysis of a baseline. UserError: it is none."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError):
        raise UserError(f"The baseline {file.name} is missing or is no JSON") from None
    if not isinstance(found, dict):
        raise UserError(f"The baseline {file.name} is no analysis")
    return found


def violations(now: Document, before: Document) -> list[dict[str, str]]:
    """What is worse than in the baseline."""
    return [*_bias(now, before), *_attributions(now, before)]


def _bias(now: Document, before: Document) -> Iterator[dict[str, str]]:
    """A metric that is farther from its value without bias than it was."""
    known = dict(_metrics(before))
    for key, value in _metrics(now):
        _, facet, group, name = key
        fair = FAIR.get(name, 0.0)
        if key in known and abs(value - fair) > abs(known[key] - fair) + LEAST:
            yield {
                "facet": facet,
                "facet_value": group,
                "metric_name": name,
                "constraint_check_type": "bias_drift_check",
                "description": f"Value {value} does not meet the constraint requirement",
            }


def _metrics(analysis: Document) -> Iterator[tuple[tuple[str, str, str, str], float]]:
    """(analysis, facet, its value, metric) -> its value."""
    for kind in BIAS:
        for facet, found in analysis.get(kind, {}).get("facets", {}).items():
            for each in found:
                for metric in each["metrics"]:
                    if isinstance(metric.get("value"), int | float):
                        yield (kind, facet, group_of(each), metric["name"]), float(metric["value"])


def group_of(found: Document) -> str:
    """The values of a group, or its threshold without the largest value of the data, which differs each time."""
    return str(found["value_or_threshold"]).removeprefix("(").partition(", ")[0]


def _attributions(now: Document, before: Document) -> Iterator[dict[str, str]]:
    """An order of the features that is another than it was."""
    old = before.get("explanations", {}).get("kernel_shap", {})
    for label, found in now.get("explanations", {}).get("kernel_shap", {}).items():
        if label in old:
            score = ndcg(found["global_shap_values"], old[label]["global_shap_values"])
            if score < ENOUGH:
                yield {
                    "label": label,
                    "metric_name": "shap",
                    "constraint_check_type": "feature_attribution_drift_check",
                    "description": f"Feature attribution drift {score} exceeds threshold {ENOUGH}",
                }


def ndcg(now: dict[str, float], before: dict[str, float]) -> float:
    """How like the order of the features is to the one before: 1 where it is the same."""
    gains = {name: abs(value) for name, value in before.items()}

    def gain(order: list[str]) -> float:
        return sum(gains.get(name, 0.0) / math.log2(place + 2) for place, name in enumerate(order))

    best = gain(sorted(gains, key=lambda name: -gains[name]))
    return gain(sorted(now, key=lambda name: -abs(now[name]))) / best if best else 1.0
