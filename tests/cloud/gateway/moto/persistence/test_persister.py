"""What each service holds, before and after a kill of the local cloud."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.config import Config

from sagelab.cloud import control
from sagelab.cloud.home import Home
from tests import clouds, signers
from tests.cloud.kills import kill
from tests.conftest import LocalCloud
from tests.trusts import TRUST

pytestmark = pytest.mark.slow

BUCKET, VERSIONED, GROUP = "kept-objects", "kept-versions", "/kept/group"
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
)
OPEN = POLICY.replace('"Resource": "*"', f'"Principal": "*", "Resource": "arn:aws:s3:::{BUCKET}/*"')
PART = 5 << 20
LIFECYCLE = "NotebookInstanceLifecycleConfig"


def make_objects(cloud: LocalCloud) -> dict[str, Any]:
    s3 = cloud.client("s3")
    for bucket in (BUCKET, VERSIONED):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=OPEN)
    s3.put_object(Bucket=BUCKET, Key="one", Body=b"1" * 1000, Metadata={"a_b": "c"}, Tagging="q=r")
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"", ContentType="text/plain", ACL="public-read")
    s3.put_object(Bucket=BUCKET, Key="deleted", Body=b"gone")
    s3.delete_object(Bucket=BUCKET, Key="deleted")
    where = {"Bucket": BUCKET, "Key": "whole", "UploadId": ""}
    where["UploadId"] = s3.create_multipart_upload(Bucket=BUCKET, Key="whole", Metadata={"m": "n"})["UploadId"]
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**where, PartNumber=n, Body=bytes([n]) * PART)["ETag"]}
        for n in (1, 2)
    ]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=f"{BUCKET}/whole")
    s3.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
    for content in (b"0", b"1", b"2"):
        s3.put_object(Bucket=VERSIONED, Key="often", Body=content)
    for _ in range(2):
        s3.delete_object(Bucket=VERSIONED, Key="often")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="begun")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="begun", UploadId=upload, PartNumber=1, Body=b"p" * PART)
    return {"UploadId": upload}


def make_identities(cloud: LocalCloud) -> dict[str, Any]:
    iam = cloud.client("iam")
    iam.create_role(RoleName="kept", AssumeRolePolicyDocument=TRUST, Tags=[{"Key": "x", "Value": "y"}])
    policy = iam.create_policy(PolicyName="kept", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="kept", PolicyArn=policy)
    iam.put_role_policy(RoleName="kept", PolicyName="inline", PolicyDocument=POLICY)
    iam.create_user(UserName="kept")
    key = iam.create_access_key(UserName="kept")["AccessKey"]
    sts = cloud.client("sts")
    role = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/kept", RoleSessionName="kept")["Credentials"]
    return {"user": key, "role": role, "own": sts.get_session_token()["Credentials"]}


def make_keys(cloud: LocalCloud) -> dict[str, Any]:
    kms = cloud.client("kms")
    key = kms.create_key(Description="kept")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/kept", TargetKeyId=key)
    other = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    return {"text": kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"], "rsa": other}


def make_lines(cloud: LocalCloud) -> dict[str, Any]:
    logs, now = cloud.client("logs"), time.time_ns() // 1_000_000
    logs.create_log_group(logGroupName=GROUP, tags={"t": "1"})
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=7)
    for stream in ("a", "b", "gone"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        for n in range(3):
            event = {"timestamp": now + n, "message": f"{stream} {n} ünï"}
            logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=[event])
    logs.delete_log_stream(logGroupName=GROUP, logStreamName="gone")
    return {}


def make_measures(cloud: LocalCloud) -> dict[str, Any]:
    cloudwatch = cloud.client("cloudwatch")
    for value in (1.0, 2.0):
        cloudwatch.put_metric_data(Namespace="Kept", MetricData=[{"MetricName": "m", "Value": value}])
    cloudwatch.put_metric_alarm(
        AlarmName="kept", MetricName="unmeasured", Namespace="Kept", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    return {}


def make_others(cloud: LocalCloud) -> dict[str, Any]:
    cloud.client("secretsmanager").create_secret(Name="kept", SecretString="s")
    cloud.client("ecr").create_repository(repositoryName="kept")
    queue = cloud.client("sqs").create_queue(QueueName="kept")["QueueUrl"]
    cloud.client("sqs").send_message(QueueUrl=queue, MessageBody="hello")
    return {"queue": queue}


def look_at_objects(cloud: LocalCloud, made: dict[str, Any]) -> Any:
    s3 = cloud.client("s3")
    where = {"Bucket": BUCKET, "Key": "begun", "UploadId": made["UploadId"]}
    found = [s3.list_buckets(), s3.get_bucket_tagging(Bucket=BUCKET), s3.get_bucket_policy(Bucket=BUCKET)]
    found += [s3.list_parts(**where), s3.list_multipart_uploads(Bucket=BUCKET)]
    for bucket in (BUCKET, VERSIONED):
        versions = s3.list_object_versions(Bucket=bucket)
        found += [versions, s3.list_objects_v2(Bucket=bucket)]
        for one in versions["Versions"]:
            found.append(s3.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"]))
            found[-1]["Body"] = found[-1]["Body"].read()
    for key in ("one", "copy"):
        found.append(s3.get_object_tagging(Bucket=BUCKET, Key=key))
    found.append(s3.get_object_acl(Bucket=BUCKET, Key="empty"))
    found.append(s3.get_object(Bucket=BUCKET, Key="whole", PartNumber=2)["Body"].read())
    return found


def look_at_identities(cloud: LocalCloud, made: dict[str, Any]) -> Any:
    iam = cloud.client("iam")
    found = [iam.get_role(RoleName="kept"), iam.list_attached_role_policies(RoleName="kept")]
    found += [iam.get_role_policy(RoleName="kept", PolicyName="inline"), iam.list_roles()]
    found += [iam.list_access_keys(UserName="kept"), iam.list_policies(Scope="Local")]
    return found + [_who(cloud, keys) for keys in made.values()]


def _who(cloud: LocalCloud, keys: dict[str, Any]) -> Any:
    session = signers.session(keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("SessionToken"))
    return session.client("sts", endpoint_url=cloud.url).get_caller_identity()


def look_at_keys(cloud: LocalCloud, made: dict[str, Any]) -> Any:
    kms = cloud.client("kms")
    found = [kms.describe_key(KeyId="alias/kept"), kms.get_public_key(KeyId=made["rsa"])]
    return [*found, kms.decrypt(CiphertextBlob=made["text"])]


def look_at_lines(cloud: LocalCloud, _made: dict[str, Any]) -> Any:
    logs = cloud.client("logs")
    found = [logs.describe_log_groups(), logs.describe_log_streams(logGroupName=GROUP)]
    for stream in ("a", "b"):
        found.append(logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True))
    return [*found, logs.filter_log_events(logGroupName=GROUP), logs.list_tags_log_group(logGroupName=GROUP)]


def look_at_measures(cloud: LocalCloud, _made: dict[str, Any]) -> Any:
    cloudwatch = cloud.client("cloudwatch")
    return [cloudwatch.list_metrics(Namespace="Kept"), cloudwatch.describe_alarms()]


def look_at_others(cloud: LocalCloud, _made: dict[str, Any]) -> Any:
    found = [cloud.client("secretsmanager").get_secret_value(SecretId="kept")]
    found.append(cloud.client("ecr").describe_repositories())
    found.append(cloud.client("ec2").describe_vpcs())
    return found


def make_stack(cloud: LocalCloud) -> dict[str, Any]:
    content = base64.b64encode(b"true").decode()
    resources = {
        "Config": {"Type": f"AWS::SageMaker::{LIFECYCLE}", "Properties": {"OnStart": [{"Content": content}]}}
    }
    outputs = {"Name": {"Value": {"Fn::GetAtt": ["Config", f"{LIFECYCLE}Name"]}}}
    template = json.dumps({"Resources": resources, "Outputs": outputs})
    cloud.client("cloudformation").create_stack(StackName="kept", TemplateBody=template)
    return {}


def look_at_stack(cloud: LocalCloud, _made: dict[str, Any]) -> Any:
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName="kept")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    name = {f"{LIFECYCLE}Name": stack["Outputs"][0]["OutputValue"]}
    return [stack, cloud.client("sagemaker").describe_notebook_instance_lifecycle_config(**name)]


SUBJECTS: dict[str, tuple[Callable[[LocalCloud], Any], Callable[[LocalCloud, Any], Any]]] = {
    "objects": (make_objects, look_at_objects),
    "identities": (make_identities, look_at_identities),
    "keys": (make_keys, look_at_keys),
    "lines": (make_lines, look_at_lines),
    "measures": (make_measures, look_at_measures),
    "others": (make_others, look_at_others),
    "stack": (make_stack, look_at_stack),
}


def plain(found: Any) -> Any:
    """Answers without what is a request's own."""
    if isinstance(found, dict):
        return {name: plain(value) for name, value in found.items() if name != "ResponseMetadata"}
    return [plain(one) for one in found] if isinstance(found, list) else found


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalCloud, dict[str, tuple[Any, Any]]]]:
    """A local cloud that was killed, and what each subject looked like before and after it."""
    home = Home(tmp_path_factory.mktemp("kept"))
    cloud = clouds.start(home)
    made = {name: make(cloud) for name, (make, _) in SUBJECTS.items()}
    before = {name: plain(look(cloud, made[name])) for name, (_, look) in SUBJECTS.items()}
    kill(home)
    cloud = clouds.start(home)
    after = {name: plain(look(cloud, made[name])) for name, (_, look) in SUBJECTS.items()}
    yield cloud, {name: (before[name], after[name]) for name in SUBJECTS}
    control.down(home)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_everything_is_as_it_was(seen: Any, subject: str) -> None:
    before, after = seen[1][subject]
    assert before == after


def test_a_deleted_object_stays_deleted(seen: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="NoSuchKey"):
        seen[0].client("s3").get_object(Bucket=BUCKET, Key="deleted")


def test_a_stack_takes_its_resources_with_it_after_a_kill(seen: Any) -> None:
    sagemaker = seen[0].client("sagemaker")
    assert len(sagemaker.list_notebook_instance_lifecycle_configs()[f"{LIFECYCLE}s"]) == 1
    seen[0].client("cloudformation").delete_stack(StackName="kept")
    assert not sagemaker.list_notebook_instance_lifecycle_configs()[f"{LIFECYCLE}s"]


def test_no_bytes_stay_when_their_objects_are_deleted(home: Home) -> None:
    cloud = clouds.start(home)
    s3 = cloud.client("s3")
    made = make_objects(cloud)
    s3.abort_multipart_upload(Bucket=BUCKET, Key="begun", UploadId=made["UploadId"])
    with pytest.raises(botocore.exceptions.ClientError, match="NoSuchUpload"):  # a part that comes too late
        s3.upload_part(Bucket=BUCKET, Key="begun", UploadId=made["UploadId"], PartNumber=9, Body=b"9")
    for bucket in (BUCKET, VERSIONED):
        versions = s3.list_object_versions(Bucket=bucket)
        for one in versions["Versions"] + versions.get("DeleteMarkers", []):
            s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
        s3.delete_bucket(Bucket=bucket)
    assert bodies(home) == []


def bodies(home: Home) -> list[Path]:
    return [path for path in (home.path / "objects").rglob("*") if path.is_file()]


def test_what_is_over_the_limit_of_the_disk_is_refused_and_goes_on_when_there_is_room(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And bytes that no object names go at the next start."""
    monkeypatch.setenv("SAGELAB_DISK_GB", "0.002")
    s3 = clouds.start(home).client("s3", config=Config(retries={"total_max_attempts": 1}))
    s3.create_bucket(Bucket="bounded")
    s3.put_object(Bucket="bounded", Key="first", Body=b"1" * 1_500_000)
    with pytest.raises(botocore.exceptions.ClientError, match="SAGELAB_DISK_GB") as trouble:
        s3.put_object(Bucket="bounded", Key="second", Body=b"2" * 1_500_000)
    assert trouble.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="bounded")["Contents"]] == ["first"]
    s3.delete_object(Bucket="bounded", Key="first")
    s3.put_object(Bucket="bounded", Key="second", Body=b"2" * 1_500_000)
    kill(home)
    (home.path / "objects" / "ab").mkdir(exist_ok=True)
    (home.path / "objects" / "ab" / "abandoned").write_bytes(b"half a body")
    again = clouds.start(home).client("s3", config=Config(retries={"total_max_attempts": 1}))
    assert len(bodies(home)) == 1
    assert again.get_object(Bucket="bounded", Key="second")["Body"].read() == b"2" * 1_500_000
    with pytest.raises(botocore.exceptions.ClientError, match="its limit"):
        again.put_object(Bucket="bounded", Key="third", Body=b"3" * 1_500_000)
    status = control.status(home)
    assert status is not None
    assert status.limit == 2_000_000
