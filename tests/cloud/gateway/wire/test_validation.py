"""Violations are told in AWS's words, all of them at once."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.session import Session

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.gateway.wire.validation import _matcher, validate

MODEL = Session().get_service_model("sagemaker")
NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"


def violations(operation: str, params: dict[str, Any]) -> str:
    with pytest.raises(ValidationException) as error:
        validate(MODEL.operation_model(operation).input_shape, params)
    return error.value.message


def test_pattern() -> None:
    assert violations("StopTrainingJob", {"TrainingJobName": "x!"}) == (
        "1 validation error detected: Value 'x!' at 'trainingJobName' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {NAME}"
    )


def test_required() -> None:
    assert violations("StopTrainingJob", {}) == (
        "1 validation error detected: Value null at 'trainingJobName' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_every_violation_is_told() -> None:
    message = violations("ListTrainingJobs", {"MaxResults": 0, "StatusEquals": "Odd", "NameContains": "a" * 64})
    assert message.startswith("3 validation errors detected: ")
    assert (
        "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or" in message
    )
    assert (
        "at 'nameContains' failed to satisfy constraint: Member must have length less than or equal to 63"
        in message
    )
    assert (
        "Value 'Odd' at 'statusEquals' failed to satisfy constraint: Member must satisfy enum value set: ["
        in message
    )
    assert message.count("; ") == 2


def test_path_of_a_list_element() -> None:
    channel = {"ChannelName": "a b", "DataSource": {}}
    message = violations(
        "CreateTrainingJob", {"InputDataConfig": [{"ChannelName": "ok", "DataSource": {}}, channel]}
    )
    assert "Value 'a b' at 'inputDataConfig.2.member.channelName' failed" in message


def test_map_values_are_told_with_all_their_constraints() -> None:
    message = violations("CreateTrainingJob", {"HyperParameters": {"a": "b" * 2501}})
    assert "at 'hyperParameters' failed to satisfy constraint: Map value must satisfy constraint: " in message
    limits = "[Member must have length less than or equal to 2500, "
    limits += "Member must have length greater than or equal to 0"
    assert f"{limits}, " in message


def test_list_of_strings_is_told_as_a_whole() -> None:
    vpc = {"SecurityGroupIds": ["sg-1", "!"], "Subnets": ["subnet-1"]}
    message = violations("CreateTrainingJob", {"VpcConfig": vpc})
    assert (
        "Value '[sg-1, !]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: Member must satisfy"
        in message
    )


def test_null_in_a_list_is_a_violation() -> None:
    message = violations("AddTags", {"ResourceArn": "arn:aws:sagemaker:a:b:c", "Tags": [None]})
    assert "Value null at 'tags.1.member' failed to satisfy constraint: Member must not be null" in message


def test_good_request_passes() -> None:
    good = {"MaxResults": 100, "NameContains": "a-b"}
    validate(MODEL.operation_model("ListTrainingJobs").input_shape, good)
    assert violations("ListTrainingJobs", good | {"MaxResults": 101}).startswith("1 validation error detected: ")


def test_one_pattern_of_sagemaker_at_most_is_skipped() -> None:
    shapes = (MODEL.shape_for(name) for name in MODEL.shape_names)
    patterns = {shape.metadata["pattern"] for shape in shapes if "pattern" in shape.metadata}
    unusable = [pattern for pattern in patterns if _matcher(pattern) is None]
    assert len(unusable) <= 1, "Java takes halves of surrogate pairs in a range; Python does not"
