"""Whether a local cloud that has kept ten thousand training jobs answers as fast as one that has kept ten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs import IMAGE, ROLE
from place import Place, local_cloud, new_home
from table import Result
from turns import Call, compare

from sagelab import catalog
from sagelab.cloud.home import ACCOUNT, DEFAULT_REGION, Home
from sagelab.cloud.store import Document, Resource, Store

FEW, MANY = 10, 10_000
STAGES = ("Starting", "Downloading", "Training", "Uploading", "Completed")
KIND = catalog.of_stem("TrainingJob").arn
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def store(quick: bool) -> Iterator[Result]:
    """Two local clouds side by side, one with few jobs and one with many, asked the same in turn."""
    count = 50 if quick else 300
    with ExitStack() as open_homes:
        few, many = (_calls(_filled(open_homes, jobs), jobs) for jobs in (FEW, MANY))
        for name in few:
            small, large = compare(few[name], many[name], count)
            seen = f"p50 of {count}: {large:.1f} ms with {MANY:,}, {small:.1f} ms with {FEW}"
            yield Result(f"{name}: {MANY:,} jobs / {FEW} jobs", large / small, 1.5, "x", seen=seen)


def _filled(open_homes: ExitStack, jobs: int) -> Place:
    home = open_homes.enter_context(new_home())
    fill(home, jobs)
    return open_homes.enter_context(local_cloud(home))


def fill(home: Home, jobs: int) -> None:
    kept = Store(home.database)
    for number in range(jobs):
        job = _job(number)
        name, arn, status = job["TrainingJobName"], job["TrainingJobArn"], job["TrainingJobStatus"]
        kept.add(Resource(arn, KIND, DEFAULT_REGION, name, status, job), {"lab": "keras-mnist"})
    kept.close()


def _calls(place: Place, jobs: int) -> dict[str, Call]:
    sagemaker = place.client("sagemaker")
    half_way = sagemaker.list_training_jobs(MaxResults=5, SortBy="Name", NameContains="mnist")["NextToken"]
    middle, oldest = _name(jobs // 2), _name(0)
    return {
        "DescribeTrainingJob": lambda: sagemaker.describe_training_job(TrainingJobName=middle),
        "ListTrainingJobs, newest ten": lambda: sagemaker.list_training_jobs(),
        "ListTrainingJobs, next page by name": lambda: sagemaker.list_training_jobs(
            MaxResults=5, SortBy="Name", NameContains="mnist", NextToken=half_way
        ),
        "ListTrainingJobs, sorted by status": lambda: sagemaker.list_training_jobs(SortBy="Status"),
        "ListTrainingJobs, in progress": lambda: sagemaker.list_training_jobs(
            StatusEquals="InProgress", SortBy="Name"
        ),
        "ListTrainingJobs, oldest by its name": lambda: sagemaker.list_training_jobs(NameContains=oldest),
    }


def _name(number: int) -> str:
    return f"keras-mnist-{FIRST_DAY + timedelta(minutes=number):%Y%m%d%H%M}-{number:05}"


def _job(number: int) -> Document:
    """A job as lab 1 leaves it."""
    name, created = _name(number), FIRST_DAY + timedelta(minutes=number)
    times = [created + timedelta(seconds=12 * stage) for stage in range(len(STAGES) + 1)]
    return {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:{DEFAULT_REGION}:{ACCOUNT}:{KIND}/{name}",
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": metric, "Regex": f"- {metric}: ([0-9.]+)"} for metric in _finals()],
        },
        "HyperParameters": {
            "epochs": "10",
            "batch-size": "32",
            "learning-rate": "0.001",
            "sagemaker_program": '"mnist-train-cnn.py"',
            "sagemaker_submit_directory": f'"s3://bench/{name}/source/sourcedir.tar.gz"',
        },
        "InputDataConfig": [_channel(channel) for channel in ("training", "validation")],
        "OutputDataConfig": {"S3OutputPath": "s3://bench/output"},
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://bench/output/{name}/output/model.tar.gz"},
        "ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        "CreationTime": times[0],
        "TrainingStartTime": times[1],
        "TrainingEndTime": times[4],
        "LastModifiedTime": times[4],
        "TrainingTimeInSeconds": 36,
        "BillableTimeInSeconds": 36,
        "FinalMetricDataList": [
            {"MetricName": metric, "Value": value, "Timestamp": times[3]} for metric, value in _finals().items()
        ],
        "SecondaryStatusTransitions": [
            {
                "Status": status,
                "StartTime": times[n],
                "EndTime": times[n + 1],
                "StatusMessage": f"{status} the job",
            }
            for n, status in enumerate(STAGES)
        ],
    }


def _finals() -> dict[str, float]:
    return {"loss": 0.0312, "acc": 0.9898, "val_loss": 0.1104, "val_acc": 0.967}


def _channel(name: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://bench/keras-mnist/{name}"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}
