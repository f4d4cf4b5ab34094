"""Processing jobs as tests make them: real ones, through boto3."""

from __future__ import annotations

import uuid
from typing import Any

from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import ROLE, Jobs
from tests.cloud.streams import Streams, said
from tests.waiting import until

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
GROUP = "/aws/sagemaker/ProcessingJobs"


def request(command: str, *, count: int = 1, **changes: Any) -> dict[str, Any]:
    """A CreateProcessingJob request whose container runs a shell command."""
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 10}
    return {
        "ProcessingJobName": f"processing-{uuid.uuid4().hex[:12]}",
        "RoleArn": ROLE,
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["/bin/bash", "-c"],
            "ContainerArguments": [command],
        },
        "ProcessingResources": {"ClusterConfig": cluster},
    } | changes


def source(name: str, uri: str | dict[str, str], **changes: Any) -> dict[str, Any]:
    """An input that lies in /opt/ml/processing/<name>. uri: or what stands for one in a pipeline."""
    given = {
        "S3Uri": uri,
        "LocalPath": f"/opt/ml/processing/{name}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    return {"InputName": name, "S3Input": given | changes}


def target(name: str, uri: str, mode: str = "EndOfJob") -> dict[str, Any]:
    """An output that is taken from /opt/ml/processing/<name>."""
    return {
        "OutputName": name,
        "S3Output": {"S3Uri": uri, "LocalPath": f"/opt/ml/processing/{name}", "S3UploadMode": mode},
    }


def run(jobs: Jobs, job: dict[str, Any]) -> dict[str, Any]:
    """Create a job and wait for its end."""
    jobs.sagemaker.create_processing_job(**job)
    return wait(jobs, job["ProcessingJobName"])


def wait(jobs: Jobs, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        found: dict[str, Any] = jobs.sagemaker.describe_processing_job(ProcessingJobName=name)
        return found

    return until(look, lambda job: job["ProcessingJobStatus"] not in ("InProgress", "Stopping"))


def log(jobs: Jobs, name: str, host: str = "algo-1") -> str:
    """What a host printed so far, without the local cloud's own lines."""
    return said(full_log(jobs, GROUP, f"{name}/{host}-"))


def full_log(jobs: Jobs | Hosting, group: str, prefix: str) -> list[str]:
    """The lines of all streams of a group whose names begin with `prefix`; none before there is a log."""
    return Streams(jobs.logs, group, prefix).lines()


def wait_log(jobs: Jobs, name: str, text: str) -> None:
    streams = Streams(jobs.logs, GROUP, f"{name}/algo-1-")
    until(lambda: said(streams.lines()), lambda log: text in log)
