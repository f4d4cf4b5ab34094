"""Model Monitor's images as processing jobs, and what they leave for CloudWatch."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.data.trees import Tree
from sagelab.cloud.engine.jobs.container_metrics import FOLDER, namespace, send
from tests.cloud.jobs import Jobs
from tests.cloud.processing import request, run, source, target

ANALYZER = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
TABLE = "label,size\n" + "".join(f"{n % 2},{n}\n" for n in range(100))


def analysis(jobs: Jobs, data: str, **environment: str) -> dict[str, Any]:
    """A CreateProcessingJob request, as the SDKs make it of a baseline: it names no entry point."""
    given = {
        "dataset_source": "/opt/ml/processing/data",
        "dataset_format": '{"csv": {"header": true}}',
        "output_path": "/opt/ml/processing/output",
        "publish_cloudwatch_metrics": "Disabled",
    }
    return request(
        "",
        AppSpecification={"ImageUri": ANALYZER},
        Environment=given | environment,
        ProcessingInputs=[source("data", data)],
        ProcessingOutputConfig={"Outputs": [target("output", f"s3://{jobs.bucket}/report")]},
    )


def test_an_analysis_is_a_job_and_its_metrics_are_cloudwatchs(jobs: Jobs) -> None:
    data = jobs.put("data/train.csv", TABLE.encode())
    found = run(jobs, analysis(jobs, data))
    assert found["ProcessingJobStatus"] == "Completed", found
    assert found["ExitMessage"] == "Completed: Job completed successfully with no violations."
    drifted = jobs.put("later/data.csv", TABLE.replace("\n1,", "\n1,1").encode())
    environment = {
        "publish_cloudwatch_metrics": "Enabled",
        "sagemaker_endpoint_name": "e",
        "sagemaker_monitoring_schedule_name": jobs.bucket,
        "baseline_constraints": "/opt/ml/processing/report/constraints.json",
        "baseline_statistics": "/opt/ml/processing/report/statistics.json",
    }
    job = analysis(jobs, drifted, **environment)
    job["ProcessingInputs"].append(source("report", f"s3://{jobs.bucket}/report"))
    found = run(jobs, job)
    assert found["ExitMessage"].startswith("CompletedWithViolations: "), found
    body = jobs.s3.get_object(Bucket=jobs.bucket, Key="report/constraint_violations.json")["Body"].read()
    assert "baseline_drift_check" in {one["constraint_check_type"] for one in json.loads(body)["violations"]}
    now = datetime.now(UTC)
    statistics = jobs.cloud.client("cloudwatch").get_metric_statistics(
        Namespace="aws/sagemaker/Endpoints/data-metrics",
        MetricName="feature_baseline_drift_size",
        Dimensions=[{"Name": "Endpoint", "Value": "e"}, {"Name": "MonitoringSchedule", "Value": jobs.bucket}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=3600,
        Statistics=["Maximum"],
    )
    assert statistics["Datapoints"][0]["Maximum"] > 0.1


def test_a_container_at_fault_fails_its_job_with_the_reason(jobs: Jobs) -> None:
    data = jobs.put("data/train.csv", b"a,b\n1,2\n1,2,3\n")
    found = run(jobs, analysis(jobs, data))
    assert found["ProcessingJobStatus"] == "Failed"
    assert "train.csv is no CSV" in found["FailureReason"]


class Taker:
    """CloudWatch, as far as it takes metrics."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    def put_metric_data(self, **request: Any) -> None:
        self.taken.append(request)


def test_lines_that_are_no_metric_are_said_and_the_rest_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "ml" / FOLDER
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text('{"MetricName": "x", "Value": 1, "Other": 2}\n[\n7\n')
    taker = Taker()
    troubles = send(Tree(tmp_path / "ml"), {"sagemaker_endpoint_name": "e"}, taker)
    assert [trouble.split(" in ")[0] for trouble in troubles] == ["b'['", "b'7'"]
    assert taker.taken == [
        {"Namespace": "aws/sagemaker/Endpoints/data-metrics", "MetricData": [{"MetricName": "x", "Value": 1}]}
    ]


def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.jsonl").write_text('{"MetricName": "x", "Value": 1}\n')
    (tmp_path / "ml/output/metrics").mkdir(parents=True)
    (tmp_path / "ml" / FOLDER).symlink_to(tmp_path / "elsewhere")
    taker = Taker()
    assert len(send(Tree(tmp_path / "ml"), {}, taker)) == 1
    assert taker.taken == []


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        (
            {"sagemaker_endpoint_name": "e", "analysis_type": "MODEL_QUALITY"},
            "aws/sagemaker/Endpoints/model-metrics",
        ),
        ({}, "aws/sagemaker/ModelMonitoring/data-metrics"),
    ],
)
def test_the_namespace_says_what_was_monitored(environment: dict[str, str], name: str) -> None:
    assert namespace(environment) == name
