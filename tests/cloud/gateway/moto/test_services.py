"""What moto would only say that it had done is refused, whatever the service and its protocol."""

from __future__ import annotations

import importlib.util
import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.exceptions
import moto
import pytest

from sagelab.cloud.errors import NotImplementedHere
from sagelab.cloud.gateway.moto import front, services

ROOT = Path(__file__).parents[4]
SPEC = importlib.util.spec_from_file_location("operations", ROOT / "tools" / "operations.py")
assert SPEC is not None
assert SPEC.loader is not None
operations = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(operations)

ARN = "arn:aws:iam::123456789012:role/x"
# Of every protocol (json, query, ec2, rest-json, rest-xml, CBOR), and a service that is refused as a whole.
REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("redshift", "pause_cluster", {"ClusterIdentifier": "c"}, "A cluster is a database file"),
    ("rds-data", "execute_statement", {"resourceArn": ARN, "secretArn": ARN, "sql": "SELECT 1"}, "No database"),
    ("glue", "get_session", {"Id": "x"}, "No session of Glue"),
    ("lambda", "create_function_url_config", {"FunctionName": "x", "AuthType": "NONE"}, "No address leads"),
    ("batch", "submit_job", {"jobName": "x", "jobQueue": "x", "jobDefinition": "x"}, "No batch job"),
    ("ecs", "run_task", {"taskDefinition": "x"}, "No container runs"),
    ("ec2", "run_instances", {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}, "No virtual machine"),
    ("autoscaling", "set_desired_capacity", {"AutoScalingGroupName": "x", "DesiredCapacity": 1}, "No machine"),
    ("ses", "send_raw_email", {"RawMessage": {"Data": b"x"}}, "No mail is sent"),
    ("ssm", "send_command", {"DocumentName": "x"}, "No machine takes commands"),
    ("polly", "describe_voices", {}, "Nothing speaks"),
    ("es", "list_domain_names", {}, "No search server"),
    ("workspaces-web", "list_portals", {}, "No desktop"),
    ("cloudfront", "list_distributions", {}, "No edge location"),
    ("route53", "get_health_check_status", {"HealthCheckId": "x"}, "Nothing is checked"),
    ("acm", "request_certificate", {"DomainName": "example.com"}, "No authority"),
    ("iot-data", "publish", {"topic": "x"}, "No device listens"),
]


@pytest.mark.parametrize(("service", "operation", "params", "why"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_moto_would_only_say_is_refused(
    gateway: Any, service: str, operation: str, params: dict[str, Any], why: str
) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        getattr(gateway.client(service), operation)(**params)
    answer = refused.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("NotImplemented", 400)
    assert f"is not something the local cloud can do. {why}" in answer["Error"]["Message"]


def test_table_is_of_this_moto() -> None:
    assert moto.__version__ == services.MOTO
    assert set(front.services()) <= set(services.services())


@pytest.mark.slow
def test_table_has_every_operation_of_moto_once() -> None:
    for service in services.services():
        if services.whole(service):
            continue
        names, _ = operations.implemented(service)
        assert names, service
        unknown = [name for name in names if not services.verdict(service, name).known]
        assert not unknown, f"{service}: {unknown} are not in services.toml"
        fitting = {
            name: [rule for rule in services._rules(service) if fnmatchcase(name.lower(), rule.pattern)]
            for name in names
        }
        for name, rules in fitting.items():
            longest = max((len(rule.pattern) for rule in rules), default=0)
            assert len({rule.verdict for rule in rules if len(rule.pattern) == longest}) <= 1, (service, name)
        used = {rule.pattern for rules in fitting.values() for rule in rules}
        assert {rule.pattern for rule in services._rules(service)} <= used, service


def test_operation_that_the_table_does_not_have_is_refused(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gateway.client("sqs").list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200
    monkeypatch.setitem(services._TABLE, "sqs", {"executed": "CreateQueue"})
    services.verdict.cache_clear()
    services._rules.cache_clear()
    try:
        with pytest.raises(botocore.exceptions.ClientError, match="ListQueues is not something the local cloud"):
            gateway.client("sqs").list_queues()
    finally:
        monkeypatch.undo()
        services.verdict.cache_clear()
        services._rules.cache_clear()


@pytest.mark.parametrize("spelling", ["SubmitJob", "submit_job", "submitjob"])
def test_spelling_does_not_matter(spelling: str) -> None:
    assert services.verdict("batch", spelling).kind == services.REFUSED
    with pytest.raises(NotImplementedHere, match="No batch job"):
        services.check("batch", spelling)


@pytest.mark.parametrize("name", ["SetupClass", "setup_class", "ParseParameters", "IsAccessPoint", "x" * 5000])
def test_method_of_motos_that_is_no_operation_is_refused(gateway: Any, name: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for service in ("iam", "elasticloadbalancing", "sns"):
        status, _, body = gateway.signed("POST", "/", service, f"Action={name}".encode(), headers)
        assert status in (400, 403)
        assert b"NotImplemented" in body or b"AccessDenied" in body


@pytest.mark.parametrize("query", ["analytics&id=a", "inventory&id=a", "metrics&id=a", "intelligent-tiering&id=a"])
def test_bucket_is_not_deleted_for_a_setting_of_it(gateway: Any, query: str) -> None:
    """moto looks for the settings that it knows, and deletes the bucket where there is none of them."""
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="settings")
    status, _, body = gateway.signed("DELETE", f"/settings?{query}", "s3")
    assert (status, b"<Code>NotImplemented</Code>" in body) == (400, True)
    s3.head_bucket(Bucket="settings")


def test_settings_of_s3_that_moto_does_not_know_are_refused(gateway: Any) -> None:
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="unknown-settings")
    s3.put_object(Bucket="unknown-settings", Key="a", Body=b"a")
    for call, params in (
        (s3.get_object_retention, {"Key": "a"}),
        (s3.get_object_torrent, {"Key": "a"}),
        (s3.get_bucket_request_payment, {}),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match="NotImplemented"):
            call(Bucket="unknown-settings", **params)


@pytest.mark.slow
def test_types_of_refused_services_are_refused() -> None:
    from moto.cloudformation import parsing  # the models of all services: six seconds

    kinds = {kind: made.__module__.split(".")[1] for kind, made in parsing.get_model_map().items()}
    for kind, service in kinds.items():
        if service in ("cloud", "sagemaker"):  # the local cloud's own
            continue
        why = services.type_refusal(kind, service)
        assert bool(why) or not services.whole(service), kind
        made = kind.rpartition("::")[2]
        creations = [services.verdict(service, f"{verb}{made}") for verb in ("Create", "Run", "Put")]
        if any(one.known and one.kind == services.REFUSED for one in creations):
            assert why, kind


@pytest.mark.slow
def test_what_happens_goes_on_happening(gateway: Any) -> None:
    """The data services that code beside SageMaker uses, each once to and fro."""
    table = {
        "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
    }
    dynamodb = gateway.client("dynamodb")
    dynamodb.create_table(TableName="kept", BillingMode="PAY_PER_REQUEST", **table)
    dynamodb.put_item(TableName="kept", Item={"k": {"S": "a"}})
    assert dynamodb.scan(TableName="kept")["Count"] == 1
    dynamodb.delete_table(TableName="kept")
    sqs, sns = gateway.client("sqs"), gateway.client("sns")
    queue = "arn:aws:sqs:us-east-1:123456789012:kept"
    taking = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": taking | {"Resource": queue}})
    url = sqs.create_queue(QueueName="kept", Attributes={"Policy": policy})["QueueUrl"]
    topic = sns.create_topic(Name="kept")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    sns.publish(TopicArn=topic, Message="heard")
    assert "heard" in sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]
    secrets, ssm = gateway.client("secretsmanager"), gateway.client("ssm")
    secrets.create_secret(Name="kept", SecretString="s")
    assert secrets.get_secret_value(SecretId="kept")["SecretString"] == "s"
    ssm.put_parameter(Name="kept", Value="p", Type="String")
    assert ssm.get_parameter(Name="kept")["Parameter"]["Value"] == "p"


@pytest.mark.slow
def test_records_are_kept(gateway: Any) -> None:
    ec2 = gateway.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    assert ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["SubnetId"] == subnet
    group = ec2.create_security_group(VpcId=vpc, GroupName="g", Description="g")["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=1, ToPort=1, CidrIp="10.0.0.0/8"
    )
    glue = gateway.client("glue")
    glue.create_database(DatabaseInput={"Name": "d"})
    glue.create_table(DatabaseName="d", TableInput={"Name": "t"})
    assert glue.get_table(DatabaseName="d", Name="t")["Table"]["Name"] == "t"
    assert gateway.client("ecr").create_repository(repositoryName="kept")["repository"]["repositoryName"] == "kept"
