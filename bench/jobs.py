"""Training jobs as the measures make them, and the same commands run bare."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from place import Place

from sagelab.cloud.home import ACCOUNT, ROLE_NAME

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.19-cpu-py312"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"
DAY = 86400


class Jobs:
    """Makes training jobs on a local cloud, in a bucket of its own, and times them from outside."""

    def __init__(self, place: Place) -> None:
        self.sagemaker, self.s3 = place.client("sagemaker"), place.client("s3")
        self.bucket = f"bench-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)

    def channel(self, name: str, folder: Path) -> dict[str, Any]:
        """Upload the files of a folder; the input channel that a request names them by."""
        for file in folder.iterdir():
            self.s3.upload_file(str(file), self.bucket, f"data/{name}/{file.name}")
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/data/{name}"}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}}

    def script(self, script: Path, parameters: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
        """A CreateTrainingJob request in Script Mode. parameters: the script's arguments."""
        key = f"code/{uuid.uuid4().hex}/sourcedir.tar.gz"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=pack(script))
        mode = {
            "sagemaker_program": f'"{script.name}"',
            "sagemaker_submit_directory": f'"s3://{self.bucket}/{key}"',
        }
        return self._request(HyperParameters=mode | (parameters or {}), **changes)

    def shell(self, command: str) -> dict[str, Any]:
        """A request whose container runs a shell command."""
        entry = {"ContainerEntrypoint": ["/bin/bash", "-c"], "ContainerArguments": [command]}
        return self._request(AlgorithmSpecification=algorithm(**entry))

    def run(self, request: dict[str, Any], look: float) -> tuple[float, dict[str, Any]]:
        """(seconds from the Create call to Completed as Describe tells it, the job). look: seconds between looks.

        SystemExit: the job did not complete.
        """
        began = time.perf_counter()
        self.sagemaker.create_training_job(**request)
        while True:
            job: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"])
            if job["TrainingJobStatus"] == "Completed":
                return time.perf_counter() - began, job
            if job["TrainingJobStatus"] != "InProgress":
                raise SystemExit(f"the job is {job['TrainingJobStatus']}: {job.get('FailureReason')}")
            time.sleep(look)

    def wait(
        self, name: str, look: float, until: Callable[[dict[str, Any]], bool] = lambda _: False
    ) -> dict[str, Any]:
        """The description of a job when it has ended, or when `until` says so of it."""
        while True:
            job: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
            if job["TrainingJobStatus"] not in ("InProgress", "Stopping") or until(job):
                return job
            time.sleep(look)

    def _request(self, **changes: Any) -> dict[str, Any]:
        request = {
            "TrainingJobName": f"job-{uuid.uuid4().hex[:12]}",
            "RoleArn": ROLE,
            "AlgorithmSpecification": algorithm(),
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": DAY},
        }
        return request | changes


def algorithm(**more: Any) -> dict[str, Any]:
    """The AlgorithmSpecification of a request."""
    return {"TrainingImage": IMAGE, "TrainingInputMode": "File", **more}


def pack(script: Path) -> bytes:
    """A sourcedir.tar.gz with this script."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as out:
        out.add(script, script.name)
    return archive.getvalue()


def run_bare(*command: str) -> tuple[float, str]:
    """(seconds that a command took from its start to its end, what it printed). SystemExit: it failed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    began = time.perf_counter()
    done = subprocess.run(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}")
    return seconds, done.stdout
