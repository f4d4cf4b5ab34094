"""Data quality, from a container's files to the files that it leaves."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sagelab.algorithms.job import UserError
from tests.monitoring.container import CAPTURED, CSV, PLAIN_CSV, Container, captured

ROWS = [f"{n % 2},{n},{n / 4},{'ab'[n % 2]}" for n in range(100)]
TABLE = "\n".join(["label,whole,part,letter", *ROWS]) + "\n"


def violations(found: dict[str, Any]) -> list[tuple[str, str]]:
    listed = found["constraint_violations"]["violations"]
    return [(one["feature_name"], one["constraint_check_type"]) for one in listed]


def test_baseline_has_types_completeness_and_domains(container: Container) -> None:
    found = container.analyze(TABLE + "1,,0.5,b\n")
    assert found["message"] == "Completed: Job completed successfully with no violations."
    assert "constraint_violations" not in found
    by_name = {one["name"]: one for one in found["constraints"]["features"]}
    assert [one["inferred_type"] for one in by_name.values()] == ["Integral", "Integral", "Fractional", "String"]
    assert by_name["whole"]["completeness"] == 100 / 101
    assert by_name["part"]["num_constraints"] == {"is_non_negative": True}
    assert sorted(by_name["letter"]["string_constraints"]["domains"]) == ["a", "b"]
    config = found["constraints"]["monitoring_config"]
    assert config["distribution_constraints"]["comparison_method"] == "Robust"
    assert found["statistics"]["dataset"] == {"item_count": 101}


def test_data_of_the_baseline_breaks_nothing(container: Container) -> None:
    found = container.analyze(TABLE, **container.baseline(TABLE))
    assert violations(found) == []
    assert found["message"].startswith("Completed: ")


def test_every_check_finds_what_it_is_for(container: Container) -> None:
    baseline = container.baseline(TABLE)
    rows = [f"{n % 2},{n}.5,{n + 500.25},{'az'[n % 2]}" for n in range(99)]
    found = container.analyze("\n".join(["label,whole,part,letter", *rows, "1,7.5,,a"]) + "\n", **baseline)
    assert violations(found) == [
        ("whole", "data_type_check"),
        ("part", "completeness_check"),
        ("part", "baseline_drift_check"),
        ("letter", "categorical_values_check"),
        ("letter", "baseline_drift_check"),
    ]
    assert found["message"] == "CompletedWithViolations: Job completed successfully with 5 violations."
    assert found["constraint_violations"]["violations"][0]["description"] == (
        "Data type match requirement is not met. Expected data type: Integral, Expected match: 100.0%."
        " Observed: Only 0.0% of data is Integral."
    )


@pytest.mark.parametrize(("columns", "word"), [(3, "missing"), (5, "extra")])
def test_the_number_of_columns_is_checked(container: Container, columns: int, word: str) -> None:
    baseline = container.baseline(TABLE)
    rows = "\n".join(",".join([*row.split(","), "9"][:columns]) for row in ROWS)
    lines = "".join(captured(str(n), row.partition(",")[2], row[0]) for n, row in enumerate(rows.splitlines()))
    found = container.analyze(lines, CAPTURED, **baseline)
    (one,) = (each for each in found["constraint_violations"]["violations"] if "columns" in each["feature_name"])
    assert (one["feature_name"], one["constraint_check_type"]) == (
        f"{word.title()} columns",
        f"{word}_column_check",
    )
    assert one["description"].endswith(f"current dataset: {columns}, Number of columns in baseline constraints: 4")


def test_captured_csv_has_the_baselines_names_and_the_output_first(container: Container) -> None:
    baseline = container.baseline(TABLE)
    lines = "".join(captured(str(n), row.partition(",")[2], row[0]) for n, row in enumerate(ROWS))
    found = container.analyze(lines, CAPTURED, name="e/v/2026/01/01/00/x.jsonl", **baseline)
    (container.root / "processing/input/data.csv").unlink()
    found = container.run(dataset_source=container.root / "processing/input", dataset_format=CAPTURED, **baseline)
    assert [one["name"] for one in found["statistics"]["features"]] == ["label", "whole", "part", "letter"]
    assert violations(found) == []


def test_captured_base64_is_read_as_what_it_is(container: Container) -> None:
    given, answered = (base64.b64encode(text).decode() for text in (b"1,2\n3,4", b"0\n1"))
    found = container.analyze(captured("a", given, answered, "BASE64"), CAPTURED)
    assert found["statistics"]["dataset"]["item_count"] == 2
    assert [one["numerical_statistics"]["sum"] for one in found["statistics"]["features"]] == [1, 4, 6]


def test_captured_json_is_read_by_name(container: Container) -> None:
    found = container.analyze(captured("a", '{"x": 1.5, "y": null}', '{"score": true}', "JSON"), CAPTURED)
    types = {one["name"]: one["inferred_type"] for one in found["statistics"]["features"]}
    assert types == {"score": "String", "x": "Fractional", "y": "Unknown"}


def test_a_feature_may_be_left_out_of_the_checks(container: Container) -> None:
    baseline = container.baseline(TABLE)
    constraints = json.loads(baseline["baseline_constraints"].read_text())
    constraints["features"][1]["monitoring_config_overrides"] = {"evaluate_constraints": "Disabled"}
    baseline["baseline_constraints"].write_text(json.dumps(constraints))
    shifted = TABLE.replace("\n1,", "\n1,1000")
    assert violations(container.analyze(shifted, **baseline)) == []


@pytest.mark.parametrize("excluded", ["whole,part", "1, 2"])
def test_features_are_left_out_by_name_or_number(container: Container, excluded: str) -> None:
    shifted = TABLE.replace("\n1,", "\n1,1000")
    found = container.analyze(shifted, exclude_features_attribute=excluded, **container.baseline(TABLE))
    assert [one["name"] for one in found["statistics"]["features"]] == ["label", "letter"]
    assert violations(found) == []


SCRIPT = """
seen = []
def preprocess_handler(record, logger):
    if record.event_metadata.event_id == "drop":
        return []
    return {f"f{n}": cell for n, cell in enumerate(record.endpoint_input.data.split(","))}
def postprocess_handler():
    with open("AFTER", "w") as file:
        file.write("called")
"""


def test_scripts_make_records_and_run_after_all(container: Container) -> None:
    after = container.root / "after"
    script = container.put("code/script.py", SCRIPT.replace("AFTER", str(after)))
    both: dict[str, Any] = {"record_preprocessor_script": script, "post_analytics_processor_script": script}
    data = captured("a", "1,x", "0") + captured("drop", "2,y", "0")
    found = container.analyze(data, CAPTURED, **both)
    assert [one["name"] for one in found["statistics"]["features"]] == ["f0", "f1"]
    assert found["statistics"]["dataset"]["item_count"] == 1
    assert after.read_text() == "called"


def test_metrics_are_left_for_the_platform(container: Container) -> None:
    names = {"sagemaker_endpoint_name": "e", "sagemaker_monitoring_schedule_name": "s"}
    container.analyze(TABLE, publish_cloudwatch_metrics="Enabled", **names, **container.baseline(TABLE))
    file = container.root / "output/metrics/cloudwatch/cloudwatch_metrics.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()]
    drift = [one for one in found if one["MetricName"] == "feature_baseline_drift_whole"]
    usual = [{"Name": "Endpoint", "Value": "e"}, {"Name": "MonitoringSchedule", "Value": "s"}]
    assert [one["Dimensions"] for one in drift] == [usual, [*usual, {"Name": "Feature", "Value": "whole"}]]
    assert [one["Value"] for one in drift] == [0.0, 0.0]
    data = next(one for one in found if one["MetricName"] == "feature_data_whole")
    assert data["StatisticValues"] == {"SampleCount": 100, "Sum": 4950, "Minimum": 0, "Maximum": 99}


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "format": ("a\n1\n", {"kind": '{"xml": {}}'}, "dataset_format"),
    "empty": ("", {}, "There is no data"),
    "ragged": ("a,b\n1,2\n1,2,3\n", {}, "is no CSV"),
    "nested": ('{"a": [1, 2]}\n', {"kind": '{"json": {"lines": true}}'}, "flattened JSON"),
    "no json": ("{a\n", {"kind": '{"json": {"lines": true}}'}, "is no JSON"),
    "mixed": (captured("a", "1", "[1]").replace('"CSV"', '"JSON"', 1), {"kind": CAPTURED}, "Encoding mismatch"),
    "analysis": ("a\n1\n", {"analysis_type": "MODEL_BIAS"}, "analysis_type"),
    "baseline": ("a\n1\n", {"baseline_constraints": "/none.json"}, "cannot be read"),
    "script": ("a\n1\n", {"record_preprocessor_script": "/none.py"}, "is not there"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_good_is_said(container: Container, case: str) -> None:
    data, variables, words = BAD[case]
    with pytest.raises(UserError, match=words):
        container.analyze(data, **({"kind": CSV} | variables))


def test_columns_without_names_are_numbered(container: Container) -> None:
    found = container.analyze("1,a\n2,b\n", PLAIN_CSV)
    assert [one["name"] for one in found["constraints"]["features"]] == ["_c0", "_c1"]
