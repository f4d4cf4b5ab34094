"""CreateEndpointConfig and its family, as a client sees them."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.home import ACCOUNT
from sagelab.cloud.resources import hosting_rules
from tests.cloud.jobs import ROLE, Jobs
from tests.cloud.resources.hosting import config, made, name, variant

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}"


@pytest.fixture(scope="module")
def served(jobs: Jobs) -> str:
    """The name of a model."""
    return made(jobs)


def refused(jobs: Jobs, request: dict[str, Any], code: str = "ValidationException") -> str:
    """The message that a CreateEndpointConfig request is refused with."""
    with pytest.raises(botocore.exceptions.ClientError) as trouble:
        jobs.sagemaker.create_endpoint_config(**request)
    error = trouble.value.response["Error"]
    assert error["Code"] == code
    return str(error["Message"])


def described(jobs: Jobs, request: dict[str, Any]) -> dict[str, Any]:
    """What a new configuration looks like."""
    jobs.sagemaker.create_endpoint_config(**request)
    found: dict[str, Any] = jobs.sagemaker.describe_endpoint_config(
        EndpointConfigName=request["EndpointConfigName"]
    )
    return found


def capture(bucket: str, **changes: Any) -> dict[str, Any]:
    return {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{bucket}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    } | changes


def test_describe_returns_what_was_sent_and_the_defaults(jobs: Jobs, served: str) -> None:
    sent = variant(
        served,
        AcceleratorType="ml.eia1.medium",
        RoutingConfig={"RoutingStrategy": "RANDOM"},
        ContainerStartupHealthCheckTimeoutInSeconds=60,
        ModelDataDownloadTimeoutInSeconds=120,
    )
    second = variant(served, VariantName="second", InitialVariantWeight=0.25)
    request = config(
        sent,
        second,
        DataCaptureConfig=capture(jobs.bucket),
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{jobs.bucket}/async"}},
    )
    found = described(jobs, request)
    assert found["ProductionVariants"] == [sent | {"InitialVariantWeight": 1.0}, second]
    assert found["DataCaptureConfig"] == request["DataCaptureConfig"] | {"EnableCapture": True}
    assert found["AsyncInferenceConfig"] == request["AsyncInferenceConfig"]
    assert found["EndpointConfigArn"] == f"{ARN}:endpoint-config/{request['EndpointConfigName']}"


def test_name_can_be_used_once_and_again_after_a_deletion(jobs: Jobs, served: str) -> None:
    request = config(variant(served))
    arn = jobs.sagemaker.create_endpoint_config(**request)["EndpointConfigArn"]
    assert refused(jobs, request) == f'Cannot create already existing endpoint configuration "{arn}".'
    jobs.sagemaker.delete_endpoint_config(EndpointConfigName=request["EndpointConfigName"])
    jobs.sagemaker.create_endpoint_config(**request)


def test_unknown_configuration_is_not_found(jobs: Jobs) -> None:
    for call in (jobs.sagemaker.describe_endpoint_config, jobs.sagemaker.delete_endpoint_config):
        with pytest.raises(botocore.exceptions.ClientError) as trouble:
            call(EndpointConfigName="nobody-made-this")
        error = trouble.value.response["Error"]
        assert error["Code"] == "ValidationException"
        words = f'Could not find endpoint configuration "{ARN}:endpoint-config/nobody-made-this".'
        assert error["Message"] == words


def test_model_that_is_not_there_is_refused_in_awss_words(jobs: Jobs, served: str) -> None:
    request = config(variant(served), variant("nobody-made-this", VariantName="second"))
    assert refused(jobs, request) == f'Could not find model "{ARN}:model/nobody-made-this".'


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"InstanceType": None}, "Value null at 'productionVariants.1.member.instanceType'"),
        ({"InitialInstanceCount": None}, "Value null at 'productionVariants.1.member.initialInstanceCount'"),
        ({"InstanceType": "ml.abacus"}, "enum value set"),
        ({"AcceleratorType": "ml.eia9.huge"}, "enum value set"),
        ({"ModelName": None}, "inference components"),
        ({"InitialVariantWeight": 0}, "must be greater than 0"),
        ({"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}, "InstanceType is not supported for"),
        ({"InstancePools": [{"InstanceType": "ml.c5.large", "Priority": 1}]}, "instance pools"),
        ({"ManagedInstanceScaling": {"Status": "ENABLED"}}, "ManagedInstanceScaling"),
        ({"RoutingConfig": {"RoutingStrategy": "PREFIX_AWARE"}}, "not by PREFIX_AWARE"),
    ],
)
def test_bad_variant_is_refused_in_words(jobs: Jobs, served: str, changes: dict[str, Any], words: str) -> None:
    assert words in refused(jobs, config(variant(served, **changes)))


def test_variants_have_names_of_their_own_and_are_ten_at_most(jobs: Jobs, served: str) -> None:
    assert "more than once" in refused(jobs, config(variant(served), variant(served)))
    eleven = [variant(served, VariantName=f"v{number}") for number in range(11)]
    assert "failed to satisfy constraint" in refused(jobs, config(*eleven))
    described(jobs, config(*eleven[:10]))


def test_shadow_is_one_of_one_variant_and_counts_as_one(jobs: Jobs, served: str) -> None:
    one, two = variant(served, VariantName="one"), variant(served, VariantName="two")
    found = described(jobs, config(one, ShadowProductionVariants=[two]))
    assert found["ShadowProductionVariants"] == [two | {"InitialVariantWeight": 1.0}]
    third = variant(served, VariantName="three")
    assert "only specify one variant" in refused(jobs, config(one, third, ShadowProductionVariants=[two]))
    assert "only specify one variant" in refused(jobs, config(one, ShadowProductionVariants=[two, third]))
    assert "Variant name one is used more than once" in refused(jobs, config(one, ShadowProductionVariants=[one]))
    many = two | {"InitialInstanceCount": hosting_rules.MAX_INSTANCES}
    limit = refused(jobs, config(one, ShadowProductionVariants=[many]), "ResourceLimitExceeded")
    assert "at most 20 instances" in limit
    nobody = variant("nobody-made-this", VariantName="two")
    assert "Could not find model" in refused(jobs, config(one, ShadowProductionVariants=[nobody]))


def test_instances_of_all_variants_are_limited(jobs: Jobs, served: str) -> None:
    half = hosting_rules.MAX_INSTANCES // 2
    pair = [variant(served, VariantName=name("v"), InitialInstanceCount=half + more) for more in (0, 1)]
    assert "at most 20 instances" in refused(jobs, config(*pair), "ResourceLimitExceeded")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"DataCaptureConfig": capture("no-such-bucket-here")}, '"no-such-bucket-here" of DestinationS3Uri'),
        ({"DataCaptureConfig": capture("b", InitialSamplingPercentage=101)}, "less than or equal to 100"),
        ({"DataCaptureConfig": capture("b", DestinationS3Uri="https://b/x")}, "is not an S3 URI"),
        ({"DataCaptureConfig": capture("b", CaptureOptions=[{"CaptureMode": "Nothing"}])}, "enum value set"),
        (
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://no-such-bucket-here/x"}}},
            '"no-such-bucket-here" of S3OutputPath',
        ),
        (
            {
                "AsyncInferenceConfig": {
                    "OutputConfig": {
                        "NotificationConfig": {"SuccessTopic": "arn:aws:sns:us-east-1:123456789012:t"}
                    }
                }
            },
            "sends no notifications",
        ),
        ({"ExecutionRoleArn": ROLE}, "inference components"),
        (
            {
                "ShadowProductionVariants": [variant("m", VariantName="s")],
                "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/x"}},
            },
            "not for asynchronous endpoints",
        ),
        (
            {"ExplainerConfig": {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {}}}}},
            "Clarify",
        ),
    ],
)
def test_bad_configuration_is_refused_in_words(
    jobs: Jobs, served: str, changes: dict[str, Any], words: str
) -> None:
    assert words in refused(jobs, config(variant(served), **changes))


def test_what_is_not_done_here_is_noted(jobs: Jobs, served: str) -> None:
    found = described(jobs, config(variant(served, VolumeSizeInGB=30), variant(served, VariantName="b")))
    assert hosting_rules.notes(found) == [
        "variant AllTraffic, VolumeSizeInGB: the disk is this machine's",
    ]


def test_list_filters_sorts_and_pages(jobs: Jobs, served: str) -> None:
    mark = name("list")
    names = [f"{mark}-{letter}" for letter in "bca"]
    for one in names:
        described(jobs, config(variant(served), EndpointConfigName=one))
    pages = jobs.sagemaker.get_paginator("list_endpoint_configs")

    def listed(**filters: Any) -> list[str]:
        options = {"NameContains": mark, "PaginationConfig": {"PageSize": 2}} | filters
        return [
            found["EndpointConfigName"] for page in pages.paginate(**options) for found in page["EndpointConfigs"]
        ]

    assert listed() == names[::-1]
    assert listed(SortBy="Name", SortOrder="Ascending") == sorted(names)


def test_configuration_survives_its_model_and_has_tags(jobs: Jobs) -> None:
    one = made(jobs)
    found = described(jobs, config(variant(one), Tags=[{"Key": "team", "Value": "blue"}]))
    jobs.sagemaker.delete_model(ModelName=one)
    tags = jobs.sagemaker.list_tags(ResourceArn=found["EndpointConfigArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "blue"}]
    kept = jobs.sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    assert kept["ProductionVariants"][0]["ModelName"] == one
