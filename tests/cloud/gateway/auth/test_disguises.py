"""A thing that a request names in another way is the thing that it is: its policies and the caller's hold."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest
from botocore.config import Config

from tests.cloud.gateway.auth.test_permissions import Role, allow, deny, refused
from tests.trusts import ACCOUNT, TRUST

ALL = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
KEYS = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/"


@pytest.fixture
def role(gateway: Any, unique: Callable[[str], str]) -> Callable[..., Role]:
    return lambda *statements: Role(gateway, unique("role"), *statements)


@pytest.fixture
def key(gateway: Any, unique: Callable[[str], str]) -> Callable[..., tuple[str, str]]:
    """Makes a key of KMS for a principal, with an alias: (id, alias)."""

    def make(principal: str) -> tuple[str, str]:
        kms, alias = gateway.client("kms"), f"alias/{unique('key')}"
        owner = {**ALL, "Principal": {"AWS": gateway.home.caller_arn}}
        policy = {"Version": "2012-10-17", "Statement": [owner, {**ALL, "Principal": {"AWS": principal}}]}
        made = str(kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["KeyId"])
        kms.create_alias(AliasName=alias, TargetKeyId=made)
        return made, alias

    return make


def test_key_is_the_same_by_its_alias(role: Callable[..., Role], key: Callable[..., tuple[str, str]]) -> None:
    name, alias = key(f"arn:aws:iam::{ACCOUNT}:root")
    denied = role(allow("kms:*"), deny("kms:Encrypt", on=KEYS + name)).client("kms")
    only = role(allow("kms:Encrypt", on=KEYS + name)).client("kms")
    for way in (name, alias, KEYS + name, KEYS.replace("key/", alias)):
        refused(denied.encrypt, KeyId=way, Plaintext=b"x")
        assert only.encrypt(KeyId=way, Plaintext=b"x")["KeyId"] == KEYS + name
    other, _ = key(f"arn:aws:iam::{ACCOUNT}:root")
    updating = role(allow("kms:UpdateAlias", on=KEYS + name)).client("kms")
    refused(updating.update_alias, AliasName=alias, TargetKeyId=other)


def test_key_is_found_by_no_arn_but_its_own(
    gateway: Any, role: Callable[..., Role], key: Callable[..., tuple[str, str]]
) -> None:
    stranger = role(allow("kms:*"))
    closed, alias = key(role().arn)
    own, _ = key(stranger.arn)
    kms = stranger.client("kms")
    for way in (
        closed,
        alias,
        KEYS + closed,
        f"{KEYS.replace(ACCOUNT, '210987654321')}{closed}",
        f"{KEYS}{closed}:key/{own}",
        f"{KEYS}{own}:key/{closed}",
        f"arn:x:key/{closed}",
        f"arn:x:{alias.replace('alias/', ':alias/')}",
    ):
        refused(kms.encrypt, KeyId=way, Plaintext=b"x")
        refused(kms.get_key_policy, KeyId=way, PolicyName="default")
    far = f"{KEYS.replace('us-east-1', 'eu-west-1')}{closed}"
    with pytest.raises(botocore.exceptions.ClientError, match=r"NotFoundException.*: Invalid arn eu-west-1"):
        kms.encrypt(KeyId=far, Plaintext=b"x")
    secret = gateway.client("kms").encrypt(KeyId=closed, Plaintext=b"secret")["CiphertextBlob"]
    for source in ({}, {"SourceKeyId": own}):
        refused(kms.re_encrypt, CiphertextBlob=secret, DestinationKeyId=own, **source)
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        kms.decrypt(CiphertextBlob=secret, KeyId=own)


def test_parameters_of_a_json_body_are_in_it_alone(
    role: Callable[..., Role], key: Callable[..., tuple[str, str]]
) -> None:
    stranger = role(allow("kms:*"))
    (closed, _), (own, _) = key(role().arn), key(stranger.arn)
    headers = {"X-Amz-Target": "TrentService.GetKeyPolicy", "Content-Type": "application/x-amz-json-1.1"}
    body = json.dumps({"KeyId": own, "PolicyName": "default", "Other": f"&KeyId={closed}&x="})
    status, _, answer = stranger.send("kms", "/", body, headers)
    assert status == 200
    assert stranger.arn in answer.decode()
    body = json.dumps({"KeyId": own, "PolicyName": "default"})
    assert stranger.send("kms", f"/?KeyId={closed}", body, headers)[0] == 403
    for body in ("", "{}", "=", "&"):
        assert stranger.send("kms", "/", body, headers | {"KeyId": closed, "PolicyName": "default"})[0] >= 400


def test_region_is_the_one_that_is_signed_for(gateway: Any, unique: Callable[[str], str]) -> None:
    name, agent = unique("group"), Config(user_agent_extra="region/eu-west-1")
    gateway.client("logs", config=agent).create_log_group(logGroupName=name)
    found = gateway.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert [one["arn"].split(":")[3] for one in found] == ["us-east-1"]


@pytest.mark.parametrize("other", ["RoleName", "GroupName", "Rolename", "roleName"])
def test_request_to_iam_is_about_what_its_operation_takes(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str], other: str
) -> None:
    iam, victim = gateway.client("iam"), unique("victim")
    iam.create_user(UserName=victim)
    kinds = [f"arn:aws:iam::{ACCOUNT}:{kind}/dev-*" for kind in ("role", "group", "policy")]
    attacker = role(allow("iam:*", on=kinds)).client("iam")
    attacker.meta.events.register("before-call", lambda params, **_: params["body"].update({other: "dev-mine"}))
    refused(attacker.create_access_key, UserName=victim)
    refused(attacker.attach_user_policy, UserName=victim, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert iam.list_access_keys(UserName=victim)["AccessKeyMetadata"] == []


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/json", "text/plain", ""])
def test_parameters_are_in_one_place(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str], kind: str
) -> None:
    iam, names = gateway.client("iam"), (unique("mine"), unique("victim"))
    for name in names:
        iam.create_user(UserName=name)
    attacker = role(allow("iam:*", on=f"arn:aws:iam::{ACCOUNT}:user/{names[0]}"))
    mine, victims = (f"Action=CreateAccessKey&Version=2010-05-08&UserName={name}" for name in names)
    for path, body in (
        (f"/?UserName={names[1]}", mine),
        (f"/?Version=2010-05-08&UserName={names[1]}", mine),
        (f"/?{mine}", f"UserName={names[1]}"),
        (f"/?{mine}", json.dumps({"UserName": names[1]})),
        (f"/?{mine}", victims),
        (f"/?username={names[1]}", mine),
    ):
        attacker.send("iam", path, body, {"Content-Type": kind} if kind else {})
    assert iam.list_access_keys(UserName=names[1])["AccessKeyMetadata"] == []


def test_role_is_found_by_no_path_but_its_own(role: Callable[..., Role]) -> None:
    powerful = role(allow("*"))
    caller = role(allow("sts:AssumeRole", on=f"arn:aws:iam::{ACCOUNT}:role/dev/*")).client("sts")
    name = powerful.arn.rpartition("/")[2]
    for path in ("dev/", "dev//", "dev/x/", "/dev/"):
        arn = f"arn:aws:iam::{ACCOUNT}:role/{path}{name}"
        refused(caller.assume_role, RoleArn=arn, RoleSessionName="lab")


def test_key_of_another_user_is_that_users(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str]
) -> None:
    iam, names = gateway.client("iam"), (unique("own"), unique("other"))
    for name in names:
        iam.create_user(UserName=name)
    own, other = (iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"] for name in names)
    caller = role(allow("iam:*AccessKey*", on=f"arn:aws:iam::{ACCOUNT}:user/{names[0]}")).client("iam")
    refused(caller.update_access_key, AccessKeyId=other, Status="Inactive")
    refused(caller.delete_access_key, AccessKeyId=other)
    refused(caller.get_access_key_last_used, AccessKeyId=other)
    caller.update_access_key(AccessKeyId=own, Status="Inactive")
    caller.delete_access_key(AccessKeyId=own)
    assert [one["Status"] for one in iam.list_access_keys(UserName=names[1])["AccessKeyMetadata"]] == ["Active"]


def test_name_of_iam_means_what_has_it_with_its_path(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str]
) -> None:
    iam, names, whole = gateway.client("iam"), (unique("plain"), unique("root")), f"arn:aws:iam::{ACCOUNT}"
    closed = [f"{whole}:{kind}/admin/*" for kind in ("user", "role", "group", "instance-profile")]
    caller = role(allow("iam:*"), deny("iam:*", on=closed)).client("iam")
    for made, name, path in ((iam, names[1], "/admin/"), (caller, names[0], "/dev/")):
        made.create_user(UserName=name, Path=path)
        made.create_group(GroupName=name, Path=path)
        made.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=TRUST)
        made.create_instance_profile(InstanceProfileName=name, Path=path)
    plain, root = names
    trust = {"PolicyDocument": TRUST}
    caller.create_access_key(UserName=plain)
    refused(caller.create_access_key, UserName=root)
    caller.add_user_to_group(GroupName=plain, UserName=plain)
    refused(caller.add_user_to_group, GroupName=root, UserName=plain)
    caller.update_assume_role_policy(RoleName=plain, **trust)
    refused(caller.update_assume_role_policy, RoleName=root, **trust)
    caller.delete_instance_profile(InstanceProfileName=plain)
    refused(caller.delete_instance_profile, InstanceProfileName=root)
    refused(caller.create_user, UserName=unique("other"), Path="/admin/")


def test_attaching_is_held_to_the_policy_that_is_attached(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str]
) -> None:
    powers = {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}}
    caller, name = role(allow("iam:*"), deny("iam:Attach*", Condition=powers)).client("iam"), unique("user")
    gateway.client("iam").create_user(UserName=name)
    caller.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    refused(caller.attach_user_policy, UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")


def test_log_group_is_found_by_no_identifier_but_its_own(
    gateway: Any, role: Callable[..., Role], unique: Callable[[str], str]
) -> None:
    owner, names = gateway.client("logs"), (unique("own"), unique("secret"))
    for name in names:
        owner.create_log_group(logGroupName=name)
        owner.create_log_stream(logGroupName=name, logStreamName="s")
        event = {"timestamp": int(time.time() * 1000), "message": name}
        owner.put_log_events(logGroupName=name, logStreamName="s", logEvents=[event])
    groups = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
    logs = role(allow("logs:*", on=f"{groups}{names[0]}:*")).client("logs")

    def read(identifier: str) -> list[str]:
        found = logs.get_log_events(logGroupIdentifier=identifier, logStreamName="s", startFromHead=True)
        return [event["message"] for event in found["events"]]

    assert read(groups + names[0]) == read(names[0]) == [names[0]]
    elsewhere = groups.replace("us-east-1", "eu-west-1")
    for way in (names[1], groups + names[1], elsewhere + names[1], elsewhere + names[0], f"{groups}x:{names[1]}"):
        with pytest.raises(botocore.exceptions.ClientError, match=r"AccessDenied|ResourceNotFound"):
            read(way)


@pytest.mark.parametrize(
    "service", ["kms:TrentService", "logs:Logs_20140328", "monitoring:GraniteServiceVersion20100801"]
)
def test_another_protocol_opens_nothing(role: Callable[..., Role], service: str) -> None:
    name, _, target = service.partition(":")
    operation = {"kms": "CreateKey", "logs": "CreateLogGroup", "monitoring": "PutMetricData"}[name]
    limited = role(allow(f"{name}:Nothing"))
    for protocol in ("rpc-v2-cbor", "rpc-v2-json", "aws-json"):
        kind = "application/cbor" if protocol.endswith("cbor") else "application/json"
        headers = {"smithy-protocol": protocol, "Content-Type": kind}
        path = f"/service/{target}/operation/{operation}"
        assert limited.send(name, path, "\xa0", headers)[0] in (400, 403, 404)


def test_what_has_more_steps_than_anybody_asks_for_is_refused(gateway: Any) -> None:
    metrics, iam = gateway.client("cloudwatch"), gateway.client("iam")
    century = {"StartTime": "1950-01-01T00:00:00Z", "EndTime": "2050-01-01T00:00:00Z"}
    metrics.put_metric_data(Namespace="steps", MetricData=[{"MetricName": "m", "Value": 1.0}])
    metric = {"Namespace": "steps", "MetricName": "m"}
    with pytest.raises(botocore.exceptions.ClientError, match="exceeds the limit of 1,440"):
        metrics.get_metric_statistics(**metric, **century, Period=60, Statistics=["Sum"])
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 1, "Stat": "Sum"}}
    with pytest.raises(botocore.exceptions.ClientError, match="more than 100,800 datapoints"):
        metrics.get_metric_data(MetricDataQueries=[query], **century)
    actions, policy = [f"s3:A{number}" for number in range(200)], json.dumps({"Statement": [allow("s3:*")]})
    with pytest.raises(botocore.exceptions.ClientError, match="10,000 actions on resources"):
        iam.simulate_custom_policy(PolicyInputList=[policy], ActionNames=actions, ResourceArns=actions)
