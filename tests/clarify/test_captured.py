"""Executions of Model Monitor's schedules: what an endpoint was asked is the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sagelab.algorithms.job import Job, UserError
from sagelab.clarify import captured
from sagelab.clarify.__main__ import analyze
from sagelab.clarify.config import read
from sagelab.clarify.metrics import INFINITE, of

BIAS = {
    "headers": ["y", "sex", "age"],
    "label": "y",
    "label_values_or_threshold": [1],
    "facet": [{"name_or_index": "sex", "value_or_threshold": [1]}],
}
# (request, answer, label): two invocations, of which the second has three rows.
ROWS = (("0,30", "0.9", "1"), ("0,40\n0,20\n1,50", "0.8,0.2,0.3", "1\n0\n1"))


def record(request: str, answer: str, label: str | None = None, encoding: str = "CSV") -> str:
    sides = {"endpointInput": request, "endpointOutput": answer}
    found: dict[str, Any] = {
        "captureData": {name: {"data": data, "encoding": encoding} for name, data in sides.items()}
    }
    if label is not None:
        found["groundTruthData"] = {"data": label, "encoding": "CSV"}
    return json.dumps(found) + "\n"


def execution(root: Path, config: Any, *records: str, **variables: str) -> dict[str, str]:
    """The variables of a container, with its files in a folder."""
    (root / "data/e/v1").mkdir(parents=True)
    (root / "data/e/v1/one.jsonl").write_text("".join(records))
    (root / "config.json").write_text(json.dumps(config))
    return {
        "analysis_type": "MODEL_BIAS",
        "analysis_config": str(root / "config.json"),
        "dataset_source": str(root / "data"),
        "output_path": str(root / "found"),
        **variables,
    }


def table(root: Path, config: Any, *records: str, **variables: str) -> Any:
    given = execution(root, config, *records, **variables)
    asked = read(Path(given["analysis_config"]), captured.USUAL[given["analysis_type"]])
    return captured.read(asked, given)[1]


def test_features_labels_and_answers_are_one_table(tmp_path: Path) -> None:
    found = table(tmp_path, BIAS, *(record(*row) for row in ROWS))
    assert list(found.columns) == ["y", "sex", "age", captured.GUESS]
    assert found["y"].tolist() == [1, 1, 0, 1]
    assert found["age"].tolist() == [30, 40, 20, 50]
    assert found[captured.GUESS].tolist() == [1, 1, 0, 0]


def test_threshold_and_place_of_the_score_are_the_definitions(tmp_path: Path) -> None:
    rows = (record("0,30", "no,0.7", "1"), record("1,40", "yes,0.4", "0"))
    found = table(tmp_path, BIAS, *rows, probability_attribute="1", probability_threshold_attribute="0.8")
    assert found[captured.GUESS].tolist() == [0, 0]
    found = table(tmp_path / "2", BIAS, *rows, inference_attribute="0")
    assert found[captured.GUESS].tolist() == ["no", "yes"]


def test_requests_of_json_have_their_features_at_a_path(tmp_path: Path) -> None:
    config = BIAS | {"headers": ["sex", "age", "bought"], "label": "label"}
    rows = [
        record('{"features": [0, 30]}', '{"score": 0.9}', "1", "JSON"),
        record('{"features": [1, 40]}\n{"features": [1, 50]}', '{"score": 0.1}\n{"score": 0.6}', "0\n1", "JSON"),
    ]
    found = table(tmp_path, config, *rows, features_attribute="features", probability_attribute="score")
    assert list(found.columns) == ["sex", "age", "bought", captured.GUESS]
    assert found.to_numpy().tolist() == [[0, 30, 1, 1], [1, 40, 0, 0], [1, 50, 1, 1]]


def test_of_explanations_the_features_are_the_table(tmp_path: Path) -> None:
    config = {"headers": ["sex", "age"], "methods": {"shap": {}}}
    found = table(tmp_path, config, record("0,30", "0.9"), analysis_type="MODEL_EXPLAINABILITY")
    assert found.to_dict("list") == {"sex": [0], "age": [30]}


def test_excluded_features_are_left_out(tmp_path: Path) -> None:
    rows = [record(*row) for row in ROWS]
    found = table(tmp_path, BIAS, *rows, exclude_features_attribute="age")
    assert list(found.columns) == ["y", "sex", captured.GUESS]
    found = table(tmp_path / "2", BIAS | {"excluded_columns": ["age"]}, *rows)
    assert list(found.columns) == ["y", "sex", captured.GUESS]


@pytest.mark.parametrize(
    ("rows", "config", "words"),
    [
        ([record("0,30", "1", "1")], BIAS | {"headers": ["y", "a"]}, "2 names, and a request 2 features"),
        ([record("0,30\n1,20", "1", "1\n0")], BIAS, "1 answers to 2 rows"),
        ([record("0,30", "1")], BIAS, "0 labels"),
        ([record('{"a": 1}', "1", "1", "JSON")], BIAS, "FeaturesAttribute is needed"),
        ([json.dumps({"captureData": {}})], BIAS, "no endpointInput"),
        ([], BIAS, "no captured requests"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, rows: list[str], config: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        table(tmp_path, config, *rows)


def test_execution_publishes_all_metrics_and_finds_more_bias(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tmp_path / "analysis.json"
    known = {"name": "DPPL", "description": "", "value": 0.5}
    facets = {"sex": [{"value_or_threshold": "1", "metrics": [known]}]}
    before.write_text(json.dumps({"post_training_bias_metrics": {"facets": facets}}))
    variables = execution(
        tmp_path,
        BIAS,
        *(record(*row) for row in ROWS),
        baseline_constraints=str(before),
        publish_cloudwatch_metrics="Enabled",
        metric_time="2026-01-31T11:00:00Z",
        sagemaker_endpoint_name="e",
        sagemaker_monitoring_schedule_name="s",
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    analyze(Job(tmp_path))
    (violation,) = json.loads((tmp_path / "found/constraint_violations.json").read_text())["violations"]
    difference = 2 / 3  # of those with sex 0 two of three are predicted positive, of the other nobody
    assert violation["metric_name"] == "DPPL"
    assert violation["description"] == f"Value {difference} does not meet the constraint requirement"
    lines = (tmp_path / "output/metrics/cloudwatch/cloudwatch_metrics.jsonl").read_text().splitlines()
    metrics = {one["MetricName"]: one for one in map(json.loads, lines)}
    assert {one["Timestamp"] for one in metrics.values()} == {"2026-01-31T11:00:00Z"}
    assert metrics["bias_metric_DPPL"]["Value"] == pytest.approx(difference)
    assert {one["Name"]: one["Value"] for one in metrics["bias_metric_CI"]["Dimensions"]} == {
        "Endpoint": "e",
        "MonitoringSchedule": "s",
        "BiasStage": "Pre-training",
        "Label": "y",
        "LabelValue": "1",
        "Facet": "sex",
        "FacetValue": "1",
    }


def test_infinity_is_the_largest_number_and_nothing_is_left_out_but_none() -> None:
    metrics = [{"name": "KL", "value": "Infinity"}, {"name": "FT", "value": None}]
    bias = {
        "label": "y",
        "label_value_or_threshold": "1",
        "facets": {"a": [{"value_or_threshold": "1", "metrics": metrics}]},
    }
    shap = {"kernel_shap": {"label0": {"global_shap_values": {"age": 0.5}, "expected_value": 0.25}}}
    found = {
        metric["MetricName"]: (metric["Value"], own.get("ValueType"))
        for metric, own in of({"pre_training_bias_metrics": bias, "explanations": shap})
    }
    assert found == {
        "bias_metric_KL": (INFINITE, None),
        "feature_age": (0.5, "GlobalShapValues"),
        "ExpectedValue": (0.25, "ExpectedValue"),
    }
