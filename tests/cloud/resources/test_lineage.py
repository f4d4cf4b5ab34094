"""Lineage: what is read from jobs, packages and endpoints, what requests add, and questions about both."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud.jobs import Jobs
from tests.cloud.resources.hosting import container, name
from tests.cloud.resources.test_model_packages import group, refusal, version


def artifact(jobs: Jobs, source: str) -> str:
    """The ARN of the artifact of a URI."""
    (found,) = jobs.sagemaker.list_artifacts(SourceUri=source)["ArtifactSummaries"]
    return str(found["ArtifactArn"])


def around(jobs: Jobs, arn: str) -> set[tuple[str, str, str]]:
    """(direction, type of the other, association) of each association of an entity."""
    ask = jobs.sagemaker.list_associations
    into = ask(DestinationArn=arn, MaxResults=100)["AssociationSummaries"]
    out = ask(SourceArn=arn, MaxResults=100)["AssociationSummaries"]
    return {("in", one["SourceType"], one["AssociationType"]) for one in into} | {
        ("out", one["DestinationType"], one["AssociationType"]) for one in out
    }


@pytest.fixture(scope="module")
def line(jobs: Jobs) -> dict[str, Any]:
    """A training job on data of its own, and a version of its model."""
    data = jobs.put(f"{name('data')}/rows.csv", b"1,2\n")
    request = jobs.shell("echo x > /opt/ml/model/weights", InputDataConfig=[jobs.channel("train", data)])
    job = jobs.run(request)
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    of = group(jobs)
    package = version(jobs, of, InferenceSpecification={"Containers": [container(jobs, ModelDataUrl=uri)]})
    return {"data": data, "job": job, "model": uri, "package": package, "group": of}


@pytest.mark.slow
def test_job_is_a_trial_component_between_what_it_read_and_what_it_made(jobs: Jobs, line: dict[str, Any]) -> None:
    listed = jobs.sagemaker.list_trial_components(SourceArn=line["job"]["TrainingJobArn"])
    (component,) = listed["TrialComponentSummaries"]
    assert component["TrialComponentName"] == f"{line['job']['TrainingJobName']}-aws-training-job"
    described = jobs.sagemaker.describe_trial_component(TrialComponentName=component["TrialComponentName"])
    assert described["Status"]["PrimaryStatus"] == "Completed"
    assert around(jobs, component["TrialComponentArn"]) == {
        ("in", "DataSet", "ContributedTo"),
        ("in", "Image", "ContributedTo"),
        ("out", "Model", "Produced"),
    }


@pytest.mark.slow
def test_version_of_a_model_leads_back_to_its_data(jobs: Jobs, line: dict[str, Any]) -> None:
    arn = artifact(jobs, line["package"])
    assert around(jobs, arn) == {
        ("in", "Model", "ContributedTo"),
        ("in", "Image", "ContributedTo"),
        ("in", "Approval", "ContributedTo"),
        ("out", "ModelGroup", "AssociatedWith"),
    }
    ask = jobs.sagemaker.query_lineage
    found = ask(StartArns=[arn], Direction="Ascendants", Filters={"Types": ["DataSet"]})
    assert [one["Arn"] for one in found["Vertices"]] == [artifact(jobs, line["data"])]
    near = ask(StartArns=[arn], Direction="Ascendants", MaxDepth=1, IncludeEdges=True)
    assert {one["Type"] for one in near["Vertices"]} == {"Model", "Image", "Approval"}
    assert {one["DestinationArn"] for one in near["Edges"]} == {arn}
    down = ask(
        StartArns=[artifact(jobs, line["data"])], Direction="Descendants", Filters={"LineageTypes": ["Context"]}
    )
    assert [one["Type"] for one in down["Vertices"]] == ["ModelGroup"]


@pytest.mark.slow
def test_what_is_told_of_a_resource_goes_with_it_alone(jobs: Jobs, line: dict[str, Any]) -> None:
    arn = artifact(jobs, line["package"])
    assert "goes with that" in refusal(jobs.sagemaker.delete_artifact, ArtifactArn=arn)
    of = version(jobs, line["group"])
    assert artifact(jobs, of)
    jobs.sagemaker.delete_model_package(ModelPackageName=of)
    assert jobs.sagemaker.list_artifacts(SourceUri=of)["ArtifactSummaries"] == []


def test_entities_that_requests_make_are_kept_changed_and_joined(jobs: Jobs) -> None:
    sagemaker, uri, own = jobs.sagemaker, f"s3://nowhere/{name('report')}", name("review")
    report = sagemaker.create_artifact(
        ArtifactName="report", Source={"SourceUri": uri}, ArtifactType="Report", Properties={"a": "1", "b": "2"}
    )["ArtifactArn"]
    assert "SourceUri" in refusal(sagemaker.create_artifact, Source={"SourceUri": uri}, ArtifactType="Report")
    sagemaker.update_artifact(ArtifactArn=report, Properties={"a": "3"}, PropertiesToRemove=["b"])
    described = sagemaker.describe_artifact(ArtifactArn=report)
    assert (described["ArtifactName"], described["Properties"]) == ("report", {"a": "3"})
    action = sagemaker.create_action(
        ActionName=own, Source={"SourceUri": uri}, ActionType="Review", Status="Completed"
    )
    context = sagemaker.create_context(ContextName=own, Source={"SourceUri": uri}, ContextType="Team")
    pair = {"SourceArn": action["ActionArn"], "DestinationArn": report}
    sagemaker.add_association(**pair, AssociationType="Produced")
    assert "already exists" in refusal(sagemaker.add_association, **pair)
    assert around(jobs, report) == {("in", "Review", "Produced")}
    found = sagemaker.query_lineage(StartArns=[report], Filters={"Properties": {"a": "3"}})
    assert [one["Arn"] for one in found["Vertices"]] == [report]
    sagemaker.delete_association(**pair)
    assert "no association" in refusal(sagemaker.delete_association, "ResourceNotFound", **pair)
    sagemaker.delete_action(ActionName=own)
    assert "does not exist" in refusal(sagemaker.describe_action, "ResourceNotFound", ActionName=own)
    sagemaker.delete_context(ContextName=own)
    sagemaker.delete_artifact(Source={"SourceUri": uri})
    assert context["ContextArn"] not in {
        one["ContextArn"] for one in sagemaker.list_contexts()["ContextSummaries"]
    }


def test_what_is_no_entity_is_not_joined_or_asked_about(jobs: Jobs) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:artifact/none"
    pair = {"SourceArn": arn, "DestinationArn": arn}
    assert "does not exist" in refusal(jobs.sagemaker.add_association, "ResourceNotFound", **pair)
    assert "no entity" in refusal(jobs.sagemaker.query_lineage, "ResourceNotFound", StartArns=[arn])
