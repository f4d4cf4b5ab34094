"""SageMaker's condition keys: each lets through what a policy allows, and stops the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.loaders import Loader

from sagelab import catalog
from sagelab.cloud.gateway.auth import policies
from sagelab.cloud.gateway.auth.actions import of_sagemaker
from sagelab.cloud.gateway.auth.sagemaker_conditions import KEYS, PATHS, of_request

WHERE = "us-east-1:123456789012"
KEY, OTHER_KEY = (f"arn:aws:kms:{WHERE}:key/{name}" for name in ("one", "other"))
MODEL, OTHER_MODEL = (f"arn:aws:sagemaker:{WHERE}:model/{name}" for name in ("one", "other"))
VPC = {"VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}}
CLUSTER = {"InstanceType": "ml.m5.large", "VolumeKmsKeyId": KEY}
FILES = {
    "FileSystemId": "fs-1",
    "FileSystemAccessMode": "ro",
    "FileSystemType": "EFS",
    "DirectoryPath": "/data/digits",
}
TRAINING = VPC | {
    "ResourceConfig": CLUSTER | {"KeepAlivePeriodInSeconds": 60},
    "OutputDataConfig": {"KmsKeyId": KEY},
    "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    "EnableNetworkIsolation": True,
    "EnableInterContainerTrafficEncryption": True,
    "InputDataConfig": [{"DataSource": {"FileSystemDataSource": FILES}}],
    "RemoteDebugConfig": {"EnableRemoteDebug": False},
}
NETWORK = VPC | {"EnableNetworkIsolation": True, "EnableInterContainerTrafficEncryption": True}
COMMON = {"NetworkConfig": NETWORK, "StoppingCondition": {"MaxRuntimeInSeconds": 600}}
MONITORING = COMMON | {
    "MonitoringResources": {"ClusterConfig": CLUSTER},
    "MonitoringOutputConfig": {"KmsKeyId": KEY},
}
SCHEDULE = {"MonitoringScheduleConfig": {"MonitoringJobDefinition": MONITORING}}
VARIANT = {
    "ModelName": "one",
    "InstanceType": "ml.m5.large",
    "AcceleratorType": "ml.eia2.medium",
    "ServerlessConfig": {"MaxConcurrency": 5, "MemorySizeInMB": 2048},
}
NOTEBOOK = {
    "InstanceType": "ml.m5.large",
    "AcceleratorTypes": ["ml.eia2.medium"],
    "DirectInternetAccess": "Disabled",
    "RootAccess": "Disabled",
    "KmsKeyId": KEY,
    "SubnetId": "subnet-1",
    "SecurityGroupIds": ["sg-1"],
    "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": "2"},
}
PACKAGE = {
    "ModelApprovalStatus": "Approved",
    "ModelLifeCycle": {"Stage": "Production", "StageStatus": "Approved"},
    "CustomerMetadataPropertiesToRemove": ["team"],
}
# Operation -> a request that says something about every condition key that its action has.
REQUESTS: dict[str, dict[str, Any]] = {
    "CreateDataQualityJobDefinition": COMMON
    | {"JobResources": {"ClusterConfig": CLUSTER}, "DataQualityJobOutputConfig": {"KmsKeyId": KEY}},
    "CreateEndpointConfig": VPC
    | {"ProductionVariants": [VARIANT], "KmsKeyId": KEY, "EnableNetworkIsolation": True},
    "CreateHyperParameterTuningJob": {"TrainingJobDefinitions": [TRAINING]},
    "CreateModel": VPC | {"EnableNetworkIsolation": True},
    "CreateModelPackage": PACKAGE,
    "CreateModelQualityJobDefinition": COMMON
    | {"JobResources": {"ClusterConfig": CLUSTER}, "ModelQualityJobOutputConfig": {"KmsKeyId": KEY}},
    "CreateMonitoringSchedule": SCHEDULE,
    "CreateNotebookInstance": NOTEBOOK,
    "CreateProcessingJob": COMMON
    | {"ProcessingResources": {"ClusterConfig": CLUSTER}, "ProcessingOutputConfig": {"KmsKeyId": KEY}},
    "CreateTrainingJob": TRAINING,
    "CreateTransformJob": {
        "ModelName": "one",
        "TransformResources": CLUSTER,
        "TransformOutput": {"KmsKeyId": KEY},
    },
    "DescribePipeline": {"PipelineVersionId": 3},
    "InvokeEndpoint": {"TargetModel": "a/one.tar.gz", "TargetContainerHostname": "one"},
    "StartPipelineExecution": {"PipelineVersionId": 3},
    "UpdateModelPackage": PACKAGE,
    "UpdateMonitoringSchedule": SCHEDULE,
    "UpdateNotebookInstance": NOTEBOOK,
    "UpdateTrainingJob": TRAINING,
}
# Condition key -> (a condition that such a request fulfils, one that it does not).
TESTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "AcceleratorTypes": ({"ForAllValues:StringLike": "ml.eia*"}, {"ForAnyValue:StringEquals": "ml.eia1.large"}),
    "CustomerMetadataPropertiesToRemove": (
        {"ForAnyValue:StringEquals": "team"},
        {"ForAllValues:StringEquals": "x"},
    ),
    "DirectInternetAccess": ({"StringEquals": "Disabled"}, {"StringEquals": "disabled"}),
    "EnableRemoteDebug": ({"Bool": "false"}, {"Bool": "true"}),
    "FileSystemAccessMode": ({"StringEquals": "ro"}, {"StringEquals": "rw"}),
    "FileSystemDirectoryPath": ({"StringLike": "/data/*"}, {"StringLike": "/other/*"}),
    "FileSystemId": ({"StringEquals": ["fs-0", "fs-1"]}, {"StringEquals": "FS-1"}),
    "FileSystemType": ({"StringEqualsIgnoreCase": "efs"}, {"StringNotEquals": "EFS"}),
    "InstanceTypes": ({"ForAllValues:StringLike": "ml.m5.*"}, {"ForAllValues:StringNotLike": "ml.m5.*"}),
    "InterContainerTrafficEncryption": ({"Bool": "true"}, {"Bool": "false"}),
    "KeepAlivePeriod": ({"NumericLessThanEquals": "60"}, {"NumericLessThan": "60"}),
    "MaxRuntimeInSeconds": ({"NumericLessThan": 3600}, {"NumericGreaterThan": "600"}),
    "MinimumInstanceMetadataServiceVersion": ({"StringEquals": "2"}, {"StringEquals": "1"}),
    "ModelApprovalStatus": ({"StringEquals": "Approved"}, {"StringEquals": "Rejected"}),
    "ModelArn": ({"ArnLike": "arn:aws:sagemaker:*:*:model/o*"}, {"ArnEquals": OTHER_MODEL}),
    "ModelLifeCycle:Stage": ({"StringEquals": "Production"}, {"StringEquals": "Development"}),
    "ModelLifeCycle:StageStatus": ({"StringEquals": "Approved"}, {"StringEquals": "Pending"}),
    "NetworkIsolation": ({"Bool": True}, {"Bool": "false"}),
    "OutputKmsKey": ({"ArnEquals": KEY}, {"ArnEquals": OTHER_KEY}),
    "PipelineVersionId": ({"StringEquals": "3"}, {"StringEquals": "2"}),
    "RootAccess": ({"StringEquals": "Disabled"}, {"StringEquals": "Enabled"}),
    "ServerlessMaxConcurrency": ({"NumericLessThanEquals": "5"}, {"NumericLessThan": "5"}),
    "ServerlessMemorySize": ({"NumericEquals": "2048"}, {"NumericGreaterThan": "2048"}),
    "TargetContainerHostname": ({"StringEquals": "one"}, {"StringEquals": "two"}),
    "TargetModel": ({"StringLike": "a/*"}, {"StringLike": "b/*"}),
    "VolumeKmsKey": ({"ArnEquals": KEY}, {"ArnNotEquals": KEY}),
    "VpcSecurityGroupIds": ({"ForAllValues:StringEquals": ["sg-1", "sg-2"]}, {"ForAnyValue:StringEquals": "sg-2"}),
    "VpcSubnets": (
        {"ForAllValues:StringEquals": ["subnet-1", "subnet-2"]},
        {"ForAllValues:StringEquals": ["subnet-3"]},
    ),
}
CASES = [(operation, key) for operation, keys in KEYS.items() for key in keys]


def context(operation: str, params: dict[str, Any]) -> dict[str, list[str]]:
    return of_request(operation, params, WHERE, str)


def effect(kind: str, operation: str, params: dict[str, Any], condition: dict[str, Any]) -> str:
    """Of a policy that allows all, or with Deny forbids, where a condition holds."""
    statement = {"Effect": kind, "Action": "*", "Resource": "*", "Condition": condition}
    found = [statement] if kind == "Allow" else [statement, {"Effect": "Allow", "Action": "*", "Resource": "*"}]
    policy = {"Version": "2012-10-17", "Statement": found}
    return policies.evaluate([policy], f"sagemaker:{operation}", "*", context(operation, params)).effect


def of_key(key: str, test: dict[str, Any]) -> dict[str, Any]:
    """In capitals: the names of condition keys are read in any case."""
    return {operator: {f"SAGEMAKER:{key.upper()}": wanted} for operator, wanted in test.items()}


@pytest.mark.parametrize(("operation", "key"), CASES)
def test_a_condition_lets_through_what_fulfils_it(operation: str, key: str) -> None:
    fulfilled, broken = (of_key(key, test) for test in TESTS[key])
    request = REQUESTS[operation]
    assert effect("Allow", operation, request, fulfilled) == "allowed"
    assert effect("Allow", operation, request, broken) == "implicitDeny"
    assert effect("Deny", operation, request, fulfilled) == "explicitDeny"
    assert effect("Deny", operation, request, broken) == "allowed"


@pytest.mark.parametrize(("operation", "key"), CASES)
def test_what_a_request_leaves_out_has_no_value(operation: str, key: str) -> None:
    absent, name = of_key(key, {"Null": "true"}), key.rpartition(":")[2]
    assert effect("Deny", operation, {}, absent) == "explicitDeny", name
    assert effect("Deny", operation, REQUESTS[operation], absent) == "allowed"
    assert effect("Allow", operation, {}, of_key(key, {"StringEquals": ""})) == "implicitDeny"
    assert effect("Allow", operation, {}, of_key(key, {"ForAnyValue:StringNotEquals": "x"})) == "implicitDeny"
    assert effect("Allow", operation, {}, of_key(key, {"ForAllValues:StringEquals": "x"})) == "allowed"
    assert effect("Allow", operation, {}, of_key(key, {"StringEqualsIfExists": "x"})) == "allowed"


def members(shape: str, shapes: dict[str, Any], path: str = "", deep: int = 5) -> Iterator[str]:
    """The paths of all members of a shape."""
    for name, member in shapes[shape].get("members", {}).items():
        of, here = shapes[member["shape"]], f"{path}{name}"
        inner = of["member"]["shape"] if of["type"] == "list" else member["shape"]
        here += "[]" if of["type"] == "list" else ""
        yield here
        if deep and shapes[inner]["type"] == "structure":
            yield from members(inner, shapes, f"{here}.", deep - 1)


@pytest.fixture(scope="module")
def models() -> list[dict[str, Any]]:
    return [Loader().load_service_model(name, "service-2") for name in ("sagemaker", "sagemaker-runtime")]


def test_paths_are_those_of_the_api(models: list[dict[str, Any]]) -> None:
    """Each key of an operation is at a path of its request; each path is at one of an operation's."""
    used = set()
    for operation, keys in KEYS.items():
        model = next(model for model in models if operation in model["operations"])
        known = set(members(model["operations"][operation]["input"]["shape"], model["shapes"]))
        for key in keys:
            found = {path for path in PATHS[key] if any(one == path or one.endswith(f".{path}") for one in known)}
            used |= {(key, path) for path in found}
    assert {(key, path) for key, paths in PATHS.items() for path in paths} - used == set()


def test_every_kind_with_instances_tells_their_types() -> None:
    starts = {
        kind.operation("Create")
        for kind in catalog.KINDS
        for use in kind.uses
        if "Create" in use.verbs and not use.of
    }
    assert {"CreateTrainingJob", "CreateProcessingJob"} <= starts
    assert {one for one in starts if one in KEYS and "InstanceTypes" not in KEYS[one]} == set()


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("CreateCompilationJob", {"VpcConfig": VPC["VpcConfig"], "OutputConfig": {"KmsKeyId": KEY}}),
        ("CreateEndpoint", {"EndpointName": "one"}),
        ("InvokeEndpointAsync", {"EndpointName": "one"}),
    ],
)
def test_an_action_has_the_keys_alone_that_aws_lists_for_it(operation: str, params: dict[str, Any]) -> None:
    assert context(operation, params) == {}


def test_keys_with_a_part_of_the_request_in_their_names() -> None:
    assert context("Search", {"VisibilityConditions": [{"Key": "Tags.Team", "Value": "a"}]}) == {
        "sagemaker:searchvisibilitycondition/tags.team": ["a"]
    }
    assert context("UpdateModelPackage", {"CustomerMetadataProperties": {"Team": "a"}}) == {
        "sagemaker:customermetadataproperties/team": ["a"]
    }


def test_tags_of_a_new_resource_need_their_own_permission() -> None:
    tags = [{"Key": "Team", "Value": "a"}]
    needed = list(of_sagemaker("CreateModel", {"ModelName": "one", "Tags": tags}, WHERE, lambda _: {}))
    assert [(one.action, one.resource) for one in needed] == [
        ("sagemaker:CreateModel", MODEL),
        ("sagemaker:AddTags", MODEL),
    ]
    assert needed[1].context == {
        "aws:requesttag/team": ["a"],
        "aws:tagkeys": ["Team"],
        "sagemaker:taggingaction": ["CreateModel"],
    }
    without = of_sagemaker("CreateModel", {"ModelName": "one", "Tags": []}, WHERE, lambda _: {})
    assert [one.action for one in without] == ["sagemaker:CreateModel"]


def test_a_model_is_known_by_its_arn_however_it_is_named() -> None:
    for name in ("one", MODEL):
        assert context("CreateTransformJob", {"ModelName": name}) == {"sagemaker:modelarn": [MODEL]}


def test_of_several_variants_all_must_fit() -> None:
    two = {"ProductionVariants": [VARIANT], "ShadowProductionVariants": [VARIANT | {"ModelName": "other"}]}
    allowed = of_key("ModelArn", {"ForAllValues:ArnEquals": MODEL})
    assert effect("Allow", "CreateEndpointConfig", two, allowed) == "implicitDeny"
    assert effect("Allow", "CreateEndpointConfig", {"ProductionVariants": [VARIANT]}, allowed) == "allowed"


def test_a_key_is_known_by_its_arn_however_it_is_named(gateway: Any) -> None:
    kms = gateway.client("kms")
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName="alias/known", TargetKeyId=key["KeyId"])
    from sagelab.cloud.gateway.moto import iam

    where = f"us-east-1:{key['AWSAccountId']}"
    alias = f"arn:aws:kms:{where}:alias/known"
    for name in (key["KeyId"], key["Arn"], "alias/known", alias):
        assert iam.kms_key(name, where) == key["Arn"]
    assert iam.kms_key("nothing", where) == f"arn:aws:kms:{where}:key/nothing"
    for foreign in ("arn:aws:kms:eu-west-1:123456789012:key/x", "arn:", "arn:aws:s3:::b"):
        assert iam.kms_key(foreign, where) == foreign
