"""Volumes of jobs, endpoints and notebook instances under a key of KMS are encrypted on disk."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.engine.data import encrypted
from sagelab.cloud.home import Home
from tests.cloud import processing
from tests.cloud.endpoints import Hosting
from tests.cloud.engine.hosting import echo
from tests.cloud.instances import Instances
from tests.cloud.jobs import Gate, Jobs, pack
from tests.waiting import until

pytestmark = pytest.mark.skipif(
    encrypted.unavailable() is not None, reason=f"no encrypted folders here: {encrypted.unavailable()}"
)
SECRET = "what nobody reads in a copy of the volume"
KIND = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}


@pytest.fixture
def key(jobs: Jobs) -> str:
    """The ARN of a new key of KMS."""
    return str(jobs.cloud.client("kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def instances(jobs: Jobs) -> Iterator[Instances]:
    made = Instances(jobs.cloud)
    yield made
    made.close()


def stored(folder: Path) -> bytes:
    """All that lies on disk below a folder, without what is only seen at a mount."""
    found, mounts = b"", set(encrypted.mounts(folder))
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if str(Path(place, name)) not in mounts]
        for name in files:
            file = Path(place, name)
            found += os.fsencode(name) + (file.read_bytes() if file.is_file() and not file.is_symlink() else b"")
    return found


def test_job_works_on_an_encrypted_volume(jobs: Jobs, key: str) -> None:
    home, gate = jobs.cloud.home, Gate(jobs.cloud.home)
    write = f"for f in /tmp/a ~/b /opt/ml/model/secret.txt; do echo '{SECRET}' > $f; done"
    request = jobs.shell(
        f"{write}; {gate.wait}",
        ResourceConfig=KIND | {"VolumeKmsKeyId": key},
        OutputDataConfig={"S3OutputPath": f"s3://{jobs.bucket}/out", "KmsKeyId": key},
    )
    jobs.sagemaker.create_training_job(**request)
    name = request["TrainingJobName"]
    until(lambda: list(home.jobs.glob(f"{name}*/*/ml/model/secret.txt")), bool)
    (seen,) = encrypted.mounts(home.jobs)
    assert name in seen
    assert Path(seen, "ml/model/secret.txt").read_text().strip() == SECRET
    on_disk = stored(home.jobs)
    assert SECRET.encode() not in on_disk
    assert b"secret.txt" not in on_disk
    gate.open()
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert encrypted.mounts(home.jobs) == []
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{jobs.bucket}/")
    assert jobs.s3.head_object(Bucket=jobs.bucket, Key=artifact)["SSEKMSKeyId"] == key


def test_job_whose_key_cannot_be_used_fails_with_the_reason(jobs: Jobs, key: str) -> None:
    jobs.cloud.client("kms").disable_key(KeyId=key)
    job = jobs.run(jobs.shell("true", ResourceConfig=KIND | {"VolumeKmsKeyId": key}))
    words = f"ClientError: The KMS key {key} of the volume cannot be used: DisabledException: {key} is disabled."
    assert job["FailureReason"] == words
    far = jobs.cloud.session.client("kms", region_name="eu-west-1", endpoint_url=jobs.cloud.url)
    other = far.create_key()["KeyMetadata"]["Arn"]
    job = jobs.run(jobs.shell("true", ResourceConfig=KIND | {"VolumeKmsKeyId": other}))
    assert job["FailureReason"].endswith("NotFoundException: Invalid arn eu-west-1")


@pytest.mark.parametrize("kind", ["ml.g4dn.xlarge", "ml.g5.xlarge", "ml.p4d.24xlarge", "ml.r5d.large"])
def test_instance_that_encrypts_its_own_disk_takes_no_key(jobs: Jobs, kind: str) -> None:
    resources = KIND | {"InstanceType": kind, "VolumeKmsKeyId": "alias/volume"}
    with pytest.raises(botocore.exceptions.ClientError, match="instance type with local storage"):
        jobs.sagemaker.create_training_job(**jobs.shell("true", ResourceConfig=resources))


@pytest.mark.slow
def test_notebook_instance_has_an_encrypted_volume_that_outlives_it(
    jobs: Jobs, instances: Instances, key: str
) -> None:
    kms, home = jobs.cloud.client("kms"), jobs.cloud.home
    script = f"cd /home/ec2-user/SageMaker; [ -e kept ] || echo '{SECRET}' > kept; cat kept >> /tmp/seen"
    name = instances.create(KmsKeyId=key, LifecycleConfigName=instances.config(OnStart=script))
    found: dict[str, Any] = instances.describe(name)
    assert found["NotebookInstanceStatus"] == "InService", found.get("FailureReason")
    assert found["KmsKeyId"] == key
    (seen,) = encrypted.mounts(home.notebooks)
    assert Path(seen, "SageMaker/kept").read_text().strip() == SECRET
    assert instances.act("stop", name) == "Stopped"
    assert encrypted.mounts(home.notebooks) == []
    assert SECRET.encode() not in stored(home.notebooks)
    kms.disable_key(KeyId=key)
    assert instances.act("start", name) == "Failed"
    assert f"{key} is disabled." in instances.describe(name)["FailureReason"]
    kms.enable_key(KeyId=key)
    assert instances.act("start", name) == "InService"
    assert Path(seen, "SageMaker/kept").read_text().strip() == SECRET


@pytest.fixture
def hosting(jobs: Jobs) -> Iterator[Hosting]:
    made = Hosting(jobs.cloud)
    yield made
    made.close()


def holding(home: Home, name: str, file: str) -> Path:
    """The encrypted mount of a host of that name, once it has a file; its secret is not on the disk."""

    def look() -> list[Path]:
        mounts = [Path(place) for place in encrypted.mounts(home.jobs) if name in place]
        return [place for place in mounts if any(SECRET in one.read_text() for one in place.glob(f"ml/**/{file}"))]

    (seen,) = until(look, bool)
    on_disk = stored(home.jobs)
    assert SECRET.encode() not in on_disk
    assert file.encode() not in on_disk
    return seen


def test_processing_job_works_on_an_encrypted_volume(jobs: Jobs, key: str) -> None:
    home, gate = jobs.cloud.home, Gate(jobs.cloud.home)
    # What holds the volume's key is out of a job's sight: neither its settings nor a process of it.
    look = "find /opt /tmp /run -name gocryptfs.conf; ls -l /proc/[0-9]*/exe | grep gocryptfs"
    made = processing.request(f"cd /opt/ml; ({look}) > found; echo '{SECRET}' > secret.txt; {gate.wait}")
    made["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] = key
    jobs.sagemaker.create_processing_job(**made)
    seen = holding(home, made["ProcessingJobName"], "secret.txt")
    assert (seen / "ml/found").read_text() == ""
    gate.open()
    job = processing.wait(jobs, made["ProcessingJobName"])
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert str(seen) not in encrypted.mounts(home.jobs)


def test_endpoint_and_transform_keep_their_models_on_encrypted_volumes(
    jobs: Jobs, hosting: Hosting, key: str, tmp_path: Path
) -> None:
    home, image = jobs.cloud.home, echo.add(hosting, tmp_path, f"kept-{uuid.uuid4().hex[:8]}")
    archive = pack({"secret.txt": SECRET})
    model = hosting.model(archive, Image=image, Environment={"SAYS": "kept"})
    name = hosting.serve(hosting.config(model, options={"KmsKeyId": key}))
    assert echo.say(hosting, name) == "kept"
    seen = holding(home, name, "secret.txt")
    hosting.delete(name)
    until(lambda: str(seen) in encrypted.mounts(home.jobs), lambda there: not there)

    slow = hosting.model(archive, Image=image, Environment={"SAYS": "wait"})
    source = hosting.put("in/rows", b"1\n")
    transform = f"transform-{uuid.uuid4().hex[:12]}"
    hosting.sagemaker.create_transform_job(
        TransformJobName=transform,
        ModelName=slow,
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}}},
        TransformOutput={"S3OutputPath": f"s3://{hosting.bucket}/{transform}"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeKmsKeyId": key},
    )
    seen = holding(home, transform, "secret.txt")
    hosting.sagemaker.stop_transform_job(TransformJobName=transform)
    until(lambda: str(seen) in encrypted.mounts(home.jobs), lambda there: not there)
