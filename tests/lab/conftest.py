"""A lab connected to the shared local cloud, and jobs small enough to start by the dozen."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from sagelab.lab import session
from sagelab.lab.session import Lab

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.19-cpu-py312"
METRICS = [{"Name": name, "Regex": rf"- {name}: (\S+)"} for name in ("loss", "val_acc")]

Train = Callable[..., str]


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The environment to change at will; afterwards it and boto3's default session are as before."""
    before = dict(os.environ)
    for name in ("SAGELAB_TARGET", "SAGELAB_ROLE", "CI"):
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
    os.environ.clear()
    os.environ.update(before)
    boto3.DEFAULT_SESSION = None


@pytest.fixture
def lab(cloud: Any, surroundings: pytest.MonkeyPatch, unique: Callable[[str], str]) -> Lab:
    """A lab of its own on the shared local cloud."""
    surroundings.setenv("SAGELAB_HOME", str(cloud.home.path))
    return session.connect(unique("lab"))


@pytest.fixture
def train(lab: Lab) -> Train:
    """Starts a training job of this script text and returns its name; options go into the request."""

    def start(script: str, name: str = "job", hosts: int = 1, **options: Any) -> str:
        job = f"{lab.name}-{name}"
        key = f"{lab.prefix}/{job}/sourcedir.tar.gz"
        lab.client("s3").put_object(Bucket=lab.bucket, Key=key, Body=_archive(script))
        request: dict[str, Any] = {
            "TrainingJobName": job,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": METRICS,
            },
            "RoleArn": lab.role,
            "HyperParameters": {
                "sagemaker_program": "script.py",
                "sagemaker_submit_directory": f"s3://{lab.bucket}/{key}",
            },
            "OutputDataConfig": {"S3OutputPath": lab.uri("output")},
            "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": hosts, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "Tags": lab.tags,
        }
        lab.client("sagemaker").create_training_job(**request | options)
        return job

    return start


def _archive(script: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("script.py")
        member.size = len(script.encode())
        archive.addfile(member, io.BytesIO(script.encode()))
    return buffer.getvalue()
