"""What the container of Model Monitor is told by its variables.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-contract-inputs.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagelab.algorithms.job import UserError

DATA, MODEL = "DATA_QUALITY", "MODEL_QUALITY"
REGRESSION, BINARY, MULTICLASS = "Regression", "BinaryClassification", "MulticlassClassification"
CSV, JSON, PARQUET, CAPTURE, MERGED = "csv", "json", "parquet", "sagemakerCaptureJson", "sagemakerMergeJson"
FORMATS = (CSV, JSON, PARQUET, CAPTURE, MERGED)
BOTH = ("endpointInput", "endpointOutput")


@dataclass(frozen=True)
class Settings:
    """source, output: folders. format: one of FORMATS, with its options. constraints, statistics: the baseline's.

    attributes: where a record has its "inference", "probability", "ground_truth": a name, an index or a JSONPath.
    excluded: features that are not looked at, by name or number. before, after: the user's scripts.
    dimensions: of CloudWatch's metrics: (name, value). moment: of those metrics, in ISO 8601; "": now.
    """

    source: Path
    output: Path
    format: str = CSV
    options: dict[str, Any] = field(default_factory=dict)
    publish: bool = False
    constraints: Path | None = None
    statistics: Path | None = None
    analysis: str = DATA
    problem: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    threshold: float = 0.5
    drift_method: str = ""
    excluded: tuple[str, ...] = ()
    before: Path | None = None
    after: Path | None = None
    dimensions: tuple[tuple[str, str], ...] = ()
    moment: str = ""

    @property
    def captured(self) -> tuple[str, ...]:
        """The sides of an invocation that are looked at."""
        return tuple(self.options.get("captureIndexNames") or BOTH)


def read(variables: Mapping[str, str]) -> Settings:
    """The settings in a container's variables. UserError: one is missing, or is no good."""
    for name in ("dataset_source", "dataset_format", "output_path"):
        if not variables.get(name):
            raise UserError(f"Missing required environment variable: {name}")
    kind, options = _format(variables["dataset_format"])
    analysis = variables.get("analysis_type") or DATA
    if analysis not in (DATA, MODEL):
        raise UserError(f"analysis_type {analysis} is not one of {DATA}, {MODEL}")
    problem = variables.get("problem_type", "")
    if analysis == MODEL and problem not in (REGRESSION, BINARY, MULTICLASS):
        raise UserError(f"problem_type {problem!r} is not one of {REGRESSION}, {BINARY}, {MULTICLASS}")
    return Settings(
        Path(variables["dataset_source"]),
        Path(variables["output_path"]),
        kind,
        options,
        publish=variables.get("publish_cloudwatch_metrics") == "Enabled",
        constraints=_path(variables, "baseline_constraints"),
        statistics=_path(variables, "baseline_statistics"),
        analysis=analysis,
        problem=problem,
        attributes=_attributes(variables),
        threshold=_threshold(variables.get("probability_threshold_attribute") or "0.5"),
        drift_method=variables.get("categorical_drift_method", ""),
        excluded=tuple(filter(None, re.split(r"[,\s]+", variables.get("exclude_features_attribute", "")))),
        before=_path(variables, "record_preprocessor_script"),
        after=_path(variables, "post_analytics_processor_script"),
        dimensions=dimensions(variables),
        moment=variables.get("metric_time") or variables.get("end_time", ""),
    )


def _format(text: str) -> tuple[str, dict[str, Any]]:
    try:
        given = json.loads(text)
        ((name, options),) = given.items()
        known = next(each for each in FORMATS if each.lower() == name.lower())
    except (ValueError, AttributeError, StopIteration):
        raise UserError(f"dataset_format {text!r} is not one of {', '.join(FORMATS)}") from None
    return known, options if isinstance(options, dict) else {}


def _path(variables: Mapping[str, str], name: str) -> Path | None:
    return Path(variables[name]) if variables.get(name) else None


def _attributes(variables: Mapping[str, str]) -> dict[str, str]:
    names = ("inference", "probability", "ground_truth")
    return {name: variables[f"{name}_attribute"] for name in names if variables.get(f"{name}_attribute")}


def _threshold(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"probability_threshold_attribute {text!r} is not a number") from None


def dimensions(variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """(name, value) of the dimensions that all metrics of an execution have."""
    names = {"Endpoint": "sagemaker_endpoint_name", "MonitoringSchedule": "sagemaker_monitoring_schedule_name"}
    return tuple((name, variables[given]) for name, given in names.items() if variables.get(given))
