"""What a call of SageMaker needs: actions, resources, roles and condition keys, by the catalog's rows.

Expected values: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
"""

from __future__ import annotations

from typing import Any

import pytest

from sagelab import catalog
from sagelab.catalog import Kind
from sagelab.cloud.gateway.auth.actions import of_sagemaker
from sagelab.cloud.gateway.auth.needed import Needed
from tests.test_catalog import CLUSTER

WHERE = "us-east-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/Lab"
OTHER = "arn:aws:iam::123456789012:role/Other"
DEFINITION = {
    "RoleArn": ROLE,
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeKmsKeyId": "key"},
    "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    "EnableNetworkIsolation": True,
}


def needed(operation: str, tags: dict[str, str] | None = None, **params: Any) -> list[Needed]:
    return list(of_sagemaker(operation, params, WHERE, lambda _: tags or {}))


def resources(operation: str, **params: Any) -> list[tuple[str, str | None]]:
    return [(one.action, one.resource) for one in needed(operation, **params)]


def context(operation: str, tags: dict[str, str] | None = None, **params: Any) -> dict[str, list[str]]:
    return needed(operation, tags, **params)[0].context


def arn(kind: str) -> str:
    return f"arn:aws:sagemaker:{WHERE}:{kind}"


@pytest.mark.parametrize("kind", catalog.KINDS, ids=lambda kind: kind.stem)
def test_every_operation_of_a_kind_is_about_the_resource_that_it_names(kind: Kind) -> None:
    for operation in kind.operations:
        named: dict[str, Any] = {kind.name_member: "one"}
        found = needed(operation, **named)
        assert [(each.action, each.resource) for each in found] == [
            (f"sagemaker:{operation}", arn(f"{kind.arn}/one"))
        ]


@pytest.mark.parametrize("operation", ["ListTrainingJobs", "ListModels", "Search"])
def test_what_names_nothing_is_about_everything(operation: str) -> None:
    assert resources(operation, NameContains="x") == [(f"sagemaker:{operation}", "*")]


def test_an_address_of_a_notebook_instance_is_that_instances() -> None:
    operation = "CreatePresignedNotebookInstanceUrl"
    assert resources(operation, NotebookInstanceName="mine") == [
        (f"sagemaker:{operation}", arn("notebook-instance/mine"))
    ]


@pytest.mark.parametrize(
    ("operation", "member", "name", "resource"),
    [
        ("DescribeModelPackage", "ModelPackageName", "digits/1", arn("model-package/digits/1")),
        ("DescribeModelPackage", "ModelPackageName", arn("model-package/digits/1"), arn("model-package/digits/1")),
        ("DescribeCluster", "ClusterId", "j-1", f"arn:aws:elasticmapreduce:{WHERE}:cluster/j-1"),
        (
            "StopInferenceRecommendationsJob",
            "JobName",
            "one",
            arn("inference-recommendations-job/one"),
        ),
    ],
)
def test_a_kind_goes_by_its_own_members(
    monkeypatch: pytest.MonkeyPatch, operation: str, member: str, name: str, resource: str
) -> None:
    monkeypatch.setattr(catalog, "KINDS", (*catalog.KINDS, CLUSTER))
    assert resources(operation, **{member: name}) == [(f"sagemaker:{operation}", resource)]


@pytest.mark.parametrize(
    ("operation", "params", "named"),
    [
        ("StartPipelineExecution", {"PipelineName": "p"}, ["pipeline/p"]),
        ("ListPipelineExecutions", {"PipelineName": "p"}, ["pipeline/p"]),
        ("DescribePipelineExecution", {"PipelineExecutionArn": "E"}, ["pipeline/p/execution/e"]),
        ("RetryPipelineExecution", {"PipelineExecutionArn": "E"}, ["pipeline/p/execution/e"]),
        ("ListPipelineParametersForExecution", {"PipelineExecutionArn": "E"}, ["pipeline/p/execution/e"]),
        ("CreateModelPackage", {"ModelPackageGroupName": "g"}, ["model-package/g/*", "model-package-group/g"]),
        ("ListModelPackages", {"ModelPackageGroupName": "g"}, ["model-package-group/g"]),
    ],
)
def test_a_part_goes_by_its_owner_where_it_has_no_name(
    operation: str, params: dict[str, str], named: list[str]
) -> None:
    given = {name: arn("pipeline/p/execution/e") if value == "E" else value for name, value in params.items()}
    assert resources(operation, **given) == [(f"sagemaker:{operation}", arn(each)) for each in named]


@pytest.mark.parametrize("operation", ["CreateEndpoint", "UpdateEndpoint"])
def test_an_endpoint_needs_its_configuration_too(operation: str) -> None:
    assert resources(operation, EndpointName="e", EndpointConfigName="c") == [
        (f"sagemaker:{operation}", arn("endpoint/e")),
        (f"sagemaker:{operation}", arn("endpoint-config/c")),
    ]


def test_a_tuning_job_passes_on_the_roles_of_its_definitions() -> None:
    name = {"HyperParameterTuningJobName": "t"}
    one = resources("CreateHyperParameterTuningJob", **name, TrainingJobDefinition=DEFINITION)
    assert one[1:] == [("iam:PassRole", ROLE)]
    several = [DEFINITION, DEFINITION | {"RoleArn": OTHER}]
    both = resources("CreateHyperParameterTuningJob", **name, TrainingJobDefinitions=several)
    assert both[1:] == [("iam:PassRole", ROLE), ("iam:PassRole", OTHER)]


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("CreateTrainingJob", {"RoleArn": ROLE}),
        ("CreateProcessingJob", {"RoleArn": ROLE}),
        ("CreateCompilationJob", {"RoleArn": ROLE}),
        ("CreateNotebookInstance", {"RoleArn": ROLE}),
        ("UpdateNotebookInstance", {"RoleArn": ROLE}),
        ("CreateModel", {"ExecutionRoleArn": ROLE}),
        ("CreateEndpointConfig", {"ExecutionRoleArn": ROLE}),
    ],
)
def test_a_role_is_passed_on(operation: str, params: dict[str, Any]) -> None:
    kind = catalog.of_operation(operation)
    assert kind is not None
    passed = needed(operation, **({kind.name_member: "one"} | params))[1]
    assert (passed.action, passed.resource) == ("iam:PassRole", ROLE)
    assert passed.context == {"iam:passedtoservice": ["sagemaker.amazonaws.com"]}


@pytest.mark.parametrize(
    ("operation", "params", "types"),
    [
        ("CreateTrainingJob", {"ResourceConfig": {"InstanceType": "ml.m5.large"}}, ["ml.m5.large"]),
        (
            "CreateTrainingJob",
            {"ResourceConfig": {"InstanceGroups": [{"InstanceType": "a"}, {"InstanceType": "b"}]}},
            ["a", "b"],
        ),
        ("CreateProcessingJob", {"ProcessingResources": {"ClusterConfig": {"InstanceType": "a"}}}, ["a"]),
        ("CreateTransformJob", {"TransformResources": {"InstanceType": "a"}}, ["a"]),
        ("CreateNotebookInstance", {"InstanceType": "a"}, ["a"]),
        ("UpdateNotebookInstance", {"InstanceType": "a"}, ["a"]),
        (
            "CreateEndpointConfig",
            {"ProductionVariants": [{"InstanceType": "a"}, {"InstanceType": "b"}]},
            ["a", "b"],
        ),
        ("CreateHyperParameterTuningJob", {"TrainingJobDefinition": DEFINITION}, ["ml.m5.large"]),
        ("CreateHyperParameterTuningJob", {"TrainingJobDefinitions": [DEFINITION]}, ["ml.m5.large"]),
    ],
)
def test_every_request_with_instances_tells_their_types(
    operation: str, params: dict[str, Any], types: list[str]
) -> None:
    assert context(operation, **params)["sagemaker:instancetypes"] == types


VPC = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}


@pytest.mark.parametrize(
    ("operation", "params", "key", "values"),
    [
        ("CreateTrainingJob", {"VpcConfig": VPC}, "VpcSubnets", ["subnet-1", "subnet-2"]),
        ("CreateProcessingJob", {"NetworkConfig": {"VpcConfig": VPC}}, "VpcSecurityGroupIds", ["sg-1"]),
        ("CreateNotebookInstance", {"SubnetId": "subnet-1"}, "VpcSubnets", ["subnet-1"]),
        ("CreateNotebookInstance", {"RootAccess": "Enabled"}, "RootAccess", ["Enabled"]),
        ("InvokeEndpoint", {"TargetModel": "a.tar.gz"}, "TargetModel", ["a.tar.gz"]),
        ("InvokeEndpoint", {"TargetContainerHostname": "one"}, "TargetContainerHostname", ["one"]),
        ("CreateNotebookInstance", {"DirectInternetAccess": "Disabled"}, "DirectInternetAccess", ["Disabled"]),
        ("CreateNotebookInstance", {"KmsKeyId": "key"}, "VolumeKmsKey", ["key"]),
        ("CreateTransformJob", {"TransformResources": {"VolumeKmsKeyId": "key"}}, "VolumeKmsKey", ["key"]),
        ("CreateTransformJob", {"TransformOutput": {"KmsKeyId": "key"}}, "OutputKmsKey", ["key"]),
        ("CreateTrainingJob", {"OutputDataConfig": {"KmsKeyId": "key"}}, "OutputKmsKey", ["key"]),
        (
            "CreateProcessingJob",
            {"NetworkConfig": {"EnableInterContainerTrafficEncryption": False}},
            "InterContainerTrafficEncryption",
            ["false"],
        ),
        ("CreateModel", {"EnableNetworkIsolation": True}, "NetworkIsolation", ["true"]),
        (
            "CreateEndpointConfig",
            {"ProductionVariants": [{"ServerlessConfig": {"MaxConcurrency": 5, "MemorySizeInMB": 2048}}]},
            "ServerlessMaxConcurrency",
            ["5"],
        ),
        ("CreateHyperParameterTuningJob", {"TrainingJobDefinition": DEFINITION}, "MaxRuntimeInSeconds", ["600"]),
        ("CreateHyperParameterTuningJob", {"TrainingJobDefinition": DEFINITION}, "NetworkIsolation", ["true"]),
        ("CreateHyperParameterTuningJob", {"TrainingJobDefinitions": [DEFINITION]}, "VolumeKmsKey", ["key"]),
    ],
)
def test_condition_keys_have_the_values_of_the_request(
    operation: str, params: dict[str, Any], key: str, values: list[str]
) -> None:
    assert context(operation, **params)[f"sagemaker:{key.lower()}"] == values


def test_a_resources_own_tags_are_known_under_both_keys() -> None:
    found = context("StopTrainingJob", {"Team": "a"}, TrainingJobName="one")
    assert found == {"aws:resourcetag/team": ["a"], "sagemaker:resourcetag/team": ["a"]}


def test_tags_of_a_request_are_told_by_keys_and_values() -> None:
    found = context("CreateModel", ModelName="m", Tags=[{"Key": "Team", "Value": "a"}])
    assert found == {"aws:requesttag/team": ["a"], "aws:tagkeys": ["Team"]}
    assert context("DeleteTags", ResourceArn="arn", TagKeys=["Team"]) == {"aws:tagkeys": ["Team"]}


@pytest.mark.parametrize("junk", [5, "text", [], [5], {"InstanceType": 5}, None])
def test_a_request_of_the_wrong_form_is_left_to_its_validation(junk: Any) -> None:
    members = ("ResourceConfig", "ProductionVariants", "TrainingJobDefinitions", "Tags", "RoleArn", "VpcConfig")
    for operation in ("CreateTrainingJob", "CreateEndpointConfig", "CreateHyperParameterTuningJob"):
        assert needed(operation, **dict.fromkeys(members, junk))[0].resource == "*"
