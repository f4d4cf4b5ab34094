"""What constraints.json asks of a table, as a baseline suggests it, and where a table breaks it.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-constraints.html
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-interpreting-violations.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sagelab.monitoring.drift import distance
from sagelab.monitoring.statistics import FRACTIONAL, INTEGRAL, STRING, UNKNOWN, Column

DOMAIN = 100  # values of a text column that are asked for; one with more is free text
Violation = dict[str, str]
CONFIG: dict[str, Any] = {
    "evaluate_constraints": "Enabled",
    "emit_metrics": "Enabled",
    "datatype_check_threshold": 1.0,
    "domain_content_threshold": 1.0,
    "distribution_constraints": {
        "perform_comparison": "Enabled",
        "comparison_threshold": 0.1,
        "comparison_method": "Robust",
        "categorical_comparison_threshold": 0.1,
        "categorical_drift_method": "LInfinity",
    },
}


def suggest(features: list[Column], drift_method: str = "") -> dict[str, Any]:
    """constraints.json of a baseline. drift_method: of text columns, "" for the usual one."""
    distribution = CONFIG["distribution_constraints"] | (
        {"categorical_drift_method": drift_method} if drift_method else {}
    )
    config = CONFIG | {"distribution_constraints": distribution}
    return {"version": 0.0, "features": [_suggest(each) for each in features], "monitoring_config": config}


def _suggest(column: Column) -> dict[str, Any]:
    found = {"name": column.name, "inferred_type": column.kind, "completeness": column.completeness}
    if column.kind in (INTEGRAL, FRACTIONAL):
        return found | {"num_constraints": {"is_non_negative": bool(column.numbers[0] >= 0)}}
    if column.kind == STRING and len(column.categories) <= DOMAIN:
        return found | {"string_constraints": {"domains": list(column.categories)}}
    return found


def emits(constraints: Mapping[str, Any]) -> bool:
    """Whether metrics are to be told, as far as the constraints go."""
    return bool(_config(constraints)["emit_metrics"] == "Enabled")


def drifts(
    features: list[Column], constraints: Mapping[str, Any], statistics: Mapping[str, Any]
) -> dict[str, float]:
    """Column -> its distance from the baseline; none where the two cannot be compared, or are not to be."""
    baselines = {str(one["name"]): one for one in statistics.get("features", [])}
    found = {}
    for column in features:
        config = _config(constraints, column.name)["distribution_constraints"]
        if config["perform_comparison"] != "Enabled" or column.name not in baselines:
            continue
        robust = str(config["comparison_method"]).lower() not in ("simple", "linf_simple")
        apart = distance(column, baselines[column.name], robust, config["categorical_drift_method"])
        if apart is not None:
            found[column.name] = apart
    return found


def violations(
    features: list[Column], constraints: Mapping[str, Any], apart: Mapping[str, float]
) -> list[Violation]:
    """constraint_violations.json's list. apart: of `drifts`."""
    if _config(constraints)["evaluate_constraints"] != "Enabled":
        return []
    asked = {str(one["name"]): one for one in constraints.get("features", [])}
    found = list(_columns(len(features), len(asked)))
    for column in features:
        config = _config(constraints, column.name)
        if column.name in asked and config["evaluate_constraints"] == "Enabled":
            found += _values(column, asked[column.name], config)
            found += _drift(column, apart.get(column.name), config["distribution_constraints"])
    return found


def _columns(count: int, asked: int) -> Iterator[Violation]:
    if count != asked:
        word, kind = ("missing", "Missing") if count < asked else ("extra", "Extra")
        yield _violation(
            f"{kind} columns",
            f"{word}_column_check",
            f"There are {word} columns in current dataset. Number of columns in current dataset: {count},"
            f" Number of columns in baseline constraints: {asked}",
        )


def _values(column: Column, asked: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Violation]:
    kind, needed = str(asked.get("inferred_type", UNKNOWN)), float(config["datatype_check_threshold"])
    if kind != UNKNOWN and (match := column.match(kind)) < needed:
        yield _violation(
            column.name,
            "data_type_check",
            f"Data type match requirement is not met. Expected data type: {kind}, Expected match:"
            f" {needed * 100}%. Observed: Only {match * 100}% of data is {kind}.",
        )
    complete = float(asked.get("completeness", 0.0))
    if column.completeness < complete:
        yield _violation(
            column.name,
            "completeness_check",
            f"Data completeness requirement is not met. Expected completeness: {complete * 100}%. Observed: Only"
            f" {column.completeness * 100}% of data is complete.",
        )
    domain, content = (asked.get("string_constraints") or {}).get("domains"), config["domain_content_threshold"]
    if domain and len(column.present):
        known = float(column.present.isin([str(value) for value in domain]).mean())
        if known < float(content):
            yield _violation(
                column.name,
                "categorical_values_check",
                f"Categorical values requirement is not met. Expected match: {float(content) * 100}%. Observed:"
                f" Only {known * 100}% of values are in the baseline's domain.",
            )


def _drift(column: Column, apart: float | None, config: Mapping[str, Any]) -> Iterator[Violation]:
    name = "categorical_comparison_threshold" if column.kind == STRING else "comparison_threshold"
    threshold = float(config.get(name, config["comparison_threshold"]))
    if apart is not None and apart > threshold:
        words = f"Baseline drift distance: {apart} exceeds threshold: {threshold}"
        yield _violation(column.name, "baseline_drift_check", words)


def _violation(name: str, check: str, description: str) -> Violation:
    return {"feature_name": name, "constraint_check_type": check, "description": description}


def _config(constraints: Mapping[str, Any], feature: str = "") -> dict[str, Any]:
    """The configuration of all features, or of one with what it overrides."""
    given = constraints.get("monitoring_config") or {}
    found = CONFIG | given
    found["distribution_constraints"] = _distribution(CONFIG["distribution_constraints"], given)
    for one in constraints.get("features", []) if feature else ():
        if one.get("name") == feature:
            own = one.get("monitoring_config_overrides") or one.get("monitoringConfigOverrides") or {}
            distribution = _distribution(found["distribution_constraints"], own)
            return found | own | {"distribution_constraints": distribution}
    return found


def _distribution(usual: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    own = given.get("distribution_constraints") or {}
    found = usual | own
    if "categorical_comparison_threshold" not in own and "comparison_threshold" in own:
        found["categorical_comparison_threshold"] = own["comparison_threshold"]
    return found
