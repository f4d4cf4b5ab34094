"""CreateModel and its family, as a client sees them."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.home import ACCOUNT
from tests.cloud.jobs import IMAGE, ROLE, Jobs
from tests.cloud.resources.hosting import SERVING, container, made, model, name

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model"
ELASTIC = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference-eia:2.3.0-cpu"


def refused(jobs: Jobs, request: dict[str, Any]) -> str:
    """The message that a CreateModel request is refused with, as a ValidationException."""
    with pytest.raises(botocore.exceptions.ClientError) as trouble:
        jobs.sagemaker.create_model(**request)
    error = trouble.value.response["Error"]
    assert error["Code"] == "ValidationException"
    return str(error["Message"])


def source(uri: str, **changes: str) -> dict[str, Any]:
    data = {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"} | changes
    return {"ModelDataUrl": None, "ModelDataSource": {"S3DataSource": data}}


def test_describe_returns_what_was_sent_and_the_defaults(jobs: Jobs) -> None:
    request = model(jobs, PrimaryContainer=container(jobs, Environment={"A": "b"}, ContainerHostname="one"))
    arn = jobs.sagemaker.create_model(**request)["ModelArn"]
    found = jobs.sagemaker.describe_model(ModelName=request["ModelName"])
    sent = request["PrimaryContainer"]
    data = {"S3Uri": sent["ModelDataUrl"], "S3DataType": "S3Object", "CompressionType": "Gzip"}
    added = {"Mode": "SingleModel", "ModelDataSource": {"S3DataSource": data}}
    assert found["PrimaryContainer"] == sent | added
    assert (found["ModelArn"], found["EnableNetworkIsolation"]) == (arn, False)
    assert arn == f"{ARN}/{request['ModelName']}"
    assert found["ExecutionRoleArn"] == ROLE


def test_what_describe_says_makes_the_same_model_again(jobs: Jobs) -> None:
    found = jobs.sagemaker.describe_model(ModelName=made(jobs))["PrimaryContainer"]
    again = jobs.sagemaker.describe_model(ModelName=made(jobs, PrimaryContainer=found))
    assert again["PrimaryContainer"] == found


def test_name_can_be_used_once_and_again_after_a_deletion(jobs: Jobs) -> None:
    request = model(jobs)
    arn = jobs.sagemaker.create_model(**request)["ModelArn"]
    assert refused(jobs, request) == f'Cannot create already existing model "{arn}".'
    jobs.sagemaker.delete_model(ModelName=request["ModelName"])
    jobs.sagemaker.create_model(**request)


def test_unknown_model_is_not_found(jobs: Jobs) -> None:
    for call in (jobs.sagemaker.describe_model, jobs.sagemaker.delete_model):
        with pytest.raises(botocore.exceptions.ClientError) as trouble:
            call(ModelName="nobody-made-this")
        error = trouble.value.response["Error"]
        assert error["Code"] == "ValidationException"
        assert error["Message"] == f'Could not find model "{ARN}/nobody-made-this".'


@pytest.mark.parametrize("image", [SERVING, ELASTIC, SERVING.replace("2.20.0", "2.19.0-gpu").replace("-cpu", "")])
def test_images_that_serve(jobs: Jobs, image: str) -> None:
    found = jobs.sagemaker.describe_model(ModelName=made(jobs, PrimaryContainer=container(jobs, Image=image)))
    assert found["PrimaryContainer"]["Image"] == image


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (IMAGE, "is an image for training, which has no model server. "),
        ("busybox:1", "has no model server for the image busybox:1. "),
        (SERVING.replace("2.20.0", "1.15.0"), "tensorflow-inference (versions 2.0.0"),
        (SERVING.replace("763104351884", "123456789012"), "tensorflow-inference-eia (versions 2.0.0, 2.3.0)"),
    ],
)
def test_image_without_a_model_server_is_refused_with_the_known_ones(jobs: Jobs, image: str, words: str) -> None:
    assert words in refused(jobs, model(jobs, PrimaryContainer=container(jobs, Image=image)))


@pytest.mark.parametrize(
    "uri", ["s3://no-such-bucket-here/model.tar.gz", "s3://{bucket}/no-such-key", "s3://{bucket}"]
)
def test_model_data_that_is_not_there_is_refused_in_awss_words(jobs: Jobs, uri: str) -> None:
    where = uri.format(bucket=jobs.bucket)
    message = refused(jobs, model(jobs, PrimaryContainer=container(jobs, ModelDataUrl=where)))
    assert message == f"Could not find model data at {where}."


def test_model_data_as_a_prefix_of_files(jobs: Jobs) -> None:
    folder = jobs.put("plain/1/saved_model.pb", b"x").removesuffix("1/saved_model.pb")
    made(jobs, PrimaryContainer=container(jobs, **source(folder)))
    nowhere = folder.replace("plain", "nowhere")
    assert nowhere in refused(jobs, model(jobs, PrimaryContainer=container(jobs, **source(nowhere))))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"MultiModelConfig": {"ModelCacheSetting": "Disabled"}}, "is for a container of Mode MultiModel"),
        ({"Mode": "MultiModel", "ModelDataUrl": None}, "needs a ModelDataUrl"),
        ({"Mode": "MultiModel", "ModelDataUrl": "s3://no-such-bucket-here/p/"}, "Could not find model data"),
        ({"ModelPackageName": "p"}, "does not exist"),
        ({"Image": None}, "no Image"),
        ({"ModelDataUrl": None}, "neither ModelDataUrl nor ModelDataSource"),
        ({"ModelDataUrl": "https://example.com/model.tar.gz"}, "is not an S3 URI"),
        (source("s3://b/folder"), "must end with a slash"),
        (source("s3://b/folder/", CompressionType="Gzip"), "one archive"),
        (source("s3://b/folder/", ETag="e"), "ETag"),
        (source("s3://b/folder/") | {"ModelDataUrl": "s3://b/model.tar.gz"}, "either a ModelDataUrl or"),
        ({"ImageConfig": {"RepositoryAccessMode": "Vpc"}}, "registry in a VPC"),
        ({"Image": "with space"}, "failed to satisfy constraint"),
    ],
)
def test_bad_container_is_refused_in_words(jobs: Jobs, changes: dict[str, Any], words: str) -> None:
    assert words in refused(jobs, model(jobs, PrimaryContainer=container(jobs, **changes)))


def test_bad_request_is_refused_in_words(jobs: Jobs) -> None:
    one = container(jobs)
    without_role = {key: value for key, value in model(jobs).items() if key != "ExecutionRoleArn"}
    without_container = {key: value for key, value in model(jobs).items() if key != "PrimaryContainer"}
    assert "'executionRoleArn'" in refused(jobs, without_role)
    assert "either a PrimaryContainer or Containers" in refused(jobs, without_container)
    assert "either a PrimaryContainer or Containers" in refused(jobs, model(jobs, Containers=[one]))
    assert "Could not assume role" in refused(jobs, model(jobs, ExecutionRoleArn=f"{ROLE}-not"))
    assert "Mode Direct" in refused(jobs, model(jobs, InferenceExecutionConfig={"Mode": "Direct"}))
    assert "failed to satisfy constraint" in refused(jobs, model(jobs, ModelName="no_underscores"))


def test_one_container_in_a_list_is_a_model(jobs: Jobs) -> None:
    request = {key: value for key, value in model(jobs).items() if key != "PrimaryContainer"}
    jobs.sagemaker.create_model(**request, Containers=[container(jobs)])
    found = jobs.sagemaker.describe_model(ModelName=request["ModelName"])
    assert found["Containers"][0]["ModelDataSource"]["S3DataSource"]["CompressionType"] == "Gzip"


def row(jobs: Jobs, *containers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A CreateModel request for containers in a row."""
    request = model(jobs, Containers=list(containers), **changes)
    del request["PrimaryContainer"]
    return request


def test_containers_in_a_row_are_described_as_they_were_sent(jobs: Jobs) -> None:
    one, two = container(jobs, ContainerHostname="cleans"), container(jobs, ContainerHostname="answers")
    request = row(jobs, one, two, InferenceExecutionConfig={"Mode": "Direct"})
    jobs.sagemaker.create_model(**request)
    found = jobs.sagemaker.describe_model(ModelName=request["ModelName"])
    assert [each["ContainerHostname"] for each in found["Containers"]] == ["cleans", "answers"]
    assert found["InferenceExecutionConfig"] == {"Mode": "Direct"}


def test_bad_row_is_refused_in_words(jobs: Jobs) -> None:
    one, named = container(jobs), container(jobs, ContainerHostname="a")
    spark = container(jobs, Image="683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-sparkml-serving:3.3")
    direct = {"InferenceExecutionConfig": {"Mode": "Direct"}}
    assert "for every one" in refused(jobs, row(jobs, one, named))
    assert "ContainerHostname a is used more than once" in refused(jobs, row(jobs, named, named))
    assert "needs a ContainerHostname of each" in refused(jobs, row(jobs, one, one, **direct))
    assert "no Image" in refused(jobs, row(jobs, one, container(jobs, Image=None)))
    assert "length less than or equal to 15" in refused(jobs, row(jobs, *[one] * 16))
    assert "Could not find model data" in refused(jobs, row(jobs, one, container(jobs, ModelDataUrl="s3://b/k")))
    many = container(jobs, Mode="MultiModel", ModelDataUrl=f"s3://{jobs.bucket}/models/")
    named_many = many | {"ContainerHostname": "b"}
    assert "Only one container of Mode MultiModel" in refused(jobs, row(jobs, many, many))
    assert "does not ask a container of Mode MultiModel directly" in refused(
        jobs, row(jobs, named, named_many, **direct)
    )
    assert "convert the pipeline to ONNX" in refused(jobs, row(jobs, spark, one))


def test_list_filters_sorts_and_pages(jobs: Jobs) -> None:
    mark = name("list")
    names = [f"{mark}-{letter}" for letter in "bca"]
    for one in names:
        made(jobs, ModelName=one)
    pages = jobs.sagemaker.get_paginator("list_models")

    def listed(**filters: Any) -> list[str]:
        options = {"NameContains": mark, "PaginationConfig": {"PageSize": 2}} | filters
        return [found["ModelName"] for page in pages.paginate(**options) for found in page["Models"]]

    assert listed() == names[::-1]
    assert listed(SortOrder="Ascending") == names
    assert listed(SortBy="Name", SortOrder="Ascending") == sorted(names)
    second = jobs.sagemaker.describe_model(ModelName=names[1])["CreationTime"]
    assert listed(CreationTimeBefore=second) == [names[0]]
    with pytest.raises(botocore.exceptions.ClientError, match="next token is invalid"):
        jobs.sagemaker.list_models(NextToken="bm9uc2Vuc2U=")


def test_tags_of_a_model_and_search_by_them(jobs: Jobs) -> None:
    one = made(jobs, Tags=[{"Key": "team", "Value": jobs.bucket}])
    arn = f"{ARN}/{one}"
    jobs.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "cost", "Value": "1"}])
    assert [tag["Key"] for tag in jobs.sagemaker.list_tags(ResourceArn=arn)["Tags"]] == ["cost", "team"]
    wanted = {"Name": "Model.Tags.team", "Operator": "Equals", "Value": jobs.bucket}
    results = jobs.sagemaker.search(Resource="Model", SearchExpression={"Filters": [wanted]})["Results"]
    assert [result["Model"]["Model"]["ModelName"] for result in results] == [one]
    jobs.sagemaker.delete_model(ModelName=one)
    with pytest.raises(botocore.exceptions.ClientError, match="Could not find resource"):
        jobs.sagemaker.list_tags(ResourceArn=arn)
