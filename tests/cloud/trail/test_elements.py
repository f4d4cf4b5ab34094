"""What a record tells of a request: no secrets, nothing without a bound."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from sagelab.cloud.trail import data_events, identity, names
from sagelab.cloud.trail.elements import HIDDEN, told
from sagelab.cloud.trail.identity import Who

SAGEMAKER = ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


def test_members_are_in_camel_case_and_the_keys_of_maps_as_they_are() -> None:
    shape = SAGEMAKER.operation_model("CreateTrainingJob").input_shape
    given = {"TrainingJobName": "job", "HyperParameters": {"Epochs": "2"}, "VpcConfig": {"Subnets": ["s"]}}
    found = told("sagemaker", given, shape)
    assert found == {"trainingJobName": "job", "hyperParameters": {"Epochs": "2"}, "vpcConfig": {"subnets": ["s"]}}
    at = datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)
    assert told("x", {"At": at, "Nothing": None, "Flag": False}) == {
        "at": "Jan 2, 2026, 3:04:05 PM",
        "flag": False,
    }
    flag = {"allowUsersToChangePassword": True, "minimumPasswordLength": 8}
    assert told("iam", {name[:1].upper() + name[1:]: value for name, value in flag.items()}) == flag
    assert told("x", {}) is None


@pytest.mark.parametrize(
    ("service", "given", "member"),
    [
        ("sagemaker", {"OnStart": [{"Content": "c2VjcmV0"}]}, "onStart"),
        ("sagemaker", {"AuthorizedUrl": "https://secret"}, "authorizedUrl"),
        ("iam", {"Password": "secret"}, "password"),
        ("iam", {"NewPassword": "secret"}, "newPassword"),
        ("sts", {"SessionToken": "secret"}, "sessionToken"),
        ("secretsmanager", {"SecretString": "secret"}, "secretString"),
        ("kms", {"Plaintext": "secret"}, "plaintext"),
        ("lambda", {"Environment": {"Variables": {"K": "secret"}}}, "environment"),
        ("lambda", {"ZipFile": "secret"}, "zipFile"),
        ("s3", {"X-Amz-Security-Token": "secret"}, "X-Amz-Security-Token"),
        ("rds", {"MasterUserPassword": "secret"}, "masterUserPassword"),
        ("emr", {"KdcAdminPassword": "secret"}, "kdcAdminPassword"),
        ("elasticache", {"AuthToken": "secret"}, "authToken"),
        ("sts", {"TokenCode": "123456"}, "tokenCode"),
        ("iam", {"AuthenticationCode1": "123456"}, "authenticationCode1"),
        ("comprehend", {"Text": "ada@example.com"}, "text"),
        ("redshift-data", {"Sql": "CREATE USER ada PASSWORD 'x'"}, "sql"),
        ("redshift-data", {"Sqls": ["COPY t FROM 's3://b/k' ACCESS_KEY_ID 'a' SECRET_ACCESS_KEY 'b'"]}, "sqls"),
        ("sqs", {"MessageBody": "secret"}, "messageBody"),
        ("sqs", {"Entries": [{"MessageBody": "secret"}]}, "entries"),
        ("sns", {"Message": "secret"}, "message"),
        ("dynamodb", {"Item": {"a": {"S": "secret"}}}, "item"),
        ("any", {"Body": b"secret"}, "body"),
        ("any", {"Users.member.1.Password": "secret"}, "users.member.1.Password"),
    ],
)
def test_secrets_are_hidden(service: str, given: dict[str, Any], member: str) -> None:
    assert told(service, given) == {member: HIDDEN}


def test_what_the_model_calls_sensitive_is_hidden_however_deep() -> None:
    shape = SAGEMAKER.operation_model("CreateWorkforce").input_shape
    given = {"OidcConfig": {"ClientId": "id", "ClientSecret": "secret"}, "WorkforceName": "w"}
    found = told("sagemaker", given, shape)
    assert found == {"oidcConfig": {"clientId": "id", "clientSecret": HIDDEN}, "workforceName": "w"}


def test_what_is_too_large_or_too_deep_is_left_out() -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"a": deep, "b": 1}
    nothing: list[Any] = [[], None, True]
    empty: list[Any] = [{"A": [one] * 200_000} for one in nothing]
    long: list[Any] = [{"A": "x" * 200_000}, {"A": [["x" * 99] * 2_000]}]
    for given in (*empty, *long, {str(n): "x" for n in range(50_000)}, deep):
        found = told("x", given)
        assert found is not None
        assert found["omitted"] is True


def test_who_called_is_told_as_cloudtrail_does() -> None:
    role = Who(
        "arn:aws:sts::123456789012:assumed-role/Lab/me", "AROA1:me", "123456789012", "ASIA1", True, 0.0, True
    )
    found = identity.of_caller(role)
    issuer = found.element["sessionContext"]["sessionIssuer"]
    assert (found.user, found.element["type"], issuer["userName"], issuer["principalId"]) == (
        "me",
        "AssumedRole",
        "Lab",
        "AROA1",
    )
    attributes = {"mfaAuthenticated": "true", "creationDate": "1970-01-01T00:00:00Z"}
    assert found.element["sessionContext"]["attributes"] == attributes
    user = identity.of_caller(Who("arn:aws:iam::1:user/team/ann", "AIDA", "1", "AKIA"))
    assert (user.user, user.element["type"], user.element["userName"]) == ("ann", "IAMUser", "ann")
    root = identity.of_caller(Who("arn:aws:iam::1:root", "1", "1", "AKIA"))
    assert (root.user, root.element["type"]) == ("root", "Root")
    assert identity.of_service("s.amazonaws.com").element == {"type": "AWSService", "invokedBy": "s.amazonaws.com"}


@pytest.mark.parametrize(
    ("service", "operation", "name", "reads", "kind"),
    [
        ("s3", "ListObjectsV2", "ListObjects", True, "AWS::S3::Object"),
        ("s3", "CreateBucket", "CreateBucket", False, ""),
        ("sagemaker", "InvokeEndpoint", "InvokeEndpoint", True, "AWS::SageMaker::Endpoint"),
        ("sagemaker", "CreateModel", "CreateModel", False, ""),
        ("lambda", "CreateFunction", "CreateFunction20150331", False, ""),
        ("lambda", "Invoke", "Invoke", False, "AWS::Lambda::Function"),
        ("sts", "AssumeRole", "AssumeRole", True, ""),
        ("kms", "Decrypt", "Decrypt", True, ""),
        ("logs", "PutLogEvents", "PutLogEvents", False, data_events.NO_TYPE),
    ],
)
def test_calls_are_spelled_and_sorted_as_cloudtrail_does(
    service: str, operation: str, name: str, reads: bool, kind: str
) -> None:
    assert names.event_name(service, operation) == name
    assert names.only_reads(operation) is reads
    assert data_events.kind_of(service, operation) == kind
