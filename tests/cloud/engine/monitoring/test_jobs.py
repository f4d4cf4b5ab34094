"""What an execution asks of its processing jobs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.engine.data.channels import Location
from sagelab.cloud.engine.monitoring import jobs
from sagelab.cloud.engine.monitoring.expressions import window
from sagelab.cloud.engine.monitoring.jobs import Plan

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
FOLDER = "e/v1/2026/01/31/11"


def plan(kind: str = "DataQuality", **changes: Any) -> Plan:
    definition = {
        "BaselineConfig": {"ConstraintsResource": {"S3Uri": "s3://b/base/constraints.json"}},
        "MonitoringInputs": [
            {
                "EndpointInput": {
                    "EndpointName": "e",
                    "LocalPath": "/opt/ml/processing/input",
                    "InferenceAttribute": "0",
                }
            }
        ],
        "MonitoringOutputConfig": {
            "MonitoringOutputs": [
                {"S3Output": {"S3Uri": "s3://b/reports/", "LocalPath": "/opt/ml/processing/output"}}
            ],
            "KmsKeyId": "alias/mine",
        },
        "MonitoringResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large"}},
        "MonitoringAppSpecification": {
            "ImageUri": "1.dkr/sagemaker-model-monitor-analyzer",
            "RecordPreprocessorSourceUri": "s3://b/code/before.py",
        },
        "Environment": {"publish_cloudwatch_metrics": "Disabled"},
        "GroundTruthS3Input": {"S3Uri": "s3://b/labels"},
        "RoleArn": "arn:aws:iam::1:role/r",
    } | changes
    hourly = window(NOON, {"ScheduleExpression": "cron(0 * ? * * *)"}, {})
    return Plan("s", kind, definition, Location("b", "captured"), NOON, hourly, "c0de", "1.dkr/merger")


def inputs(request: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        one["InputName"]: (one["S3Input"]["S3Uri"], one["S3Input"]["LocalPath"])
        for one in request["ProcessingInputs"]
    }


def test_an_analysis_has_the_documented_variables_and_folders() -> None:
    request = jobs.analysis(plan(), [FOLDER])
    assert request["ProcessingJobName"] == "data-quality-monitoring-202601311200-c0de"
    assert request["AppSpecification"] == {"ImageUri": "1.dkr/sagemaker-model-monitor-analyzer"}
    assert inputs(request) == {
        "constraints": ("s3://b/base/constraints.json", "/opt/ml/processing/baseline/constraints"),
        "record_preprocessor_script": (
            "s3://b/code/before.py",
            "/opt/ml/processing/code/record_preprocessor_script",
        ),
        "endpoint_input_1": (f"s3://b/captured/{FOLDER}", f"/opt/ml/processing/input/{FOLDER}"),
    }
    environment = request["Environment"]
    assert json.loads(environment.pop("dataset_format")) == {
        "sagemakerCaptureJson": {"captureIndexNames": ["endpointInput", "endpointOutput"]}
    }
    assert environment == {
        "dataset_source": "/opt/ml/processing/input",
        "output_path": "/opt/ml/processing/output",
        "publish_cloudwatch_metrics": "Disabled",
        "sagemaker_endpoint_name": "e",
        "sagemaker_monitoring_schedule_name": "s",
        "start_time": "2026-01-31T11:00:00Z",
        "end_time": "2026-01-31T12:00:00Z",
        "metric_time": "2026-01-31T11:00:00Z",
        "baseline_constraints": "/opt/ml/processing/baseline/constraints/constraints.json",
        "record_preprocessor_script": "/opt/ml/processing/code/record_preprocessor_script/before.py",
        "inference_attribute": "0",
    }
    (output,) = request["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3Uri"] == "s3://b/reports/e/s/2026/01/31/12"
    assert request["ProcessingOutputConfig"]["KmsKeyId"] == "alias/mine"


def test_the_quality_of_a_model_is_read_from_merged_records() -> None:
    asked = plan("ModelQuality", ProblemType="Regression")
    merging = jobs.merging(asked, [FOLDER], ["2026/01/31/11", "2026/01/31/12"])
    assert merging["AppSpecification"] == {"ImageUri": "1.dkr/merger"}
    assert merging["ProcessingJobName"] == "groundtruth-merge-202601311200-c0de"
    assert inputs(merging)["groundtruth_input_2"] == (
        "s3://b/labels/2026/01/31/12",
        "/opt/ml/processing/groundtruth/2026/01/31/12",
    )
    (output,) = merging["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3Uri"] == "s3://b/reports/merge"
    analysis = jobs.analysis(asked, [FOLDER])
    assert inputs(analysis)["endpoint_input_1"][0] == f"s3://b/reports/merge/{FOLDER}"
    assert analysis["Environment"]["analysis_type"] == "MODEL_QUALITY"
    assert analysis["Environment"]["problem_type"] == "Regression"
    assert "sagemakerMergeJson" in analysis["Environment"]["dataset_format"]


def test_clarify_is_told_its_configuration_and_whether_there_are_labels() -> None:
    application = {"ImageUri": "1.dkr/sagemaker-clarify-processing:1.0", "ConfigUri": "s3://b/config/mine.json"}
    for kind, source, sides in (
        ("ModelBias", "reports/merge", {"sagemakerMergeJson": ["endpointInput", "endpointOutput"]}),
        ("ModelExplainability", "captured", {"sagemakerCaptureJson": ["endpointInput"]}),
    ):
        request = jobs.analysis(plan(kind, MonitoringAppSpecification=application), [FOLDER])
        assert inputs(request)["analysis_config"] == ("s3://b/config/mine.json", "/opt/ml/processing/config")
        assert inputs(request)["endpoint_input_1"][0] == f"s3://b/{source}/{FOLDER}"
        environment = request["Environment"]
        assert environment["analysis_config"] == "/opt/ml/processing/config/mine.json"
        assert environment["analysis_type"] == {"ModelBias": "MODEL_BIAS"}.get(kind, "MODEL_EXPLAINABILITY")
        ((form, asked),) = json.loads(environment["dataset_format"]).items()
        assert {form: asked["captureIndexNames"]} == sides


def test_a_baselining_job_gives_the_baseline_that_is_not_named() -> None:
    job = {"ProcessingOutputConfig": {"Outputs": [{"S3Output": {"S3Uri": "s3://b/made/"}}]}}
    data = jobs.with_baseline(plan(BaselineConfig={"BaseliningJobName": "j"}), job)["BaselineConfig"]
    assert data["ConstraintsResource"] == {"S3Uri": "s3://b/made/constraints.json"}
    assert data["StatisticsResource"] == {"S3Uri": "s3://b/made/statistics.json"}
    bias = jobs.with_baseline(plan("ModelBias", BaselineConfig={}), job)["BaselineConfig"]
    assert bias == {"ConstraintsResource": {"S3Uri": "s3://b/made/analysis.json"}}
    named = jobs.with_baseline(plan(), job)["BaselineConfig"]
    assert named["ConstraintsResource"] == {"S3Uri": "s3://b/base/constraints.json"}


class Pages:
    """S3, as far as it lists objects."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def get_paginator(self, _: str) -> Pages:
        return self

    def paginate(self, Bucket: str, Prefix: str, Delimiter: str = "") -> list[dict[str, Any]]:  # noqa: N803, ARG002
        below = [key for key in self.keys if key.startswith(Prefix)]
        if not Delimiter:
            return [{"Contents": [{"Key": key, "Size": 1} for key in below]}]
        folders = {key[: key.index("/", len(Prefix)) + 1] for key in below}
        return [{"CommonPrefixes": [{"Prefix": folder} for folder in sorted(folders)]}]


def test_only_files_of_the_window_are_found() -> None:
    names = ("e/v1/2026/01/31/11/a", "e/v2/2026/01/31/11/b", "e/v1/2026/01/31/12/c", "other/v1/2026/01/31/11/d")
    s3 = Pages(*(f"captured/{name}.jsonl" for name in names), "labels/2026/01/31/12/x", "labels/2026/01/30/12/x")
    found = jobs.found_folders(s3, plan(), Location("b", "captured/"))
    assert found == ["e/v1/2026/01/31/11", "e/v2/2026/01/31/11"]
    assert jobs.found_labels(s3, plan("ModelQuality")) == []
