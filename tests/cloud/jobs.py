"""Training jobs as tests make them: real ones, through boto3, on the local cloud of the `cloud` fixture."""

from __future__ import annotations

import io
import tarfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagelab.cloud.home import ACCOUNT, ROLE_NAME, Home
from tests.cloud.streams import Streams, said
from tests.conftest import LocalCloud
from tests.waiting import until

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21-cpu-py312"
# Its Python imports in two seconds what TensorFlow's does in seven: for a local cloud of a test's own.
LIGHT = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"
GROUP = "/aws/sagemaker/TrainingJobs"


def pack(files: dict[str, str], folder: Path | None = None) -> bytes:
    """A tar.gz with these files, and beside them a folder as `1`, the version of a model."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as out:
        if folder:
            out.add(folder, "1")
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            out.addfile(member, io.BytesIO(text.encode()))
    return archive.getvalue()


class Gate:
    """Where a job waits until its test lets it on: for a file in its /opt/ml."""

    def __init__(self, home: Home) -> None:
        self._home, self._name = home, f"gate-{uuid.uuid4().hex[:8]}"
        self.wait = f"touch /opt/ml/{self._name}; while [ -e /opt/ml/{self._name} ]; do sleep 0.05; done"  # bash

    def open(self) -> None:
        """Let on the jobs that wait; one that comes to it later waits for the next time."""
        until(self.let, bool)

    def let(self) -> bool:
        """Whether there were any that wait: they are let on."""
        files = list(self._home.jobs.glob(f"*/*/ml/{self._name}"))
        for file in files:
            file.unlink(missing_ok=True)
        return bool(files)


@dataclass
class Jobs:
    """Makes jobs in a bucket of its own and waits for them."""

    cloud: LocalCloud
    bucket: str = field(default_factory=lambda: f"jobs-{uuid.uuid4().hex[:12]}")
    image: str = IMAGE

    def __post_init__(self) -> None:
        self.sagemaker, self.s3 = self.cloud.client("sagemaker"), self.cloud.client("s3")
        self.logs = self.cloud.client("logs")
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def request(self, **changes: Any) -> dict[str, Any]:
        """A CreateTrainingJob request that is right, with `changes` at its top level."""
        request = {
            "TrainingJobName": f"job-{uuid.uuid4().hex[:12]}",
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": self.image, "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }
        return request | changes

    def shell(self, command: str, **changes: Any) -> dict[str, Any]:
        """A request whose container runs a shell command."""
        algorithm = {
            "TrainingImage": self.image,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["/bin/bash", "-c"],
            "ContainerArguments": [command],
        } | changes.pop("algorithm", {})
        return self.request(AlgorithmSpecification=algorithm, **changes)

    def script(self, source: str | bytes, **changes: Any) -> dict[str, Any]:
        """A request that runs a script in Script Mode; `source` is its text, or a whole archive."""
        archive = pack({"train.py": source}) if isinstance(source, str) else source
        uri = self.put(f"code/{uuid.uuid4().hex}/sourcedir.tar.gz", archive)
        parameters = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": f'"{uri}"'}
        parameters |= changes.pop("parameters", {})
        return self.request(HyperParameters=parameters, **changes)

    def channel(self, name: str, uri: str, **source: str) -> dict[str, Any]:
        """An input channel of a request."""
        data = {"S3DataType": "S3Prefix", "S3Uri": uri} | source
        return {"ChannelName": name, "DataSource": {"S3DataSource": data}}

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Create a job and wait for its end."""
        self.sagemaker.create_training_job(**request)
        return self.wait(request["TrainingJobName"])

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return found

    def wait(self, name: str, *secondary: str) -> dict[str, Any]:
        """Wait until the job has ended, or is in one of these secondary statuses."""

        def has_come(job: dict[str, Any]) -> bool:
            ended = job["TrainingJobStatus"] not in ("InProgress", "Stopping")
            return ended or job["SecondaryStatus"] in secondary

        return until(lambda: self.describe(name), has_come)

    def wait_log(self, name: str, text: str) -> None:
        """Wait until the job's log has a text."""
        streams = Streams(self.logs, GROUP, f"{name}/algo-1-")
        until(lambda: said(streams.lines()), lambda log: text in log)

    def log(self, name: str, host: str = "algo-1") -> str:
        """What a host printed so far, without the local cloud's own lines; "" before there is a log."""
        return said(Streams(self.logs, GROUP, f"{name}/{host}-").lines())

    def full_log(self, name: str, host: str = "algo-1") -> str:
        return "\n".join(Streams(self.logs, GROUP, f"{name}/{host}-").lines())

    def unpack(self, uri: str) -> dict[str, bytes]:
        """The files of a tar.gz in S3."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            return {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]
