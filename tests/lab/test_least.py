"""What a job needs, and the least that allows it, asked of IAM's simulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sagelab.lab import least, security
from sagelab.lab.least import Need
from sagelab.lab.session import Lab

REQUEST: dict[str, Any] = {
    "InputDataConfig": [
        {"ChannelName": "training", "DataSource": {"S3DataSource": {"S3Uri": "s3://my-sagemaker-data/digits"}}},
        {"ChannelName": "code", "DataSource": {"S3DataSource": {"S3Uri": "s3://my-sagemaker-data/code/x.tar.gz"}}},
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://my-sagemaker-data/models/"},
}
DATA = "arn:aws:s3:::my-sagemaker-data"


def test_a_training_job_needs_its_data_its_model_and_its_log(lab: Lab) -> None:
    found = least.of_training(lab, REQUEST)
    assert found[:4] == [
        Need("s3:GetObject", f"{DATA}/digits/*"),
        Need("s3:ListBucket", DATA),
        Need("s3:GetObject", f"{DATA}/code/x.tar.gz"),
        Need("s3:PutObject", f"{DATA}/models/*"),
    ]
    assert {need.action.partition(":")[0] for need in found[4:]} == {"logs"}


def test_the_wide_policy_allows_it_and_says_where(lab: Lab, unique: Callable[[str], str]) -> None:
    name = security.role(lab, unique("wide"), managed=["AmazonSageMakerFullAccess"]).rpartition("/")[2]
    wide, needs = least.of_role(lab, name), least.of_training(lab, REQUEST)
    to_sagemaker = (("iam:PassedToService", "sagemaker.amazonaws.com"),)
    passing = Need("iam:PassRole", "arn:aws:iam::123456789012:role/any", to_sagemaker)
    assert least.refused(lab, wide, [*needs, passing]) == []
    found = least.ask(lab, wide, [*needs, passing])
    assert [wide[place]["Sid"] for place in found[needs[0]]] == ["AllowS3ObjectActions"]
    assert [wide[place]["Sid"] for place in found[passing]] == ["AllowPassRoleToSageMaker"]
    other = Need("s3:GetObject", "arn:aws:s3:::somebody-elses/one")
    assert least.refused(lab, wide, [other, *needs]) == [other]


def test_the_least_is_least(lab: Lab) -> None:
    """One line less breaks it, and one more is seen."""
    needs = least.of_training(lab, REQUEST)
    narrow = least.narrow(needs)
    assert least.refused(lab, narrow, needs) == []
    table = least.breaks(lab, narrow, needs)
    assert len(table) == sum(len(each["Action"]) + len(each["Resource"]) for each in narrow)
    assert (table["refused"] != "").all()
    more = [*narrow, {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "*"}]
    spare = least.breaks(lab, more, needs)
    assert list(spare[spare["refused"] == ""]["without"]) == ["s3:DeleteObject", "*"]


def test_values_of_conditions_become_conditions() -> None:
    need = Need("iam:PassRole", "arn:aws:iam::1:role/a", (("iam:PassedToService", "sagemaker.amazonaws.com"),))
    (found,) = least.narrow([need])
    assert found["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_what_a_role_did_is_what_it_needs() -> None:
    role = "arn:aws:iam::123456789012:role/mine"

    def record(source: str, name: str, issuer: str = role, **more: Any) -> dict[str, Any]:
        who = {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"arn": issuer}}}
        return {"userIdentity": who, "eventSource": f"{source}.amazonaws.com", "eventName": name} | more

    got = record("s3", "GetObject", requestParameters={"bucketName": "b", "key": "k"})
    events = [
        {"CloudTrailEvent": json.dumps(got)},
        record("s3", "GetObject", requestParameters={"bucketName": "b", "key": "k"}),
        record("monitoring", "PutMetricData"),
        record("kms", "Decrypt", resources=[{"ARN": "arn:aws:kms:us-east-1:1:key/k"}]),
        record("s3", "GetObject", issuer=f"{role}-other"),
        record("sagemaker", "ListTrainingJobs", errorCode="AccessDenied"),
    ]
    assert least.of_events(events, role) == [
        Need("s3:GetObject", "arn:aws:s3:::b/k"),
        Need("cloudwatch:PutMetricData"),
        Need("kms:Decrypt", "arn:aws:kms:us-east-1:1:key/k"),
    ]


def test_events_become_the_actions_that_they_need() -> None:
    role = "arn:aws:iam::1:role/mine"
    who = {"sessionContext": {"sessionIssuer": {"arn": role}}}
    place = {"userIdentity": who, "awsRegion": "eu-west-1", "recipientAccountId": "1"}
    listed = {"eventName": "ListObjects", "requestParameters": {"bucketName": "b", "prefix": "train/"}}
    part = {"eventName": "UploadPart", "requestParameters": {"bucketName": "b", "key": "models/x/model.tar.gz"}}
    line = {"eventName": "CreateLogStream", "requestParameters": {"logGroupName": "/aws/jobs"}}
    events = [place | {"eventSource": "s3.amazonaws.com"} | each for each in (listed, part)]
    events.append(place | {"eventSource": "logs.amazonaws.com"} | line)
    assert least.by_folder(least.of_events(events, role)) == [
        Need("s3:ListBucket", "arn:aws:s3:::b"),
        Need("s3:PutObject", "arn:aws:s3:::b/models/*"),
        Need("logs:CreateLogStream", "arn:aws:logs:eu-west-1:1:log-group:/aws/jobs:*"),
    ]


def test_folders_stand_for_their_objects_once() -> None:
    found = [Need("s3:GetObject", f"arn:aws:s3:::b/{key}") for key in ("code/a.py", "code/lib/b.py", "top.txt")]
    whole = [Need("s3:GetObject", "arn:aws:s3:::b/code/*"), Need("s3:GetObject", "arn:aws:s3:::b/top.txt")]
    assert least.by_folder(found) == whole
    assert least.by_folder([Need("kms:Decrypt", "arn:aws:kms:us-east-1:1:key/k")])[0].resource.endswith("key/k")
