"""Monitoring schedules as tests make them: an endpoint that captures, data in AWS's layout, through boto3."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import ROLE, pack
from tests.monitoring.container import captured, label
from tests.waiting import until

ANALYZER = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
CLARIFY = "205585389593.dkr.ecr.us-east-1.amazonaws.com/sagemaker-clarify-processing:1.0"
SERVER = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SCRIPT = """
def model_fn(folder):
    return 0
def input_fn(body, kind):
    return [[float(cell) for cell in line.split(",")] for line in body.split()]
def predict_fn(rows, model):
    return [sum(row) for row in rows]
def output_fn(sums, kind):
    return "\\n".join(str(one) for one in sums), "text/csv"
"""
NOW = {"ScheduleExpression": "NOW", "DataAnalysisStartTime": "-PT1H", "DataAnalysisEndTime": "-PT0H"}
HOURLY = {"ScheduleExpression": "cron(0 * ? * * *)"}


@dataclass
class Monitoring:
    """Makes schedules for one endpoint."""

    hosting: Hosting
    endpoint: str = ""
    data: str = field(default_factory=lambda: f"captured-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.sagemaker, self.bucket = self.hosting.sagemaker, self.hosting.bucket
        capture = {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{self.bucket}/{self.data}",
            "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        }
        archive = pack({"code/inference.py": SCRIPT})
        environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
        model = self.hosting.model(archive, Image=SERVER, Environment=environment)
        self.endpoint = self.hosting.serve(self.hosting.config(model, options={"DataCaptureConfig": capture}))

    def name(self, stem: str = "schedule") -> str:
        return f"{stem}-{uuid.uuid4().hex[:8]}"

    def put(self, key: str, body: str) -> str:
        return self.hosting.put(key, body.encode())

    def capture(self, *rows: tuple[str, str]) -> None:
        """Captured data of this moment's hour, in AWS's layout: what went in, and what came out."""
        lines = "".join(captured(f"event-{n}", given, answer) for n, (given, answer) in enumerate(rows))
        self.put(f"{self.data}/{self.endpoint}/v1/{hour()}/{uuid.uuid4()}.jsonl", lines)

    def label(self, place: str, *labels: str) -> str:
        """Labels of the captured data, at a new place."""
        lines = "".join(label(f"event-{n}", value) for n, value in enumerate(labels))
        self.put(f"{place}/{hour()}/labels.jsonl", lines)
        return f"s3://{self.bucket}/{place}"

    def definition(self, report: str, **application: Any) -> dict[str, Any]:
        """A MonitoringJobDefinition."""
        return {
            "MonitoringInputs": [{"EndpointInput": self.input()}],
            "MonitoringOutputConfig": self.output(report),
            "MonitoringResources": RESOURCES,
            "MonitoringAppSpecification": {"ImageUri": ANALYZER} | application,
            "RoleArn": ROLE,
        }

    def input(self, **attributes: Any) -> dict[str, Any]:
        return {"EndpointName": self.endpoint, "LocalPath": "/opt/ml/processing/input/endpoint"} | attributes

    def output(self, report: str) -> dict[str, Any]:
        place = {"S3Uri": f"s3://{self.bucket}/{report}", "LocalPath": "/opt/ml/processing/output"}
        return {"MonitoringOutputs": [{"S3Output": place}]}

    def baseline(self, table: dict[str, list[float]]) -> dict[str, Any]:
        """A BaselineConfig, as the analyzer suggests it of columns of numbers."""
        import pandas as pd

        from sagelab.monitoring import constraints, statistics

        features = statistics.columns(pd.DataFrame({name: list(map(str, row)) for name, row in table.items()}))
        place, found = self.name("baseline"), {}
        for word, made in (("Constraints", constraints.suggest), ("Statistics", statistics.describe)):
            uri = self.put(f"{place}/{word.lower()}.json", json.dumps(made(features)))
            found[f"{word}Resource"] = {"S3Uri": uri}
        return found

    def schedule(self, config: dict[str, Any], name: str = "") -> str:
        """The name of a new schedule."""
        name = name or self.name()
        self.sagemaker.create_monitoring_schedule(MonitoringScheduleName=name, MonitoringScheduleConfig=config)
        return name

    def executions(self, schedule: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sagemaker.list_monitoring_executions(MonitoringScheduleName=schedule)[
            "MonitoringExecutionSummaries"
        ]
        return found

    def wait(self, schedule: str) -> dict[str, Any]:
        """The newest execution of a schedule, at its end."""
        going = ("Pending", "InProgress", "Stopping")
        found = until(
            lambda: self.executions(schedule),
            lambda all_: bool(all_) and all_[0]["MonitoringExecutionStatus"] not in going,
        )
        return found[0]

    def report(self, execution: dict[str, Any], name: str) -> Any:
        """A file that an execution left in S3."""
        job = self.sagemaker.describe_processing_job(
            ProcessingJobName=execution["ProcessingJobArn"].rpartition("/")[2]
        )
        (output,) = job["ProcessingOutputConfig"]["Outputs"]
        key = f"{output['S3Output']['S3Uri']}/{name}".removeprefix(f"s3://{self.bucket}/")
        return json.loads(self.hosting.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())


RESOURCES = {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}}


def hour() -> str:
    return f"{datetime.now(UTC):%Y/%m/%d/%H}"
