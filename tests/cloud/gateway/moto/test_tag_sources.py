"""The Resource Groups Tagging API sees SageMaker's tags, and changes them as AddTags and DeleteTags do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests import signers
from tests.cloud.instances import encode
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud
from tests.trusts import TRUST


@pytest.fixture
def tagging(cloud: LocalCloud) -> Any:
    return cloud.client("resourcegroupstaggingapi")


def config(jobs: Jobs, name: str, **tags: str) -> str:
    """The ARN of a new lifecycle configuration with these tags."""
    member = "NotebookInstanceLifecycleConfig"
    made = jobs.sagemaker.create_notebook_instance_lifecycle_config(
        **{f"{member}Name": name}, OnStart=encode("true"), Tags=listed(tags)
    )
    return str(made[f"{member}Arn"])


def listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def found(tagging: Any, key: str, *values: str, **options: Any) -> list[str]:
    """The ARNs of all pages."""
    pages = tagging.get_paginator("get_resources").paginate(
        TagFilters=[{"Key": key, "Values": list(values)}], **options
    )
    return [one["ResourceARN"] for page in pages for one in page["ResourceTagMappingList"]]


def test_resources_are_found_by_tag_and_type_in_pages(
    tagging: Any, jobs: Jobs, cloud: LocalCloud, unique: Callable[[str], str]
) -> None:
    key = unique("key")
    arns = [config(jobs, unique("config"), **{key: str(number % 2)}) for number in range(5)]
    bucket = unique("bucket")
    jobs.s3.create_bucket(Bucket=bucket)
    jobs.s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": listed({key: "0"})})
    assert set(found(tagging, key, PaginationConfig={"PageSize": 2})) == {*arns, f"arn:aws:s3:::{bucket}"}
    assert set(found(tagging, key, ResourceTypeFilters=["sagemaker"])) == set(arns)
    assert set(found(tagging, key, "1", ResourceTypeFilters=["sagemaker:notebook-instance-lifecycle-config"])) == {
        arns[1],
        arns[3],
    }
    assert found(tagging, key, ResourceTypeFilters=["sagemaker:model"]) == []
    elsewhere = cloud.session.client("resourcegroupstaggingapi", "eu-west-1", endpoint_url=cloud.url)
    assert found(elsewhere, key, ResourceTypeFilters=["sagemaker"]) == []


def test_each_key_and_value_is_told_once(tagging: Any, jobs: Jobs, unique: Callable[[str], str]) -> None:
    key = unique("key")
    for value in ("a", "b", "a"):
        config(jobs, unique("config"), **{key: value})
    keys = [each for page in tagging.get_paginator("get_tag_keys").paginate() for each in page["TagKeys"]]
    assert keys.count(key) == 1
    pages = tagging.get_paginator("get_tag_values").paginate(Key=key)
    assert sorted(each for page in pages for each in page["TagValues"]) == ["a", "b"]


def test_tags_are_changed_on_the_resource_itself(tagging: Any, jobs: Jobs, unique: Callable[[str], str]) -> None:
    arn = config(jobs, unique("config"), old="1")
    missing = arn.rpartition("/")[0] + "/" + unique("missing")
    failed = tagging.tag_resources(ResourceARNList=[missing, arn], Tags={"new": "2"})["FailedResourcesMap"]
    assert jobs.sagemaker.list_tags(ResourceArn=arn)["Tags"] == listed({"new": "2", "old": "1"})
    assert set(failed) == {missing}
    assert failed[missing]["ErrorMessage"] == f"Could not find resource {missing}."
    assert tagging.untag_resources(ResourceARNList=[arn], TagKeys=["old"])["FailedResourcesMap"] == {}
    assert jobs.sagemaker.list_tags(ResourceArn=arn)["Tags"] == listed({"new": "2"})


def test_caller_needs_the_right_to_tag_the_resource_too(
    cloud: LocalCloud, jobs: Jobs, unique: Callable[[str], str]
) -> None:
    name, arn = unique("role"), config(jobs, unique("config"))
    iam, sts = cloud.client("iam"), cloud.client("sts")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    policy = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "tag:*", "Resource": "*"}}'
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
    keys = sts.assume_role(RoleArn=role, RoleSessionName="lab")["Credentials"]
    session = signers.session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    client = session.client("resourcegroupstaggingapi", endpoint_url=cloud.url)
    failed = client.tag_resources(ResourceARNList=[arn], Tags={"new": "2"})["FailedResourcesMap"]
    assert "not authorized to perform: sagemaker:AddTags" in failed[arn]["ErrorMessage"]
    assert jobs.sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_tags_of_alarms(tagging: Any, cloud: LocalCloud, unique: Callable[[str], str]) -> None:
    cloudwatch, name, key = cloud.client("cloudwatch"), unique("alarm"), unique("key")
    cloudwatch.put_metric_alarm(
        AlarmName=name, MetricName="m", Namespace=name, Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", Tags=listed({key: "1"}),
    )  # fmt: skip
    (arn,) = found(tagging, key, "1", ResourceTypeFilters=["cloudwatch:alarm"])
    assert arn.endswith(f":alarm:{name}")
    assert tagging.tag_resources(ResourceARNList=[arn], Tags={"more": "2"})["FailedResourcesMap"] == {}
    assert tagging.untag_resources(ResourceARNList=[arn], TagKeys=[key])["FailedResourcesMap"] == {}
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == listed({"more": "2"})
    failed = tagging.tag_resources(ResourceARNList=[f"{arn}-gone"], Tags={"a": "b"})["FailedResourcesMap"]
    assert list(failed) == [f"{arn}-gone"]
    cloudwatch.delete_alarms(AlarmNames=[name])
