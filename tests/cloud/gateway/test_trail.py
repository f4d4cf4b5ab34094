"""What CloudTrail records of a call, who finds it, and who cannot."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from botocore.exceptions import ClientError

from sagelab.cloud.engine.vpc.reach import GATEWAY, NAT, Way
from sagelab.cloud.gateway.auth import beside
from sagelab.cloud.gateway.auth.guard import Caller, Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.http.spool import Disk, Spool
from sagelab.cloud.gateway.origins import Origin
from sagelab.cloud.gateway.trail import Recorder
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.gateway.wire.planes import Planes
from sagelab.cloud.resources.call import Call
from sagelab.cloud.trail.elements import HIDDEN
from sagelab.cloud.trail.event import Event
from sagelab.cloud.trail.marks import HEADER, Mark
from sagelab.http1 import Message
from tests import signers
from tests.cloud.gateway.conftest import Serving
from tests.trusts import TRUST

ACCOUNT = "123456789012"
Record = dict[str, Any]


@pytest.fixture
def user(gateway: Serving, unique: Callable[[str], str]) -> tuple[str, dict[str, str]]:
    """A new user who may do nothing: its name and its keys."""
    name, iam = unique("user"), gateway.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return name, {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def session(gateway: Serving, name: str, *actions: str) -> dict[str, str]:
    """The keys of a session of a new role that may do these."""
    iam = gateway.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    if actions:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document)
    issued = gateway.client("sts").assume_role(RoleArn=arn, RoleSessionName="job")["Credentials"]
    return {
        "aws_access_key_id": issued["AccessKeyId"],
        "aws_secret_access_key": issued["SecretAccessKey"],
        "aws_session_token": issued["SessionToken"],
    }


def lookup(gateway: Serving, key: str, value: str) -> list[Record]:
    """The records that LookupEvents finds, the newest first."""
    found = gateway.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}]
    )
    return [json.loads(one["CloudTrailEvent"]) for one in found["Events"]]


def refused(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as trouble:
        call(**params)
    return str(trouble.value.response["Error"]["Code"])


def test_a_call_is_recorded_as_cloudtrail_writes_it(gateway: Serving, unique: Callable[[str], str]) -> None:
    keys, name = session(gateway, unique("role"), "iam:CreateUser"), unique("user")
    answer = gateway.client("iam", **keys).create_user(UserName=name, Path="/team/")
    (record,) = lookup(gateway, "ResourceName", name)
    who, issuer = record["userIdentity"], record["userIdentity"]["sessionContext"]["sessionIssuer"]
    assert (who["type"], who["accessKeyId"], who["principalId"].partition(":")[2]) == (
        "AssumedRole",
        keys["aws_access_key_id"],
        "job",
    )
    assert (issuer["type"], who["principalId"].partition(":")[0]) == ("Role", issuer["principalId"])
    assert record["requestParameters"] == {"userName": name, "path": "/team/"}
    assert record["responseElements"]["user"]["arn"] == answer["User"]["Arn"]
    assert record["requestID"] == answer["ResponseMetadata"]["RequestId"]
    expected = {
        "eventVersion": "1.11",
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateUser",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "127.0.0.1",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    assert expected.items() <= record.items()
    assert record["userAgent"].startswith("Boto3/")
    assert {"errorCode", "invokedBy"}.isdisjoint(record)


def test_reads_are_recorded_without_their_answer(gateway: Serving) -> None:
    answer = gateway.client("sagemaker").list_training_jobs(MaxResults=3)
    record = lookup(gateway, "EventName", "ListTrainingJobs")[0]
    assert (record["readOnly"], record["responseElements"]) == (True, None)
    assert record["requestParameters"] == {"maxResults": 3}
    assert record["requestID"] == answer["ResponseMetadata"]["RequestId"]


def test_what_is_refused_to_somebody_known_is_recorded(gateway: Serving, user: Any) -> None:
    name, keys = user
    assert refused(gateway.client("sagemaker", **keys).list_models) == "UnknownOperationException"
    assert refused(gateway.client("sagemaker", **keys).list_training_jobs) == "AccessDeniedException"
    assert refused(gateway.client("s3", **keys).create_bucket, Bucket="never") == "AccessDenied"
    found = {one["eventName"]: one for one in lookup(gateway, "Username", name)}
    for event in ("ListTrainingJobs", "CreateBucket"):
        assert found[event]["errorCode"] == "AccessDenied"
        assert "is not authorized to perform" in found[event]["errorMessage"]
        assert found[event]["responseElements"] is None


def test_who_cannot_sign_leaves_nothing(gateway: Serving, user: Any) -> None:
    name, keys = user
    wrong = keys | {"aws_secret_access_key": "guessed"}
    assert refused(gateway.client("sts", **wrong).get_caller_identity) == "SignatureDoesNotMatch"
    assert lookup(gateway, "Username", name) == []


def test_a_name_of_a_trail_is_no_way_into_another_call(gateway: Serving, user: Any) -> None:
    """Identity policies are asked for what CloudTrail tells, and what it is told."""
    _, keys = user
    trail = gateway.client("cloudtrail", **keys)
    assert refused(trail.lookup_events) == "AccessDeniedException"
    assert refused(trail.stop_logging, Name="lab") == "AccessDeniedException"
    assert refused(trail.delete_trail, Name=f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/lab") == (
        "AccessDeniedException"
    )


def test_a_policy_lets_somebody_look(gateway: Serving, unique: Callable[[str], str]) -> None:
    keys = session(gateway, unique("role"), "cloudtrail:LookupEvents")
    trail = gateway.client("cloudtrail", **keys)
    assert trail.lookup_events(MaxResults=1)["Events"]
    assert refused(trail.describe_trails) == "AccessDeniedException"


def test_nobody_but_the_local_cloud_says_that_a_service_asks(
    gateway: Serving, unique: Callable[[str], str]
) -> None:
    keys = session(gateway, unique("role"), "sagemaker:ListTrainingJobs")
    client = gateway.session(**keys).client("sagemaker", endpoint_url=gateway.url)
    forged = f"{'x' * 40} sagemaker.amazonaws.com arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/lab"
    client.meta.events.register("before-sign", lambda request, **_: request.headers.add_header(HEADER, forged))
    client.list_training_jobs()
    record = lookup(gateway, "AccessKeyId", keys["aws_access_key_id"])[0]
    assert record["sourceIPAddress"] == "127.0.0.1"
    assert "invokedBy" not in record["userIdentity"]


def test_a_role_that_a_service_uses_says_so(gateway: Serving, unique: Callable[[str], str]) -> None:
    name = unique("role")
    keys = session(gateway, name, "iam:GetRole")
    gateway.cloud.client_with(
        tuple(keys.values()),  # type: ignore[arg-type]
        "iam",
        "us-east-1",
        Mark("sagemaker.amazonaws.com"),
    ).get_role(RoleName=name)
    record = lookup(gateway, "AccessKeyId", keys["aws_access_key_id"])[0]
    assert record["userIdentity"]["type"] == "AssumedRole"
    assert record["userIdentity"]["invokedBy"] == record["sourceIPAddress"] == "sagemaker.amazonaws.com"


def test_what_a_service_does_as_itself_is_told_and_the_platform_is_not(
    gateway: Serving, unique: Callable[[str], str]
) -> None:
    name = unique("role")
    arn = gateway.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    gateway.cloud.client("iam").get_role(RoleName=name)
    gateway.cloud.assuming("sagemaker.amazonaws.com").assume_role(RoleArn=arn, RoleSessionName="SageMaker")
    assert [one["eventName"] for one in lookup(gateway, "ResourceName", name)] == ["CreateRole"]
    record = lookup(gateway, "ResourceName", arn)[0]
    assert record["userIdentity"] == {"type": "AWSService", "invokedBy": "sagemaker.amazonaws.com"}
    assert record["responseElements"]["credentials"]["sessionToken"] == HIDDEN
    assert record["responseElements"]["credentials"]["accessKeyId"].startswith("ASIA")
    assert record["resources"] == [{"accountId": ACCOUNT, "type": "AWS::IAM::Role", "ARN": arn}]


def test_secrets_are_in_no_record(gateway: Serving, unique: Callable[[str], str]) -> None:
    name, iam = unique("user"), gateway.client("iam")
    iam.create_user(UserName=name)
    iam.create_login_profile(UserName=name, Password="pa55-word-of-ann")
    secret = iam.create_access_key(UserName=name)["AccessKey"]["SecretAccessKey"]
    gateway.client("secretsmanager").create_secret(Name=name, SecretString="str1ng-of-ann")
    token = gateway.client("sts").get_session_token()["Credentials"]["SessionToken"]
    kms = gateway.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    pair = kms.generate_data_key_pair(KeyId=key, KeyPairSpec="ECC_NIST_P256")
    data = kms.generate_data_key(KeyId=key, KeySpec="AES_256")["Plaintext"]
    kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])
    bare = [base64.b64encode(one).decode()[:24] for one in (pair["PrivateKeyPlaintext"], data)]
    rows = gateway.cloud.journal.after(0, gateway.cloud.journal.last(), 10_000)
    kept = "".join(row.record for row in rows)
    assert not [one for one in ("pa55-word-of-ann", secret, "str1ng-of-ann", token, *bare) if one in kept]
    asked = lookup(gateway, "EventName", "GenerateDataKeyPair")[0]["requestParameters"]
    assert asked["keyPairSpec"] == "ECC_NIST_P256"
    assert lookup(gateway, "EventName", "CreateLoginProfile")[0]["requestParameters"]["password"] == HIDDEN


@pytest.mark.parametrize("agent", ["a\\r\\n\\x1b[2J{}\"'", "z" * 50_000, "\u00fc\u00e4"])
def test_hostile_text_stays_within_its_member(gateway: Serving, agent: str, unique: Callable[[str], str]) -> None:
    name = unique("job")
    body = json.dumps({"TrainingJobName": name}).encode()
    headers = {"X-Amz-Target": "SageMaker.DescribeTrainingJob", "User-Agent": agent.encode().decode("latin-1")}
    gateway.signed("POST", "/", "sagemaker", body, headers | {"Content-Type": "application/x-amz-json-1.1"})
    (row,) = gateway.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": name}]
    )["Events"]
    assert "\n" not in row["CloudTrailEvent"]
    record = json.loads(row["CloudTrailEvent"])
    assert len(record["userAgent"]) <= 1_024
    assert record["errorCode"] == "ResourceNotFound"


def test_a_request_nested_without_an_end_is_refused_and_recorded(gateway: Serving) -> None:
    body = b'{"logGroupName":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    headers = {"X-Amz-Target": "Logs_20140328.CreateLogGroup", "Content-Type": "application/x-amz-json-1.1"}
    status, _, _ = gateway.signed("POST", "/", "logs", body, headers)
    assert status >= 400
    assert lookup(gateway, "EventName", "CreateLogGroup")[0]["requestParameters"] in (
        None,
        {"omitted": True, "reason": "it is larger than a record has room for"},
    )


@pytest.mark.parametrize(
    ("way", "address", "endpoint"),
    [
        (Way(GATEWAY, "vpce-1"), "10.0.1.5", "vpce-1"),
        (Way(NAT, "nat-1", address="54.1.2.3"), "54.1.2.3", None),
    ],
)
def test_a_call_from_a_vpc_says_by_which_way_it_came(way: Way, address: str, endpoint: str | None) -> None:
    message, events = Message(), list[Event]()
    message.method, message.target = "POST", "/"
    message.fields = {"x-amz-target": "Logs_20140328.DescribeLogGroups"}
    context = Context(Request(message, list, Spool(Path("/nonexistent"), Disk(0))))
    context.caller = Caller(
        Key("AKIA", "s", f"arn:aws:iam::{ACCOUNT}:user/u", "AIDA", ACCOUNT), "us-east-1", "logs"
    )
    context.origin = Origin("vpc-1", way, "10.0.1.5")
    kept: Any = SimpleNamespace(add=events.append, wanted=None)
    Recorder(kept, lambda key: key.user_id).note(context, Answer(200, [], b"{}"))
    assert events[0].record["sourceIPAddress"] == address
    assert events[0].record.get("vpcEndpointId") == endpoint


def test_a_form_from_a_vpc_says_by_which_way_it_came(
    gateway: Serving, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, ec2 = unique("bucket"), gateway.client("ec2")
    sources, journal = gateway.cloud.sources, gateway.cloud.journal
    gateway.client("s3").create_bucket(Bucket=bucket)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    wanted = {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": [table["RouteTableId"]]}
    endpoint = ec2.create_vpc_endpoint(**wanted)["VpcEndpoint"]["VpcEndpointId"]
    form = gateway.client("s3").generate_presigned_post(bucket, "a")
    asked: Any = requests.Request("POST", form["url"], data=form["fields"], files={"file": b"x"}).prepare()
    monkeypatch.setattr(journal, "wanted", lambda _: True)
    last = journal.last()
    host = http.client.HTTPConnection(urlsplit(gateway.url).netloc)
    host.sock = sources.connect(sources.attach("us-east-1", [subnet], []))
    with closing(host):
        host.request("POST", f"/{bucket}", asked.body, dict(asked.headers))
        assert host.getresponse().status == 204
    (row,) = journal.after(last, journal.last(), 10)
    record = json.loads(row.record)
    assert (record["eventName"], record["vpcEndpointId"]) == ("PostObject", endpoint)
    assert record["sourceIPAddress"] == "10.0.1.4"


def test_a_request_is_about_what_it_is_about(gateway: Serving, unique: Callable[[str], str]) -> None:
    """A query, or the root of a document, may have the names that a record has for the place."""
    bucket, s3 = unique("bucket"), gateway.client("s3")
    s3.create_bucket(Bucket=bucket)
    for way, body in (
        ("?acl&bucketName=innocent&Host=innocent&key=innocent", b""),
        ("?tagging", b"<bucketName>innocent</bucketName>"),
    ):
        gateway.signed("PUT", f"/{bucket}{way}", "s3", body, {})
        record = lookup(gateway, "ResourceName", bucket)[0]
        assert record["requestParameters"]["bucketName"] == bucket
        assert "innocent" not in record["requestParameters"]["Host"]
        assert record["requestParameters"].get("key") in (None, "innocent")
    assert lookup(gateway, "ResourceName", "innocent") == []


@pytest.mark.parametrize("size", [10, 5_000])
def test_what_breaks_a_rule_is_no_way_for_a_secret(size: int) -> None:
    """AWS's words for it repeat the value to the caller; the record does not."""
    events, script = list[Event](), "secret' at 'me" * size
    context = called("CreateNotebookInstanceLifecycleConfig", {"OnStart": [{"Content": script}]})
    said = f"1 validation error detected: Value '{script}' at 'onStart.1.member.content' failed"
    answer = Answer(400, [], json.dumps({"__type": "ValidationException", "message": said}).encode())
    kept: Any = SimpleNamespace(add=events.append, wanted=None)
    Recorder(kept, lambda key: key.user_id).note(context, answer)
    words = f"1 validation error detected: Value '{HIDDEN}' at 'onStart.1.member.content' failed"
    assert (events[0].record["errorCode"], events[0].record["errorMessage"]) == ("ValidationException", words)
    assert "secret" not in events[0].text()


def test_what_is_refused_takes_little_of_the_history() -> None:
    events: list[Event] = []
    kept: Any = SimpleNamespace(add=events.append, wanted=None)
    context = called("CreateTrainingJob", {"TrainingJobName": "a", "Environment": {"A": "x" * 90_000}})
    for status, size in ((403, 3_000), (200, 93_000)):
        Recorder(kept, lambda key: key.user_id).note(context, Answer(status, [], b"{}"))
        assert size - 2_500 < len(events[-1].text()) < size
    assert ("AWS::SageMaker::TrainingJob", "a") in events[0].things


def called(operation: str, params: dict[str, Any]) -> Context:
    """A call of SageMaker, by a user."""
    message = Message()
    message.method, message.target = "POST", "/"
    context = Context(Request(message, list, Spool(Path("/nonexistent"), Disk(0))))
    arn = f"arn:aws:iam::{ACCOUNT}:user/u"
    context.caller = Caller(Key("AKIA", "s", arn, "AIDA", ACCOUNT), "us-east-1", "sagemaker")
    context.found = Planes()._targeted(f"SageMaker.{operation}")
    context.call = Call(operation, params, "us-east-1", ACCOUNT, arn)
    return context


def test_data_events_are_nobodys_history(gateway: Serving) -> None:
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="plain-data")
    s3.put_object(Bucket="plain-data", Key="x", Body=b"1")
    runtime = gateway.client("sagemaker-runtime")
    runtime.invoke_endpoint(EndpointName="e", Body=b"1")
    assert [one["eventName"] for one in lookup(gateway, "ResourceName", "plain-data")] == ["CreateBucket"]
    assert lookup(gateway, "EventName", "InvokeEndpoint") == []


def test_a_page_leads_to_the_next_and_a_region_has_its_own(gateway: Serving) -> None:
    for _ in range(5):
        gateway.client("sagemaker").list_training_jobs()
    trail = gateway.client("cloudtrail")
    asked = {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "ListTrainingJobs"}]}
    whole = [one["EventId"] for one in trail.lookup_events(**asked, MaxResults=5)["Events"]]
    first = trail.lookup_events(**asked, MaxResults=2)
    rest = trail.lookup_events(**asked, MaxResults=3, NextToken=first["NextToken"])
    assert [one["EventId"] for page in (first, rest) for one in page["Events"]] == whole
    keys = gateway.home.credentials()
    elsewhere = signers.session(keys.access_key_id, keys.secret_access_key).client(
        "cloudtrail", endpoint_url=gateway.url, region_name="eu-west-1"
    )
    assert elsewhere.lookup_events(**asked)["Events"] == []


def test_a_question_that_makes_no_sense_is_refused_in_awss_words(gateway: Serving) -> None:
    trail, now = gateway.client("cloudtrail"), datetime.now(UTC)
    twice = [{"AttributeKey": "EventName", "AttributeValue": "x"}] * 2
    assert refused(trail.lookup_events, LookupAttributes=twice) == "InvalidLookupAttributesException"
    assert refused(trail.lookup_events, StartTime=now, EndTime=now - timedelta(1)) == "InvalidTimeRangeException"
    for token in (b"x", b'[10000000000000000000, ""]', b"[" * 9_000):
        asked = base64.urlsafe_b64encode(token).decode()
        assert refused(trail.lookup_events, NextToken=asked) == "InvalidNextTokenException"
    assert refused(trail.lookup_events, MaxResults=51) == "ValidationException"
    assert trail.lookup_events(EventCategory="insight")["Events"] == []


def test_nothing_is_asked_of_a_trail_beside_its_own_actions() -> None:
    found = list(beside.needs("cloudtrail", "GetTrail", {"Name": "lab"}, f"us-east-1:{ACCOUNT}"))
    assert found == [Needed("cloudtrail:GetTrail", f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/lab")]
