"""Who did what, as tables."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from sagelab.lab import trail
from sagelab.lab.session import Lab
from tests.trusts import TRUST

ROLE = {
    "type": "AssumedRole",
    "arn": "arn:aws:sts::1:assumed-role/Job/SageMaker",
    "invokedBy": "sagemaker.amazonaws.com",
}
USER = {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ann", "userName": "ann"}
SERVICE = {"type": "AWSService", "invokedBy": "sagemaker.amazonaws.com"}


def record(who: dict[str, Any], name: str, second: int, **more: Any) -> dict[str, Any]:
    return {
        "userIdentity": who,
        "eventName": name,
        "eventSource": "s3.amazonaws.com",
        "eventTime": f"2026-11-30T12:00:0{second}Z",
        "sourceIPAddress": "127.0.0.1",
    } | more


def test_calls_are_found_in_the_history(lab: Lab, unique: Callable[[str], str]) -> None:
    name = unique("role")
    lab.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    lab.client("iam").delete_role(RoleName=name)
    found = trail.history(lab, "ResourceName", name, at_least=2)
    assert list(found["call"]) == ["DeleteRole", "CreateRole"]
    assert list(found.columns) == list(trail.COLUMNS)
    assert set(found["service"]) == {"iam"}
    assert found["who"][0].endswith("/sagelab")


def test_what_never_was_is_said_not_to_be_there(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trail.LATE, "local", 0.0)
    with pytest.raises(trail.NotRecorded, match="0 calls of it, nothing"):
        trail.history(lab, "EventName", "DeleteAccountForEver")


def test_files_of_a_trail_become_one_table(lab: Lab, unique: Callable[[str], str]) -> None:
    prefix = unique("logs")
    folder = f"{prefix}/AWSLogs/1/CloudTrail/us-east-1/2026/11/30"
    resources = [{"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::data/train/x"}]
    files = [
        [record(USER, "GetObject", 3, errorCode="AccessDenied", resources=resources)],
        [record(ROLE, "GetObject", 1, resources=resources), record(SERVICE, "AssumeRole", 2)],
    ]
    for number, records in enumerate(files):
        body = gzip.compress(json.dumps({"Records": records}).encode())
        lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{folder}/{number}.json.gz", Body=body)
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{folder}/", Body=b"")
    found = trail.delivered(lab, lab.bucket, prefix, until=lambda records: len(records) == 3)
    assert list(found["who"]) == ["Job/SageMaker", "sagemaker.amazonaws.com", "ann"]
    assert list(found["about"]) == ["arn:aws:s3:::data/train/x", "", "arn:aws:s3:::data/train/x"]
    assert list(found["refused"]) == ["", "", "AccessDenied"]
    assert list(found["used_by"]) == ["sagemaker.amazonaws.com", "", ""]
    assert str(found["time"].dtype).endswith("UTC]")
