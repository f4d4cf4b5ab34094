from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelab.lab import security, trail, vpc, watch
from sagelab.lab.session import Lab

SCRIPT = b"import os\nprint('said', sorted(os.listdir('/opt/ml/input/data')))\n"


def allow(action: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def test_a_role_may_what_its_statements_say(lab: Lab) -> None:
    bucket = security.bucket(lab, "vault")
    role = security.role(lab, "reader", [allow("s3:ListBucket", f"arn:aws:s3:::{bucket}")])
    s3 = security.become(lab, role).client("s3")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="x", Body=b"")
    asked = [("s3:ListBucket", f"arn:aws:s3:::{bucket}"), ("s3:PutObject", f"arn:aws:s3:::{bucket}/x")]
    assert list(security.simulate(lab, {"reader": role}, asked)["reader"]) == ["allowed", "implicitDeny"]
    security.remove(lab)


def test_a_job_runs_a_script_of_the_bucket(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    bucket = security.bucket(lab, "vault")
    for key in ("code/say.py", "training/digits.txt"):
        lab.client("s3").put_object(Bucket=bucket, Key=key, Body=SCRIPT)
    job = security.train(lab, "ml.m5.large", bucket, lab.role, "say.py", show=True)
    watch.wait(lab, "training job", job)
    assert "said ['code', 'training']" in watch.log(lab, job)
    assert "/opt/ml/input/data/code/say.py" in capsys.readouterr().out
    security.remove(lab)


def test_what_was_made_is_found_and_removed(lab: Lab) -> None:
    bucket = security.bucket(lab, "vault")
    assert security.bucket(lab, "vault") == bucket
    lab.client("s3").put_object(Bucket=bucket, Key="x", Body=b"1")
    security.role(lab, "wide", managed=["AmazonSageMakerFullAccess"])
    security.user(lab, "colleague", [allow("s3:ListAllMyBuckets", "*")])
    lab.client("kms").create_key(Tags=security.kms_tags(lab))
    config = vpc.make(lab)
    zones = lab.client("ec2").describe_subnets(SubnetIds=config["Subnets"])["Subnets"]
    assert len({each["AvailabilityZone"] for each in zones}) == 2
    vpc.endpoint(lab, config, "sagemaker.api")
    trail.admit(lab, bucket)
    lab.client("cloudtrail").create_trail(Name=lab.name, S3BucketName=bucket, TagsList=lab.tags)
    assert len(security.left(lab)) == 6
    assert security.remove(lab)
    assert security.left(lab) == []
    assert security.remove(lab) == []


def test_codes_are_those_of_the_standard() -> None:
    """RFC 6238, appendix B, its last six digits."""
    seed = b"12345678901234567890"
    assert [security.code(seed, seconds // 30) for seconds in (59, 1111111109, 20000000000)] == [
        "287082",
        "081804",
        "353130",
    ]
