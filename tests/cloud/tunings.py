"""Tuning jobs as tests make them: their training jobs are shell commands that print the objective at once."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.config import Config

from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud.jobs import ROLE, Jobs, pack
from tests.conftest import LocalCloud
from tests.waiting import until

METRIC = {"Name": "score", "Regex": r"score: (\S+)"}
LINEAR = {"Name": "point", "MinValue": "0", "MaxValue": "1", "ScalingType": "Linear"}
# The better, the nearer the point is to 0.3; as many values as the hyperparameter `epochs` says.
PARABOLA = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--point", type=float, default=0.0)
parser.add_argument("--epochs", type=int, default=1)
args, _ = parser.parse_known_args()
for epoch in range(1, args.epochs + 1):
    print(f"score: {1 - (args.point - 0.3) ** 2 - 1 / (epoch + 9)}", flush=True)
"""
# The `train` of an image that runs the hyperparameter `source` as Script Mode runs a script, for less.
PLAIN = """#!/usr/bin/env python3
import base64, json, sys
def bare(value):
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return found if isinstance(found, str) else value
with open("/opt/ml/input/config/hyperparameters.json") as file:
    given = {name: bare(value) for name, value in json.load(file).items()}
source = base64.b64decode(given.pop("source")).decode()
sys.argv[1:] = [part for name, value in given.items() for part in (f"--{name}", value)]
exec(compile(source, "train.py", "exec"), {"__name__": "__main__"})
"""


@contextmanager
def plain_image(cloud: LocalCloud, folder: Path) -> Iterator[str]:
    """The name of an image with PLAIN."""
    (folder / "train").write_text(PLAIN)
    (folder / "train").chmod(0o755)
    images = OwnImages(cloud.home.images)
    name = images.add(f"plain-{uuid.uuid4().hex[:12]}:1", folder)
    yield name
    images.remove(name)


@dataclass
class Tunings:
    """Makes tuning jobs and waits for them. plain: the image that runs their scripts, in place of Script Mode."""

    jobs: Jobs
    plain: str | None = None

    def __post_init__(self) -> None:
        self.sagemaker = self.jobs.sagemaker
        # Without the client's own checks, so that it is the service which refuses.
        self.raw = self.jobs.cloud.client("sagemaker", config=Config(parameter_validation=False))

    def definition(self, source: str = PARABOLA, **changes: Any) -> dict[str, Any]:
        """A TrainingJobDefinition of a script."""
        if self.plain:
            static = {"source": base64.b64encode(source.encode()).decode()}
        else:
            uri = self.jobs.put(f"code/{uuid.uuid4().hex}/sourcedir.tar.gz", pack({"train.py": source}))
            static = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": f'"{uri}"'}
        definition = {
            "AlgorithmSpecification": {
                "TrainingImage": self.plain or self.jobs.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [METRIC],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.jobs.bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "StaticHyperParameters": static | changes.pop("static", {}),
        }
        return definition | changes

    def config(self, jobs: int | None = 3, parallel: int = 2, **changes: Any) -> dict[str, Any]:
        """A HyperParameterTuningJobConfig: a random search of a point between 0 and 1."""
        limits = {"MaxParallelTrainingJobs": parallel} | ({"MaxNumberOfTrainingJobs": jobs} if jobs else {})
        config = {
            "Strategy": "Random",
            "ResourceLimits": limits | changes.pop("limits", {}),
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ParameterRanges": {"ContinuousParameterRanges": [LINEAR]},
        }
        return config | changes

    def request(self, config: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """A CreateHyperParameterTuningJob request. source and static: of its definition."""
        own = {name: changes.pop(name) for name in ("source", "static") if name in changes}
        request = {
            "HyperParameterTuningJobName": f"tune-{uuid.uuid4().hex[:12]}",
            "HyperParameterTuningJobConfig": config or self.config(),
            "TrainingJobDefinition": self.definition(**own),
        }
        return request | changes

    def create(self, request: dict[str, Any]) -> str:
        self.sagemaker.create_hyper_parameter_tuning_job(**request)
        name: str = request["HyperParameterTuningJobName"]
        return name

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Create a tuning job and wait for its end."""
        return self.wait(self.create(request))

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        return found

    def wait(self, name: str) -> dict[str, Any]:
        changing = ("InProgress", "Stopping")
        return until(lambda: self.describe(name), lambda job: job["HyperParameterTuningJobStatus"] not in changing)

    def children(self, name: str, **options: Any) -> list[dict[str, Any]]:
        """All training jobs of a tuning job, as its list has them."""
        pages = self.sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        found = pages.paginate(HyperParameterTuningJobName=name, **options)
        return [child for page in found for child in page["TrainingJobSummaries"]]

    def wait_children(self, name: str, count: int, status: str = "InProgress") -> list[dict[str, Any]]:
        """Wait until so many training jobs of a tuning job have a status."""
        return until(lambda: self.children(name, StatusEquals=status), lambda found: len(found) >= count)

    def refused(self, request: dict[str, Any]) -> tuple[str, str]:
        """The code and message that a request is refused with."""
        with pytest.raises(botocore.exceptions.ClientError) as trouble:
            self.raw.create_hyper_parameter_tuning_job(**request)
        error = trouble.value.response["Error"]
        return error["Code"], error["Message"]
