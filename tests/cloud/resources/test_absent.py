"""Questions after what the local cloud never has are answered: there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from sagelab.cloud.gateway.wire.planes import CONTROL, Planes
from sagelab.cloud.resources import absent, operations
from tests import signers
from tests.conftest import LocalCloud

ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
ARNS = {
    "ClusterArn": "cluster/abcdefghijkl",
    "ReservedCapacityArn": "reserved-capacity/abcdefghijkl",
}


@pytest.fixture(scope="module")
def sagemaker(cloud: LocalCloud) -> Any:
    return cloud.client("sagemaker")


def refusal(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def test_every_list_of_what_is_never_here_is_empty_or_of_nothing_that_is_there(sagemaker: Any) -> None:
    planes = Planes()
    models = [planes.control(name) for name in planes.names()[CONTROL] if name not in operations()]
    asked = [model for model in models if model is not None and absent.find(model)]
    for model in asked:
        call, required = getattr(sagemaker, xform_name(model.name)), model.input_shape.required_members
        if required:
            given = {one: ARN + ARNS[one] if one in ARNS else "nobody" for one in required}
            assert refusal(call, **given) == "ResourceNotFound", model.name
        else:
            (member,) = (name for name in call() if name != "ResponseMetadata")
            assert call()[member] == [], model.name
    assert len(asked) > 40


def test_lists_that_sdks_ask_for_while_they_clean_up(sagemaker: Any) -> None:
    assert (
        sagemaker.list_monitoring_schedules(EndpointName="mine", MaxResults=10)["MonitoringScheduleSummaries"]
        == []
    )
    pages = sagemaker.get_paginator("list_images").paginate(NameContains="mine")
    assert [page["Images"] for page in pages] == [[]]
    assert sagemaker.search(Resource="Experiment")["Results"] == []


def test_a_list_of_something_that_is_not_there_is_not_found(sagemaker: Any) -> None:
    assert refusal(sagemaker.list_trials, ExperimentName="nobody") == "ResourceNotFound"
    assert sagemaker.list_trials()["TrialSummaries"] == []


def test_a_request_is_held_to_the_model_and_a_page_that_never_was_is_refused(sagemaker: Any) -> None:
    assert refusal(sagemaker.list_experiments, SortBy="Colour") == "ValidationException"
    assert refusal(sagemaker.list_experiments, NextToken="x") == "ValidationException"


@pytest.mark.parametrize("name", ["list_hubs", "list_model_metadata", "list_resource_catalogs"])
def test_a_list_in_which_aws_has_something_of_its_own_is_refused(sagemaker: Any, name: str) -> None:
    assert refusal(getattr(sagemaker, name)) == "UnknownOperationException"


def test_who_may_not_list_is_told_nothing(cloud: LocalCloud, unique: Callable[[str], str]) -> None:
    iam, name = cloud.client("iam"), unique("user")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    his = signers.session(key["AccessKeyId"], key["SecretAccessKey"]).client("sagemaker", endpoint_url=cloud.url)
    assert refusal(his.list_experiments) == "AccessDeniedException"
