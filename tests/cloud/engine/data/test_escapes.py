"""Jobs that put links to the host's files where the local cloud looks for what they made: it never comes to S3."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import botocore.exceptions
import pytest

from tests.cloud import processing
from tests.cloud.jobs import Jobs

SECRET = b"the host's own"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder of the host with what an attacker would like."""
    for name in ("checkpoints", "data", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret").write_bytes(SECRET)
    (tmp_path / "failure").write_bytes(SECRET)
    (tmp_path / "message").write_bytes(SECRET)
    return tmp_path


def everything(jobs: Jobs, key: str) -> bytes:
    """All that is below a key in S3, archives unpacked."""
    found = b""
    listed = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix=key).get("Contents", [])
    for one in listed:
        body = jobs.s3.get_object(Bucket=jobs.bucket, Key=one["Key"])["Body"].read()
        if one["Key"].endswith(".tar.gz"):
            with tarfile.open(fileobj=io.BytesIO(body)) as archive:
                files = [archive.extractfile(member) for member in archive if member.isreg()]
                body = b"".join(file.read() for file in files if file)
        found += one["Key"].encode() + body
    return found


def test_folder_above_the_checkpoints_becomes_a_link(jobs: Jobs, host: Path) -> None:
    config = {"S3Uri": f"s3://{jobs.bucket}/above", "LocalPath": "/opt/ml/a/checkpoints"}
    command = f"echo mine > /opt/ml/a/checkpoints/mine; mv /opt/ml/a /opt/ml/b; ln -s {host} /opt/ml/a; sleep 1"
    jobs.run(jobs.shell(command, CheckpointConfig=config))
    assert SECRET not in everything(jobs, "above")


def test_folder_above_the_output_becomes_a_link(jobs: Jobs, host: Path) -> None:
    job = jobs.run(jobs.shell(f"cd /opt/ml; mv output away; ln -s {host} output"))
    assert job["FailureReason"] == "ClientError: /opt/ml/output/data is a link, not a folder"
    failed = jobs.run(jobs.shell(f"cd /opt/ml; mv output away; ln -s {host} output; exit 1"))
    assert SECRET.decode() not in failed["FailureReason"]
    assert SECRET not in everything(jobs, "")


@pytest.mark.parametrize("mode", ["EndOfJob", "Continuous"])
def test_folder_above_a_processing_output_becomes_a_link(jobs: Jobs, host: Path, mode: str) -> None:
    out = processing.target("out", f"s3://{jobs.bucket}/processed-{mode}", mode)
    out["S3Output"]["LocalPath"] = "/opt/ml/processing/x/out"
    command = (
        f"H={host}; cd /opt/ml; mv processing/x y; ln -s $H processing/x; mv output z; ln -s $H output; sleep 2.5"
    )
    job = processing.request(command, ProcessingOutputConfig={"Outputs": [out]})
    found = processing.run(jobs, job)
    assert SECRET not in everything(jobs, f"processed-{mode}")
    assert SECRET.decode() not in found.get("ExitMessage", "")
    assert "/opt/ml/processing/x/out is a link" in found["FailureReason"]


def test_archive_of_the_model_is_not_written_through_a_link(jobs: Jobs, host: Path) -> None:
    target = host / "data" / "secret"
    command = f"cd /opt/ml; echo mine > model/mine; ln -s {target} model.tar.gz; ln -s {target} output/data.tar.gz"
    job = jobs.run(jobs.shell(command))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert target.read_bytes() == SECRET
    assert b"mine" in everything(jobs, "")


def test_nested_links_of_an_archive_write_nowhere_else(jobs: Jobs, host: Path) -> None:
    """Names so long that a resolver gives up in their middle, links through links, a member behind them."""
    archive, deep = io.BytesIO(), ""
    with tarfile.open(fileobj=archive, mode="w:gz") as out:

        def add(name: str, kind: bytes, link: str = "", body: bytes = b"") -> None:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, len(body)
            out.addfile(member, io.BytesIO(body))

        for letter in "abcdefghijklmnop":
            folder = "d" * 247
            add(f"{deep}{folder}", tarfile.DIRTYPE)
            add(f"{deep}{letter}", tarfile.SYMTYPE, folder)
            deep += f"{folder}/"
        short = "/".join("abcdefghijklmnop")
        add(f"{short}/{'l' * 254}", tarfile.SYMTYPE, "../" * 16)
        add("escape", tarfile.SYMTYPE, f"{short}/{'l' * 254}/../../../../../../../..{host}")
        add("flag", tarfile.LNKTYPE, "escape/data/secret")
        add("escape/data/secret", tarfile.REGTYPE, body=b"written from an archive")
        add("flag", tarfile.REGTYPE, body=b"written from an archive")
    uri = jobs.put("hostile/sourcedir.tar.gz", archive.getvalue())
    request = jobs.script("print('runs')")
    request["HyperParameters"]["sagemaker_submit_directory"] = f'"{uri}"'
    job = jobs.run(request)
    assert job["FailureReason"].startswith("ClientError: Could not unpack")
    assert (host / "data" / "secret").read_bytes() == SECRET


def test_secret_is_found_by_this_look(jobs: Jobs) -> None:
    """`everything` sees what a job does leave: a look that finds nothing proves nothing."""
    with pytest.raises(botocore.exceptions.ClientError):
        jobs.s3.get_object(Bucket=jobs.bucket, Key="seen")
    jobs.run(jobs.shell(f'echo "{SECRET.decode()}" > /opt/ml/model/secret'))
    assert SECRET in everything(jobs, "")
