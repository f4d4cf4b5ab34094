"""The model registry, as a client sees it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.home import ACCOUNT
from tests.cloud.gateway.auth.test_permissions import Role, allow, refused
from tests.cloud.jobs import ROLE, Jobs
from tests.cloud.resources.hosting import container, name
from tests.conftest import LocalCloud

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"
TYPES = {
    "SupportedTransformInstanceTypes": ["ml.m5.large"],
    "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["text/csv"],
}


def specification(jobs: Jobs, **changes: Any) -> dict[str, Any]:
    return {"Containers": [container(jobs, **changes)], **TYPES}


def group(jobs: Jobs, **changes: Any) -> str:
    """The name of a new group."""
    made = name("group")
    jobs.sagemaker.create_model_package_group(ModelPackageGroupName=made, **changes)
    return made


def version(jobs: Jobs, group_name: str, **changes: Any) -> str:
    """The ARN of a new version in a group."""
    request = {"ModelPackageGroupName": group_name, "InferenceSpecification": specification(jobs)} | changes
    return str(jobs.sagemaker.create_model_package(**request)["ModelPackageArn"])


def refusal(call: Callable[..., Any], code: str = "ValidationException", **params: Any) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


def test_versions_are_numbered_and_no_number_comes_twice(jobs: Jobs) -> None:
    of = group(jobs)
    arns = [version(jobs, of) for _ in range(2)]
    assert arns == [f"{ARN}:model-package/{of}/{number}" for number in (1, 2)]
    jobs.sagemaker.delete_model_package(ModelPackageName=arns[1])
    assert version(jobs, of).endswith("/3")
    found = jobs.sagemaker.describe_model_package(ModelPackageName=arns[0])
    assert (found["ModelPackageGroupName"], found["ModelPackageVersion"]) == (of, 1)
    assert (found["ModelPackageStatus"], found["ModelApprovalStatus"]) == ("Completed", "PendingManualApproval")
    listed = jobs.sagemaker.list_model_packages(ModelPackageGroupName=of)["ModelPackageSummaryList"]
    assert [one["ModelPackageVersion"] for one in listed] == [1, 3]


def test_the_same_request_makes_one_version(jobs: Jobs) -> None:
    of, token = group(jobs), uuid.uuid4().hex
    assert version(jobs, of, ClientToken=token) == version(jobs, of, ClientToken=token)


def test_group_goes_when_it_is_empty(jobs: Jobs) -> None:
    of = group(jobs, ModelPackageGroupDescription="digits")
    sagemaker, arn = jobs.sagemaker, version(jobs, of)
    described = sagemaker.describe_model_package_group(ModelPackageGroupName=of)
    assert (described["ModelPackageGroupStatus"], described["ModelPackageGroupDescription"]) == (
        "Completed",
        "digits",
    )
    assert "has model packages" in refusal(
        sagemaker.delete_model_package_group, "ConflictException", ModelPackageGroupName=of
    )
    assert "already exists" in refusal(sagemaker.create_model_package_group, ModelPackageGroupName=of)
    sagemaker.delete_model_package(ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName=of)
    assert "does not exist" in refusal(sagemaker.describe_model_package_group, ModelPackageGroupName=of)
    assert "does not exist" in refusal(sagemaker.list_model_packages, ModelPackageGroupName=of)


def test_lists_are_filtered_and_paged(jobs: Jobs) -> None:
    of = group(jobs)
    arns = [version(jobs, of, ModelApprovalStatus=status) for status in ("Approved", "Rejected", "Approved")]
    asked = {"ModelPackageGroupName": of, "ModelApprovalStatus": "Approved", "SortOrder": "Descending"}
    first = jobs.sagemaker.list_model_packages(**asked, MaxResults=1)
    second = jobs.sagemaker.list_model_packages(**asked, MaxResults=1, NextToken=first["NextToken"])
    pages = [page["ModelPackageSummaryList"][0]["ModelPackageArn"] for page in (first, second)]
    assert pages == [arns[2], arns[0]]
    assert "NextToken" not in second
    groups = jobs.sagemaker.list_model_package_groups(NameContains=of)["ModelPackageGroupSummaryList"]
    assert [one["ModelPackageGroupName"] for one in groups] == [of]


def test_approval_and_properties_are_updated(jobs: Jobs) -> None:
    arn = version(jobs, group(jobs), CustomerMetadataProperties={"a": "1", "b": "2"})
    jobs.sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="good enough",
        CustomerMetadataProperties={"c": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    found = jobs.sagemaker.describe_model_package(ModelPackageName=arn)
    assert (found["ModelApprovalStatus"], found["ApprovalDescription"]) == ("Approved", "good enough")
    assert found["CustomerMetadataProperties"] == {"b": "2", "c": "3"}
    assert found["LastModifiedTime"] >= found["CreationTime"]
    many = {f"key{number}": "x" for number in range(49)}
    update = jobs.sagemaker.update_model_package
    assert "at most 50" in refusal(update, ModelPackageArn=arn, CustomerMetadataProperties=many)
    gone = arn.replace("/1", "/9")
    assert "does not exist" in refusal(update, ModelPackageArn=gone, ModelApprovalStatus="Approved")


def test_what_is_deleted_is_not_approved_and_the_others_are(jobs: Jobs) -> None:
    of = group(jobs)
    gone, kept = (version(jobs, of) for _ in range(2))
    jobs.sagemaker.delete_model_package(ModelPackageName=gone)
    update = jobs.sagemaker.update_model_package
    said = refusal(update, ModelPackageArn=gone, ModelApprovalStatus="Approved")
    assert said == f"ModelPackage {gone} does not exist."
    update(ModelPackageArn=kept, ModelApprovalStatus="Approved")
    listed = jobs.sagemaker.list_model_packages(ModelPackageGroupName=of)["ModelPackageSummaryList"]
    assert [(one["ModelPackageArn"], one["ModelApprovalStatus"]) for one in listed] == [(kept, "Approved")]


def test_several_are_described_and_the_missing_are_named(jobs: Jobs) -> None:
    arn = version(jobs, group(jobs))
    gone = f"{arn}9"
    found = jobs.sagemaker.batch_describe_model_package(ModelPackageArnList=[arn, gone])
    assert found["ModelPackageSummaries"][arn]["InferenceSpecification"]["Containers"]
    assert found["BatchDescribeModelPackageErrorMap"][gone]["ErrorCode"] == "ValidationException"


def test_package_of_no_group_has_a_name_and_no_approval(jobs: Jobs) -> None:
    own, create = name("package"), jobs.sagemaker.create_model_package
    create(ModelPackageName=own, InferenceSpecification=specification(jobs), Tags=[{"Key": "team", "Value": "a"}])
    arn = f"{ARN}:model-package/{own}"
    assert "ModelApprovalStatus" not in jobs.sagemaker.describe_model_package(ModelPackageName=own)
    assert jobs.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    listed = jobs.sagemaker.list_model_packages(NameContains=own)["ModelPackageSummaryList"]
    assert [one["ModelPackageArn"] for one in listed] == [arn]
    update = jobs.sagemaker.update_model_package
    assert "has no approval" in refusal(update, ModelPackageArn=arn, ModelApprovalStatus="Approved")
    made = name("model")
    jobs.sagemaker.create_model(ModelName=made, PrimaryContainer={"ModelPackageName": own}, ExecutionRoleArn=ROLE)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "both": ({"ModelPackageName": "one", "ModelPackageGroupName": "two"}, "Either ModelPackageGroupName"),
    "neither": ({}, "Either ModelPackageGroupName"),
    "no group": ({"ModelPackageGroupName": "nobody-made-it"}, "does not exist"),
    "tags": (
        {"ModelPackageGroupName": "two", "Tags": [{"Key": "a", "Value": "b"}]},
        "has the tags of its group",
    ),
    "no specification": ({"ModelPackageName": "one"}, "inferenceSpecification"),
    "no data": (
        {
            "ModelPackageGroupName": "two",
            "InferenceSpecification": {"Containers": [{"Image": "x", "ModelDataUrl": "s3://no-such-bucket/m"}]},
        },
        "Could not find model data",
    ),
    "metrics": (
        {
            "ModelPackageGroupName": "two",
            "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": "text/json", "S3Uri": "https://x/y"}}},
        },
        "ModelMetrics",
    ),
    "algorithm": (
        {
            "ModelPackageName": "one",
            "SourceAlgorithmSpecification": {"SourceAlgorithms": [{"AlgorithmName": "a"}]},
        },
        "does not do algorithms",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_breaks_a_rule_is_refused(jobs: Jobs, case: str) -> None:
    params, words = BAD[case]
    assert words in refusal(jobs.sagemaker.create_model_package, **params)


def test_an_arn_of_another_kind_is_no_package(jobs: Jobs) -> None:
    arn = f"{ARN}:model-package-group/{group(jobs)}"
    assert "does not exist" in refusal(jobs.sagemaker.describe_model_package, ModelPackageName=arn)


def test_only_what_is_approved_becomes_a_model(jobs: Jobs) -> None:
    arn = version(jobs, group(jobs))
    wanted: dict[str, Any] = {
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"ModelPackageName": arn, "Environment": {"A": "b"}},
    }
    create = jobs.sagemaker.create_model
    assert "not Approved" in refusal(create, ModelName=name("model"), **wanted)
    jobs.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    made = name("model")
    create(ModelName=made, **wanted)
    found = jobs.sagemaker.describe_model(ModelName=made)
    assert found["PrimaryContainer"]["ModelPackageName"] == arn
    assert "Own" not in found
    wanted["PrimaryContainer"]["Image"] = "x"
    assert "either a ModelPackageName" in refusal(create, ModelName=name("model"), **wanted)


def test_search_finds_versions(jobs: Jobs) -> None:
    of = group(jobs, Tags=[{"Key": "team", "Value": "registry"}])
    version(jobs, of, ModelApprovalStatus="Rejected")
    filters = [
        {"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": of},
        {"Name": "ModelApprovalStatus", "Operator": "Equals", "Value": "Rejected"},
    ]
    (found,) = jobs.sagemaker.search(Resource="ModelPackage", SearchExpression={"Filters": filters})["Results"]
    assert found["ModelPackage"]["ModelPackageVersion"] == 1
    filters = [{"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": of}]
    (found,) = jobs.sagemaker.search(Resource="ModelPackageGroup", SearchExpression={"Filters": filters})[
        "Results"
    ]
    assert found["ModelPackageGroup"]["Tags"] == [{"Key": "team", "Value": "registry"}]


def test_versions_have_the_tags_of_their_group(jobs: Jobs) -> None:
    arn = version(jobs, group(jobs))
    add = jobs.sagemaker.add_tags
    assert "tags of its group" in refusal(add, ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])


def test_registering_is_permitted_by_group(cloud: LocalCloud, jobs: Jobs, unique: Callable[[str], str]) -> None:
    mine, other = group(jobs), group(jobs)
    on = [f"{ARN}:model-package-group/{mine}", f"{ARN}:model-package/{mine}/*"]
    someone = Role(cloud, unique("role"), *(allow("sagemaker:*ModelPackage*", on=each) for each in on))
    client, wanted = someone.client("sagemaker"), {"InferenceSpecification": specification(jobs)}
    made = client.create_model_package(ModelPackageGroupName=mine, **wanted)["ModelPackageArn"]
    assert client.describe_model_package(ModelPackageName=made)["ModelPackageVersion"] == 1
    assert len(client.list_model_packages(ModelPackageGroupName=mine)["ModelPackageSummaryList"]) == 1
    assert other in refused(client.create_model_package, ModelPackageGroupName=other, **wanted)
    assert other in refused(client.list_model_packages, ModelPackageGroupName=other)
