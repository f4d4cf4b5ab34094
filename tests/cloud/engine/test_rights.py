"""A job moves its data, and works, with the rights of its role and no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import boto3
import botocore.exceptions
import pytest

from tests.cloud.jobs import GROUP, Jobs
from tests.trusts import TRUST


def make_role(jobs: Jobs, name: str, *statements: dict[str, Any]) -> str:
    iam = jobs.cloud.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
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
    writes = allow("s3:PutObject", on=f"arn:aws:s3:::{jobs.bucket}/*")
    role = make_role(jobs, unique("role"), writes, allow("logs:*"))
    code = (
        "import boto3\\n"
        f"boto3.client('s3').put_object(Bucket='{jobs.bucket}', Key='written', Body=b'x')\\n"
        f"boto3.client('s3').delete_object(Bucket='{jobs.bucket}', Key='written')\\n"
    )
    job = jobs.run(jobs.shell(f'printf "{code}" | python3 -', RoleArn=role))
    assert "is not authorized to perform: s3:DeleteObject" in jobs.log(job["TrainingJobName"])
    assert jobs.s3.get_object(Bucket=jobs.bucket, Key="written")["Body"].read() == b"x"


@pytest.mark.parametrize("rights", [("CreateLogStream", "PutLogEvents"), ("CreateLogStream",), ()])
def test_a_job_has_the_log_that_its_role_may_write(
    jobs: Jobs, unique: Callable[[str], str], rights: tuple[str, ...]
) -> None:
    """Without the rights it runs all the same. The group is there: nobody has to make it."""
    with suppress(jobs.logs.exceptions.ResourceAlreadyExistsException):
        jobs.logs.create_log_group(logGroupName=GROUP)
    own = f"arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}:*"
    logs = [allow(*(f"logs:{right}" for right in rights), on=own)] if rights else []
    job = jobs.run(jobs.shell("echo said", RoleArn=make_role(jobs, unique("role"), allow("s3:PutObject"), *logs)))
    assert job["TrainingJobStatus"] == "Completed"
    name = job["TrainingJobName"]
    streams = jobs.logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=name)["logStreams"]
    assert len(streams) == bool(rights)
    assert ("said" in jobs.full_log(name)) == ("PutLogEvents" in rights)


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


def test_object_under_a_key_that_a_role_may_not_use_is_closed_to_it(
    jobs: Jobs, unique: Callable[[str], str]
) -> None:
    kms = jobs.cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    options = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    jobs.s3.put_object(Bucket=jobs.bucket, Key="closed", Body=b"secret", **options)
    without = session(jobs, make_role(jobs, unique("role"), allow("s3:*")))
    words = rf"AccessDenied.*not authorized to perform: kms:Decrypt on resource: {key} because no identity"
    with pytest.raises(botocore.exceptions.ClientError, match=words):
        without.get_object(Bucket=jobs.bucket, Key="closed")
    source = {"Bucket": jobs.bucket, "Key": "closed"}
    with pytest.raises(botocore.exceptions.ClientError, match=r"kms:Decrypt"):
        without.copy_object(Bucket=jobs.bucket, Key="stolen", CopySource=source)
    with pytest.raises(botocore.exceptions.ClientError, match=r"kms:GenerateDataKey"):
        without.put_object(Bucket=jobs.bucket, Key="new", Body=b"x", **options)
    without.put_object(Bucket=jobs.bucket, Key="open", Body=b"x")
    assert without.get_object(Bucket=jobs.bucket, Key="open")["Body"].read() == b"x"
    statements = allow("s3:*"), allow("kms:Decrypt", "kms:GenerateDataKey", on=key)
    holder = session(jobs, make_role(jobs, unique("role"), *statements))
    assert holder.get_object(Bucket=jobs.bucket, Key="closed")["Body"].read() == b"secret"
    holder.put_object(Bucket=jobs.bucket, Key="new", Body=b"x", **options)
    deny = {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": key}
    denied = session(jobs, make_role(jobs, unique("role"), *statements, deny))
    with pytest.raises(botocore.exceptions.ClientError, match=r"kms:Decrypt.*with an explicit deny"):
        denied.get_object(Bucket=jobs.bucket, Key="closed")


def test_object_under_its_buckets_key_is_closed_as_well(jobs: Jobs, unique: Callable[[str], str]) -> None:
    key = jobs.cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    bucket = unique("sealed")
    jobs.s3.create_bucket(Bucket=bucket)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    jobs.s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)
    jobs.s3.put_object(Bucket=bucket, Key="data/x.txt", Body=b"secret")
    role = make_role(jobs, unique("role"), allow("s3:*", "logs:*"))
    with pytest.raises(botocore.exceptions.ClientError, match=r"kms:GenerateDataKey"):
        session(jobs, role).put_object(Bucket=bucket, Key="data/y.txt", Body=b"x")
    channel = jobs.channel("training", f"s3://{bucket}/data/x.txt")
    job = jobs.run(jobs.shell("true", RoleArn=role, InputDataConfig=[channel]))
    assert "is not authorized to perform: kms:Decrypt on resource: " + key in job["FailureReason"]


def session(jobs: Jobs, role: str) -> Any:
    """A client of S3 with a role's keys."""
    made = jobs.cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return boto3.client(
        "s3",
        endpoint_url=jobs.cloud.url,
        region_name="us-east-1",
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )
