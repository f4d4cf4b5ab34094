"""A trail's files, asked in SQL."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from sagelab.lab import athena
from sagelab.lab.session import Lab

pytestmark = pytest.mark.slow  # the first query brings its engine


@pytest.fixture
def bucket(lab: Lab, unique: Callable[[str], str]) -> str:
    """One with two files of a trail."""
    name = unique("trail")
    lab.client("s3").create_bucket(Bucket=name)
    arn = "arn:aws:sts::1:assumed-role/wide/job"
    who: dict[str, Any] = {"type": "AssumedRole", "arn": arn, "invokedBy": "sagemaker.amazonaws.com"}
    calls = [
        ("GetObject", None),
        ("GetObject", "AccessDenied"),
        ("ListModels", "AccessDenied"),
        ("GetObject", None),
    ]
    for number in range(2):
        records = [
            {
                "eventName": call,
                "eventSource": "s3.amazonaws.com",
                "userIdentity": who,
                "requestParameters": {"a": [1]},
            }
            | ({"errorCode": error} if error else {})
            for call, error in calls[2 * number : 2 * number + 2]
        ]
        body = gzip.compress(json.dumps({"Records": records}).encode())
        key = f"AWSLogs/{lab.account}/CloudTrail/us-east-1/2026/11/30/{number}.json.gz"
        lab.client("s3").put_object(Bucket=name, Key=key, Body=body)
    return name


def test_a_trail_is_asked_and_nothing_is_left(lab: Lab, bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT eventname, count(*) AS calls, count(errorcode) AS refused FROM trail GROUP BY 1 ORDER BY 2 DESC"
    for _ in range(2):
        found = athena.ask_trail(lab, bucket, sql)
        assert found.to_dict("list") == {
            "eventname": ["GetObject", "ListModels"],
            "calls": [3, 1],
            "refused": [1, 1],
        }
    said = capsys.readouterr().out.splitlines()
    assert said == ["read 0.00 MB of S3: $0.00005 on AWS"] * 2
    assert athena.databases(lab) == [athena.name(lab)]
    assert list(athena.remove(lab)) == [f"deleted database {athena.name(lab)} of Glue's catalogue"]
    assert athena.databases(lab) == []
    assert list(athena.remove(lab)) == []


def test_athenas_reason_is_told(lab: Lab, bucket: str) -> None:
    with pytest.raises(athena.QueryFailed, match="COLUMN_NOT_FOUND"):
        athena.ask_trail(lab, bucket, "SELECT nothing FROM trail")
