"""Pipelines, as a client sees them: their definitions, versions and refusals."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.cloud.jobs import ROLE, Jobs
from tests.cloud.pipelines import Pipelines, definition, step
from tests.cloud.resources.test_model_packages import refusal

ENDS = definition(step("End", "Fail", {"ErrorMessage": "x"}))
OTHER = definition(step("Last", "Fail", {"ErrorMessage": "y"}))


@pytest.fixture(scope="module")
def pipelines(jobs: Jobs) -> Pipelines:
    return Pipelines(jobs)


def test_pipeline_is_described_updated_and_deleted(pipelines: Pipelines) -> None:
    made = pipelines.create(ENDS, PipelineDescription="one", Tags=[{"Key": "team", "Value": "a"}])
    sagemaker = pipelines.sagemaker
    found = sagemaker.describe_pipeline(PipelineName=made)
    assert (found["PipelineDefinition"], found["PipelineStatus"], found["PipelineDescription"]) == (
        ENDS,
        "Active",
        "one",
    )
    assert sagemaker.list_tags(ResourceArn=found["PipelineArn"])["Tags"] == [{"Key": "team", "Value": "a"}]
    updated = sagemaker.update_pipeline(PipelineName=made, PipelineDefinition=OTHER)
    assert updated["PipelineVersionId"] == 2
    assert sagemaker.describe_pipeline(PipelineName=made)["PipelineDefinition"] == OTHER
    assert sagemaker.describe_pipeline(PipelineName=made, PipelineVersionId=1)["PipelineDefinition"] == ENDS
    versions = sagemaker.list_pipeline_versions(PipelineName=made)["PipelineVersionSummaries"]
    assert [one["PipelineVersionId"] for one in versions] == [2, 1]
    sagemaker.delete_pipeline(PipelineName=made)
    for call in (sagemaker.describe_pipeline, sagemaker.delete_pipeline, sagemaker.list_pipeline_executions):
        assert "does not exist" in refusal(call, "ResourceNotFound", PipelineName=made)


def test_execution_keeps_the_version_that_it_was_started_with(pipelines: Pipelines) -> None:
    made = pipelines.create(ENDS)
    arn = pipelines.start(made)
    pipelines.sagemaker.update_pipeline(PipelineName=made, PipelineDefinition=OTHER)
    pipelines.wait(arn)
    describe = pipelines.sagemaker.describe_pipeline_definition_for_execution
    assert describe(PipelineExecutionArn=arn)["PipelineDefinition"] == ENDS
    old = pipelines.start(made, PipelineVersionId=1)
    pipelines.wait(old)
    assert list(pipelines.steps(old)) == ["End"]
    start = pipelines.sagemaker.start_pipeline_execution
    assert "no version 7" in refusal(start, "ResourceNotFound", PipelineName=made, PipelineVersionId=7)


def test_name_is_used_once_and_a_request_sent_twice_makes_one(pipelines: Pipelines) -> None:
    token = uuid.uuid4().hex
    made = pipelines.create(ENDS, ClientRequestToken=token)
    request = {"PipelineName": made, "PipelineDefinition": ENDS, "RoleArn": ROLE}
    create = pipelines.sagemaker.create_pipeline
    assert create(**request, ClientRequestToken=token)["PipelineArn"].endswith(made)
    assert "already exists" in refusal(create, **request)


def test_definition_comes_from_s3(jobs: Jobs, pipelines: Pipelines) -> None:
    jobs.put("definition.json", ENDS.encode())
    place = {"Bucket": jobs.bucket, "ObjectKey": "definition.json"}
    create, name = pipelines.sagemaker.create_pipeline, f"pipeline-{uuid.uuid4().hex[:12]}"
    create(PipelineName=name, PipelineDefinitionS3Location=place, RoleArn=ROLE)
    assert pipelines.sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"] == ENDS
    place["ObjectKey"] = "nothing.json"
    request: dict[str, Any] = {"PipelineName": f"{name}-b", "RoleArn": ROLE, "PipelineDefinitionS3Location": place}
    assert "cannot be read" in refusal(create, **request)


def test_what_cannot_run_is_refused(pipelines: Pipelines) -> None:
    create = pipelines.sagemaker.create_pipeline
    request: dict[str, Any] = {"PipelineName": f"pipeline-{uuid.uuid4().hex[:12]}", "RoleArn": ROLE}
    for text, words in {
        "{}": "Version must be",
        definition(step("A", "AutoML", {})): "does not run steps of type AutoML",
        definition(step("A", "Training", {}, DependsOn=["B"])): "no step of the pipeline",
    }.items():
        said = refusal(create, **request, PipelineDefinition=text)
        assert said.startswith("Unable to parse pipeline definition: ")
        assert words in said
    assert "Either PipelineDefinition" in refusal(create, **request)
    nobody = request | {"RoleArn": ROLE.replace("role/", "role/no-")}
    assert "Could not assume role" in refusal(create, **nobody, PipelineDefinition=ENDS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "do not have default values"),
        ({"Count": "many"}, "is not of type Integer"),
        ({"Count": "3", "Colour": "red"}, "not defined"),
    ],
)
def test_parameters_are_checked_when_an_execution_is_started(
    pipelines: Pipelines, given: dict[str, str], words: str
) -> None:
    text = json.loads(ENDS) | {"Parameters": [{"Name": "Count", "Type": "Integer"}]}
    made = pipelines.create(json.dumps(text))
    values = [{"Name": name, "Value": value} for name, value in given.items()]
    start = pipelines.sagemaker.start_pipeline_execution
    assert words in refusal(start, PipelineName=made, PipelineParameters=values)


def test_parts_of_a_pipeline_are_no_pipelines(pipelines: Pipelines) -> None:
    arn = pipelines.start(pipelines.create(ENDS))
    pipelines.wait(arn)
    sagemaker = pipelines.sagemaker
    other = f"{arn[:-2]}xy"
    assert refusal(sagemaker.describe_pipeline_execution, "ResourceNotFound", PipelineExecutionArn=other)
    assert refusal(sagemaker.describe_pipeline, "ResourceNotFound", PipelineName=arn)
