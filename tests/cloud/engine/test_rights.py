"""A job moves its data, and works, with the rights of its role and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.server import TRUST
from tests.cloud.jobs import Jobs


def make_role(jobs: Jobs, name: str, *statements: dict[str, Any]) -> str:
    iam = jobs.cloud.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document)
    return str(arn)


def allow(*actions: str, on: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


def test_job_whose_role_cannot_read_its_data_fails_with_the_reason(
    jobs: Jobs, unique: Callable[[str], str]
) -> None:
    role = make_role(jobs, unique("role"), allow("s3:PutObject", "logs:*"))
    channel = jobs.channel("training", jobs.put("rights/x.txt", b"data"))
    job = jobs.run(jobs.shell("true", RoleArn=role, InputDataConfig=[channel]))
    assert job["FailureReason"].startswith("ClientError: Data download failed: ")
    assert "is not authorized to perform: s3:ListBucket" in job["FailureReason"]


def test_job_whose_role_cannot_write_its_model_fails_with_the_reason(
    jobs: Jobs, unique: Callable[[str], str]
) -> None:
    role = make_role(jobs, unique("role"), allow("s3:GetObject", "s3:ListBucket"))
    job = jobs.run(jobs.shell("true", RoleArn=role))
    assert "is not authorized to perform: s3:PutObject" in job["FailureReason"]


def test_code_in_a_job_has_the_roles_rights(jobs: Jobs, unique: Callable[[str], str]) -> None:
    role = make_role(jobs, unique("role"), allow("s3:PutObject", on=f"arn:aws:s3:::{jobs.bucket}/*"))
    code = (
        "import boto3\\n"
        f"boto3.client('s3').put_object(Bucket='{jobs.bucket}', Key='written', Body=b'x')\\n"
        f"boto3.client('s3').delete_object(Bucket='{jobs.bucket}', Key='written')\\n"
    )
    job = jobs.run(jobs.shell(f'printf "{code}" | python3 -', RoleArn=role))
    assert "is not authorized to perform: s3:DeleteObject" in jobs.log(job["TrainingJobName"])
    assert jobs.s3.get_object(Bucket=jobs.bucket, Key="written")["Body"].read() == b"x"


def test_object_under_a_disabled_key_is_not_readable(jobs: Jobs) -> None:
    kms = jobs.cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]
    options = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["Arn"]}
    jobs.s3.put_object(Bucket=jobs.bucket, Key="sealed", Body=b"secret", **options)
    assert jobs.s3.get_object(Bucket=jobs.bucket, Key="sealed")["Body"].read() == b"secret"
    kms.disable_key(KeyId=key["KeyId"])
    with pytest.raises(botocore.exceptions.ClientError, match=r"KMS.DisabledException.*is disabled"):
        jobs.s3.get_object(Bucket=jobs.bucket, Key="sealed")
    with pytest.raises(botocore.exceptions.ClientError, match=r"KMS.DisabledException"):
        jobs.s3.put_object(Bucket=jobs.bucket, Key="other", Body=b"x", **options)
    kms.enable_key(KeyId=key["KeyId"])
    assert jobs.s3.get_object(Bucket=jobs.bucket, Key="sealed")["Body"].read() == b"secret"
