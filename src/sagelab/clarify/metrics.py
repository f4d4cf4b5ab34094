"""What an execution of a schedule tells CloudWatch of its analysis.

https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-model-monitor-bias-drift-cw.html
https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-feature-attribute-drift-cw.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from sagelab.clarify.drift import group_of

STAGES = {"pre_training_bias_metrics": "Pre-training", "post_training_bias_metrics": "Post-Training"}
INFINITE = 2.348543e108  # the largest number of CloudWatch, in place of infinity
Document = dict[str, Any]
Metric = tuple[Document, dict[str, str]]  # with the dimensions of its own


def of(analysis: Document) -> Iterator[Metric]:
    """The metrics of an analysis.json; a value that is none is left out."""
    yield from _of_bias(analysis)
    yield from _of_explanations(analysis)


def _of_bias(analysis: Document) -> Iterator[Metric]:
    for kind, stage in STAGES.items():
        found = analysis.get(kind, {"facets": {}})
        for facet, groups in found["facets"].items():
            for group in groups:
                own = {
                    "BiasStage": stage,
                    "Label": found["label"],
                    "LabelValue": found["label_value_or_threshold"],
                    "Facet": facet,
                    "FacetValue": group_of(group),
                }
                for metric in group["metrics"]:
                    if metric["value"] is not None:
                        yield _metric(f"bias_metric_{metric['name']}", float(metric["value"])), own


def _of_explanations(analysis: Document) -> Iterator[Metric]:
    for label, found in analysis.get("explanations", {}).get("kernel_shap", {}).items():
        own = {"ExplainabilityMethod": "KernelShap", "Label": label}
        for feature, value in found["global_shap_values"].items():
            yield _metric(f"feature_{feature}", value), own | {"ValueType": "GlobalShapValues"}
        yield _metric("ExpectedValue", found["expected_value"]), own | {"ValueType": "ExpectedValue"}


def _metric(name: str, value: float) -> Document:
    return {"MetricName": name, "Value": math.copysign(INFINITE, value) if math.isinf(value) else value}
