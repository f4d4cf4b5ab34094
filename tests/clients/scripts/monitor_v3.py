"""Model Monitor of the SageMaker Python SDK: a baseline of data, a schedule and what it finds, a model's baseline.

`python monitor_v3.py`; monitor_v2.py is the same with the SDK of before. An endpoint captures what it is asked.
"""

from __future__ import annotations

import io
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path

import boto3

try:
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.model_monitor import (
        CronExpressionGenerator,
        DatasetFormat,
        DefaultModelMonitor,
        EndpointInput,
        ModelQualityMonitor,
    )
except ImportError:  # of version 2
    from sagemaker import Session
    from sagemaker.model_monitor import (
        CronExpressionGenerator,
        DatasetFormat,
        DefaultModelMonitor,
        EndpointInput,
        ModelQualityMonitor,
    )

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
INFERENCE = """
def model_fn(folder):
    return 0
def input_fn(body, kind):
    return [[float(cell) for cell in line.split(",")] for line in body.split()]
def predict_fn(rows, model):
    return [sum(row) for row in rows]
def output_fn(sums, kind):
    return "\\n".join(str(one) for one in sums), "text/csv"
"""

session = Session()
bucket, sagemaker = session.default_bucket(), boto3.client("sagemaker")
role = "arn:aws:iam::" + boto3.client("sts").get_caller_identity()["Account"] + ":role/SageMakerLabRole"


def serve(name: str) -> None:
    """An endpoint that adds what it is given, and captures all."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(INFERENCE)
        archive.addfile(member, io.BytesIO(INFERENCE.encode()))
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{name}/model.tar.gz", Body=packed.getvalue())
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{bucket}/{name}/model.tar.gz",
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        },
    }
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role)
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {"VariantName": "all", "ModelName": name, "InstanceType": "ml.c5.large", "InitialInstanceCount": 1}
        ],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": f"s3://{bucket}/{name}/captured",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        },
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name, WaiterConfig={"Delay": 1})


def ask(name: str, shift: float) -> None:
    """A hundred invocations, and wait until they are captured."""
    runtime = boto3.client("sagemaker-runtime")
    for number in range(100):
        runtime.invoke_endpoint(EndpointName=name, ContentType="text/csv", Body=f"{number + shift},{number + 0.5}")
    while not boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{name}/captured")["KeyCount"]:
        time.sleep(0.2)


name = f"monitor-{datetime.now(UTC):%H%M%S%f}"
serve(name)
Path("baseline.csv").write_text("sum,a,b\n" + "".join(f"{2 * n + 1},{n + 0.5},{n + 0.5}\n" for n in range(200)))
machine = {"role": role, "instance_count": 1, "instance_type": "ml.m5.large", "sagemaker_session": session}
monitor = DefaultModelMonitor(**machine, volume_size_in_gb=20, max_runtime_in_seconds=600)
monitor.suggest_baseline(
    baseline_dataset="baseline.csv",
    dataset_format=DatasetFormat.csv(header=True),
    output_s3_uri=f"s3://{bucket}/{name}/baseline",
    logs=False,
)
suggested = monitor.suggested_constraints().body_dict["features"]
print("suggested", *(f"{one['name']}:{one['inferred_type']}" for one in suggested))
print("records", monitor.baseline_statistics().body_dict["dataset"]["item_count"])

ask(name, shift=1000)
monitor.create_monitoring_schedule(
    monitor_schedule_name=name,
    endpoint_input=EndpointInput(endpoint_name=name, destination="/opt/ml/processing/input/endpoint"),
    output_s3_uri=f"s3://{bucket}/{name}/reports",
    statistics=monitor.baseline_statistics(),
    constraints=monitor.suggested_constraints(),
    schedule_cron_expression=CronExpressionGenerator.now(),
    data_analysis_start_time="-PT1H",
    data_analysis_end_time="-PT0H",
)
while True:
    last = monitor.describe_schedule().get("LastMonitoringExecutionSummary", {})
    if last.get("MonitoringExecutionStatus", "Pending") not in ("Pending", "InProgress"):
        break
    time.sleep(0.2)
print("execution", last["MonitoringExecutionStatus"])
executions = monitor.list_executions()
violations = monitor.latest_monitoring_constraint_violations().body_dict["violations"]
print("violations", *sorted(f"{one['feature_name']}:{one['constraint_check_type']}" for one in violations))
print("same", executions[-1].constraint_violations().body_dict["violations"] == violations)
print("looked at", monitor.latest_monitoring_statistics().body_dict["dataset"]["item_count"])
monitor.stop_monitoring_schedule()
print("status", monitor.describe_schedule()["MonitoringScheduleStatus"])
monitor.delete_monitoring_schedule()

quality = ModelQualityMonitor(**machine, volume_size_in_gb=20, max_runtime_in_seconds=600)
Path("predictions.csv").write_text("label,guess\n" + "".join(f"{n},{n + 1}\n" for n in range(20)))
quality.suggest_baseline(
    baseline_dataset="predictions.csv",
    dataset_format=DatasetFormat.csv(header=True),
    problem_type="Regression",
    inference_attribute="guess",
    ground_truth_attribute="label",
    output_s3_uri=f"s3://{bucket}/{name}/quality",
    wait=True,
    logs=False,
)
print("mae", quality.suggested_constraints().body_dict["regression_constraints"]["mae"]["threshold"])
for delete, member in (
    ("endpoint", "EndpointName"),
    ("endpoint_config", "EndpointConfigName"),
    ("model", "ModelName"),
):
    getattr(sagemaker, f"delete_{delete}")(**{member: name})
