"""Trails: what they may be, what they deliver and when a bucket refuses; digests that bind it together."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sagelab.cloud.resources.trails import Trails
from tests import signers
from tests.cloud.gateway.conftest import Serving

ACCOUNT, SERVICE = "123456789012", {"Service": "cloudtrail.amazonaws.com"}
FILE = re.compile(
    rf"AWSLogs/{ACCOUNT}/CloudTrail/([\w-]+)/\d{{4}}/\d\d/\d\d/"
    rf"{ACCOUNT}_CloudTrail_\1_\d{{8}}T\d{{4}}Z_[A-Za-z0-9]{{16}}\.json\.gz"
)


def policy(bucket: str, arn: str, prefix: str = "") -> str:
    """The bucket policy of AWS's documentation."""
    acl = {"s3:x-amz-acl": "bucket-owner-full-control"}
    source = {"aws:SourceArn": arn}
    statements = [
        ("s3:GetBucketAcl", f"arn:aws:s3:::{bucket}", source),
        ("s3:PutObject", f"arn:aws:s3:::{bucket}/{prefix}AWSLogs/{ACCOUNT}/*", source | acl),
    ]
    rows = [
        {"Effect": "Allow", "Principal": SERVICE, "Action": action, "Resource": on}
        | {"Condition": {"StringEquals": condition}}
        for action, on, condition in statements
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": rows})


class Stage:
    """One trail with its bucket. arn: the trail's."""

    def __init__(self, serving: Serving, name: str) -> None:
        self.serving, self.name, self.bucket = serving, name, f"logs-of-{name}"
        self.arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/{name}"
        self.s3, self.trail = serving.client("s3"), serving.client("cloudtrail")
        self.s3.create_bucket(Bucket=self.bucket)
        self.family = Trails(serving.cloud)
        self.family._due = lambda: iter(())  # type: ignore[method-assign]

    def let_in(self) -> None:
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=policy(self.bucket, self.arn))

    def create(self, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.trail.create_trail(Name=self.name, S3BucketName=self.bucket, **more)
        return found

    def start(self, **more: Any) -> None:
        self.let_in()
        self.create(**more)
        self.trail.start_logging(Name=self.name)

    def objects(self, folder: str = "CloudTrail/") -> dict[str, bytes]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"AWSLogs/{ACCOUNT}/{folder}").get(
            "Contents", []
        )
        keys = [one["Key"] for one in listed if one["Key"].endswith(".gz")]
        return {
            key: gzip.decompress(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()) for key in keys
        }

    def delivered(self) -> list[dict[str, Any]]:
        return [record for text in self.objects().values() for record in json.loads(text)["Records"]]

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.trail.get_trail_status(Name=self.name)
        return found

    def in_region(self, service: str, region: str) -> Any:
        keys = self.serving.home.credentials()
        session = signers.session(keys.access_key_id, keys.secret_access_key)
        return session.client(service, endpoint_url=self.serving.url, region_name=region)


@pytest.fixture
def stage(gateway: Serving, unique: Callable[[str], str]) -> Any:
    made = Stage(gateway, unique("trail"))
    yield made
    for one in made.trail.describe_trails()["trailList"]:
        made.in_region("cloudtrail", one["HomeRegion"]).delete_trail(Name=one["TrailARN"])


def refused(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as trouble:
        call(**params)
    return str(trouble.value.response["Error"]["Code"])


def test_a_bucket_that_does_not_let_cloudtrail_in_has_no_trail(stage: Stage) -> None:
    create = stage.trail.create_trail
    assert refused(create, Name="lab", S3BucketName="no-such-bucket-1") == "S3BucketDoesNotExistException"
    assert refused(stage.create) == "InsufficientS3BucketPolicyException"
    elsewhere = policy(stage.bucket, stage.arn.replace("us-east-1", "eu-west-1"))
    stage.s3.put_bucket_policy(Bucket=stage.bucket, Policy=elsewhere)
    assert refused(stage.create) == "InsufficientS3BucketPolicyException"
    stage.let_in()
    assert refused(stage.create, S3KeyPrefix="other") == "InsufficientS3BucketPolicyException"
    assert stage.trail.describe_trails()["trailList"] == []
    assert stage.create()["TrailARN"] == stage.arn
    assert refused(stage.create) == "TrailAlreadyExistsException"


@pytest.mark.parametrize("name", ["ab", "a" * 129, "-lab", "lab.", "my lab", "a--b", "192.168.5.4"])
def test_a_name_that_is_none_is_refused(stage: Stage, name: str) -> None:
    assert refused(stage.trail.create_trail, Name=name, S3BucketName=stage.bucket) == "InvalidTrailNameException"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (
            {"IsMultiRegionTrail": True, "IncludeGlobalServiceEvents": False},
            "InvalidParameterCombinationException",
        ),
        ({"IsOrganizationTrail": True}, "OrganizationsNotInUseException"),
        ({"SnsTopicName": "no-such-topic"}, "InsufficientSnsTopicPolicyException"),
        ({"KmsKeyId": "alias/no-such-key"}, "KmsKeyNotFoundException"),
        (
            {"CloudWatchLogsLogGroupArn": "group", "CloudWatchLogsRoleArn": "role"},
            "InvalidCloudWatchLogsLogGroupArnException",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(stage: Stage, given: dict[str, Any], code: str) -> None:
    stage.let_in()
    assert refused(stage.create, **given) == code
    assert stage.trail.describe_trails()["trailList"] == []


def test_a_trail_says_nothing_until_it_logs_and_after_it_has_stopped(stage: Stage) -> None:
    stage.let_in()
    stage.create()
    stage.family.look()
    assert (stage.status()["IsLogging"], stage.objects()) == (False, {})
    stage.trail.start_logging(Name=stage.name)
    stage.serving.client("iam").list_roles()
    stage.trail.stop_logging(Name=stage.arn)
    stage.serving.client("iam").list_users()
    stage.family.look()
    stage.family.look()
    names = [record["eventName"] for record in stage.delivered()]
    assert names == ["StartLogging", "ListRoles"]
    (key,) = stage.objects()
    assert FILE.fullmatch(key)
    status = stage.status()
    assert not status["IsLogging"]
    assert "LatestDeliveryError" not in status
    assert status["StartLoggingTime"] <= status["StopLoggingTime"] <= status["LatestDeliveryTime"]


def test_a_bucket_that_refuses_later_is_told_and_gets_everything_once_it_does_not(stage: Stage) -> None:
    stage.start()
    stage.s3.delete_bucket_policy(Bucket=stage.bucket)
    stage.serving.client("iam").list_roles()
    stage.family.look()
    assert stage.status()["LatestDeliveryError"] == "AccessDenied"
    assert stage.objects() == {}
    stage.let_in()
    stage.family.look()
    assert "LatestDeliveryError" not in stage.status()
    assert "ListRoles" in [record["eventName"] for record in stage.delivered()]


def test_data_events_come_for_what_was_selected_alone_and_never_for_the_trail_itself(stage: Stage) -> None:
    data = f"data-of-{stage.name}"
    stage.s3.create_bucket(Bucket=data)
    stage.start()
    values = [f"arn:aws:s3:::{data}/train/", f"arn:aws:s3:::{stage.bucket}/"]
    selector = {"ReadWriteType": "All", "DataResources": [{"Type": "AWS::S3::Object", "Values": values}]}
    stage.trail.put_event_selectors(
        TrailName=stage.name, EventSelectors=[selector | {"IncludeManagementEvents": False}]
    )
    stage.s3.put_object(Bucket=data, Key="train/x", Body=b"123", ACL="private")
    stage.s3.get_object(Bucket=data, Key="train/x")
    stage.s3.put_object(Bucket=data, Key="other/x", Body=b"1")
    stage.family.look()
    stage.family.look()
    put, get = stage.delivered()[:2]
    assert [put["eventName"], get["eventName"]] == ["PutObject", "GetObject"]
    assert put["requestParameters"]["key"] == "train/x"
    assert put["resources"][0] == {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{data}/train/x"}
    assert (put["managementEvent"], put["eventCategory"]) == (False, "Data")
    assert put["additionalEventData"]["bytesTransferredIn"] == 3
    assert {record["userIdentity"]["type"] for record in stage.delivered()} == {"AssumedRole"}
    assert stage.trail.get_trail(Name=stage.name)["Trail"]["HasCustomEventSelectors"]


def test_a_trail_of_all_regions_has_a_folder_for_each_and_a_plain_one_its_own(stage: Stage) -> None:
    stage.start()
    stage.in_region("kms", "eu-west-1").list_keys()
    stage.family.look()
    assert {FILE.fullmatch(key)[1] for key in stage.objects()} == {"us-east-1"}  # type: ignore[index]
    stage.trail.update_trail(Name=stage.name, IsMultiRegionTrail=True)
    stage.in_region("kms", "eu-west-1").list_aliases()
    stage.family.look()
    assert {FILE.fullmatch(key)[1] for key in stage.objects()} == {"us-east-1", "eu-west-1"}  # type: ignore[index]
    away = stage.in_region("cloudtrail", "eu-west-1")
    assert [one["HomeRegion"] for one in away.describe_trails()["trailList"]] == ["us-east-1"]
    assert away.describe_trails(includeShadowTrails=False)["trailList"] == []
    assert refused(away.stop_logging, Name=stage.name) == "InvalidHomeRegionException"
    assert away.get_trail(Name=stage.arn)["Trail"]["TrailARN"] == stage.arn
    # A name alone is judged as one of the region that is asked, and so it means none of another.
    assert refused(away.get_trail, Name=stage.name) == "TrailNotFoundException"
    tagged = {"ResourceId": stage.name, "TagsList": [{"Key": "a", "Value": "b"}]}
    assert refused(away.add_tags, **tagged) == "ResourceNotFoundException"


def test_a_region_has_five_trails(stage: Stage) -> None:
    statement = {"Effect": "Allow", "Principal": SERVICE, "Action": ["s3:GetBucketAcl", "s3:PutObject"]}
    on = [f"arn:aws:s3:::{stage.bucket}", f"arn:aws:s3:::{stage.bucket}/*"]
    whole = json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Resource": on}]})
    stage.s3.put_bucket_policy(Bucket=stage.bucket, Policy=whole)
    for number in range(5):
        stage.trail.create_trail(Name=f"{stage.name}-{number}", S3BucketName=stage.bucket)
    assert refused(stage.create) == "MaximumNumberOfTrailsExceededException"
    assert refused(stage.trail.get_trail, Name="unknown") == "TrailNotFoundException"
    assert refused(stage.trail.get_trail, Name="arn:aws:sns:x") == "CloudTrailARNInvalidException"


def test_a_topic_and_a_log_group_hear_of_it(stage: Stage) -> None:
    clients = {name: stage.serving.client(name) for name in ("sns", "sqs", "logs", "iam")}
    topic = clients["sns"].create_topic(Name=stage.name)["TopicArn"]
    let = {"Effect": "Allow", "Principal": SERVICE, "Action": "SNS:Publish", "Resource": topic}
    clients["sns"].set_topic_attributes(
        TopicArn=topic,
        AttributeName="Policy",
        AttributeValue=json.dumps({"Version": "2012-10-17", "Statement": [let]}),
    )
    clients["logs"].create_log_group(logGroupName=stage.name)
    trust = {"Effect": "Allow", "Principal": SERVICE, "Action": "sts:AssumeRole"}
    role = clients["iam"].create_role(
        RoleName=stage.name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    group = {
        "CloudWatchLogsLogGroupArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{stage.name}:*",
        "CloudWatchLogsRoleArn": role,
    }
    stage.let_in()
    assert refused(stage.create, **group) == "InvalidCloudWatchLogsRoleArnException"
    may = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    clients["iam"].put_role_policy(RoleName=stage.name, PolicyName="inline", PolicyDocument=document)
    stage.start(SnsTopicName=stage.name, **group)
    clients["iam"].list_roles()
    stage.family.look()
    status = stage.status()
    assert status["LatestNotificationTime"] <= status["LatestCloudWatchLogsDeliveryTime"]
    found = clients["logs"].get_log_events(
        logGroupName=stage.name, logStreamName=f"{ACCOUNT}_CloudTrail_us-east-1", startFromHead=True
    )["events"]
    assert [json.loads(one["message"]) for one in found] == stage.delivered()


def test_digests_bind_what_was_delivered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    moment, clock = [1.8e9], stage.serving.cloud.clock
    monkeypatch.setattr(clock, "real", lambda: moment[0])
    stage.start(EnableLogFileValidation=True)
    for call in ("list_roles", "list_users"):
        getattr(stage.serving.client("iam"), call)()
        moment[0] += 3_600.0
        stage.family.look()
    first, second = (json.loads(text) for _, text in sorted(stage.objects("CloudTrail-Digest/").items()))
    assert first["previousDigestSignature"] is None
    assert second["previousDigestS3Object"] == first["digestS3Object"]
    files = stage.objects()
    keys = {one["Fingerprint"]: one["Value"] for one in stage.trail.list_public_keys()["PublicKeyList"]}
    for digest in (first, second):
        for file in digest["logFiles"]:
            assert hashlib.sha256(files[file["s3Object"]]).hexdigest() == file["hashValue"]
        found = stage.s3.get_object(Bucket=stage.bucket, Key=digest["digestS3Object"])
        text = gzip.decompress(found["Body"].read())
        said = [
            digest["digestEndTime"],
            f"{stage.bucket}/{digest['digestS3Object']}",
            hashlib.sha256(text).hexdigest(),
            digest["previousDigestSignature"] or "null",
        ]
        public: Any = load_der_public_key(keys[digest["digestPublicKeyFingerprint"]])
        public.verify(
            bytes.fromhex(found["Metadata"]["signature"]),
            "\n".join(said).encode(),
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
    assert (stage.serving.home.path / "trail.pem").stat().st_mode & 0o777 == 0o600


def test_a_restart_goes_on_where_it_was(stage: Stage) -> None:
    stage.start()
    stage.serving.client("iam").list_roles()
    again = Trails(stage.serving.cloud)
    again.close()
    assert "ListRoles" in [record["eventName"] for record in stage.delivered()]
    before = len(stage.delivered())
    again.look()
    names = [record["eventName"] for record in stage.delivered()]
    assert names.count("ListRoles") == 1
    assert len(names) >= before


def test_a_journal_that_began_anew_is_delivered_from_its_beginning(stage: Stage) -> None:
    stage.start()
    stage.serving.cloud.store.change(stage.arn, lambda trail: trail["Own"].update({"Cursor": 10**9}))
    stage.family.look()
    assert "StartLogging" in [record["eventName"] for record in stage.delivered()]
    stage.trail.stop_logging(Name=stage.name)
    stage.serving.cloud.store.change(stage.arn, lambda trail: trail["Own"].update({"Until": 2 * 10**9}))
    stage.family.look()
    before = len(stage.delivered())
    stage.serving.client("iam").list_roles()
    stage.family.look()
    assert len(stage.delivered()) == before


def test_tags_and_selectors_are_told_as_they_were_given(stage: Stage) -> None:
    stage.let_in()
    stage.create(TagsList=[{"Key": "a", "Value": "1"}])
    stage.trail.add_tags(ResourceId=stage.arn, TagsList=[{"Key": "b", "Value": "2"}])
    stage.trail.remove_tags(ResourceId=stage.arn, TagsList=[{"Key": "a"}])
    (row,) = stage.trail.list_tags(ResourceIdList=[stage.arn])["ResourceTagList"]
    assert row["TagsList"] == [{"Key": "b", "Value": "2"}]
    selector = {"Name": "all", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}
    stage.trail.put_event_selectors(TrailName=stage.name, AdvancedEventSelectors=[selector])
    assert stage.trail.get_event_selectors(TrailName=stage.name)["AdvancedEventSelectors"] == [selector]
    assert refused(stage.trail.put_event_selectors, TrailName=stage.name) == "InvalidEventSelectorsException"
