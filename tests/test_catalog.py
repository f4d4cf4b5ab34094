"""The rows of the catalog against AWS's own models, and kinds that are unlike the ones of today."""

from __future__ import annotations

import re

import botocore.session
import pytest

from sagelab import catalog
from sagelab.catalog import Kind, Removal, Use

API = botocore.session.get_session().get_service_model("sagemaker")
WHERE = "us-east-1:123456789012"
PACKAGE = catalog.of_stem("ModelPackage")
JOB = catalog.of_stem("InferenceRecommendationsJob")
CLUSTER = Kind(
    "cluster",
    "Cluster",
    "cluster",
    name_member="ClusterId",
    arn_member="ClusterArn",
    listed="Clusters",
    service="elasticmapreduce",
)
TOLD_SO = {"CreatedTime": "CreationTime"}  # of pipelines: the value that there is has another name
KINDS = pytest.mark.parametrize("kind", catalog.KINDS, ids=lambda kind: kind.stem)


@KINDS
def test_members_are_those_of_the_api(kind: Kind) -> None:
    described = API.operation_model(kind.operation("Describe")).output_shape
    rows = API.operation_model(kind.operation("List")).output_shape.members[kind.listed].member
    assert kind.name_member in API.operation_model(kind.operation("Describe")).input_shape.members
    assert {kind.name_member, kind.arn_member} <= set(described.members)
    assert {f"{kind.listed_as}{member}" for member in (kind.name_member, kind.arn_member)} <= set(rows.members)
    if kind.running:
        assert kind.status_member in described.members
        assert kind.status_member in rows.members
        assert {*kind.running, *kind.ended} <= set(described.members[kind.status_member].enum)
    assert not kind.ends_member or kind.ends_member in described.members


@KINDS
def test_lists_come_in_the_order_that_aws_documents(kind: Kind) -> None:
    operation = API.operation_model(kind.operation("List"))
    newest_first = "from the most current to the oldest" in operation.documentation  # against what SortOrder says
    for member, own in zip(("SortBy", "SortOrder"), kind.order, strict=True):
        text = operation.input_shape.members[member].documentation
        said = re.search(r"[Tt]he default is <code>(\w+)</code>", text)
        wanted = "Descending" if newest_first and member == "SortOrder" else said[1] if said else own
        assert own == TOLD_SO.get(wanted, wanted), text


@pytest.mark.parametrize("kind", catalog.KINDS, ids=lambda kind: kind.stem)
def test_a_path_leads_to_members_of_the_request(kind: Kind) -> None:
    paths = [*kind.roles, *(use.instances for use in kind.uses), *(use.times for use in kind.uses)]
    makes = kind.operation("Create") if "Create" in kind.verbs else kind.operation("Describe")
    request = API.operation_model(makes).input_shape
    config = API.operation_model("CreateEndpointConfig").input_shape
    for path in filter(None, paths):
        shape = config if path.startswith("ProductionVariants") else request
        for name in path.split("."):
            shape = shape.members[name.removesuffix("[]")]
            shape = shape.member if name.endswith("[]") else shape
    assert {step.verb for step in kind.removal} <= set(kind.verbs)


def test_no_operation_is_of_two_kinds() -> None:
    operations = [name for kind in catalog.KINDS for name in kind.operations]
    assert len(operations) == len(set(operations))


def test_a_kind_whose_name_is_not_its_stems() -> None:
    assert JOB.name_of({"JobName": "one"}) == "one"
    assert JOB.arn_member == "JobArn"
    assert JOB.arn_of("one", WHERE) == f"arn:aws:sagemaker:{WHERE}:inference-recommendations-job/one"
    assert JOB.path == "recommendations-jobs"


def test_a_kind_that_goes_by_arn_or_by_version() -> None:
    version = f"arn:aws:sagemaker:{WHERE}:model-package/digits/1"
    for params in ({"ModelPackageName": version}, {"ModelPackageArn": version}):
        named = PACKAGE.name_of(params)
        assert named is not None
        assert PACKAGE.arn_of(named, "eu-west-1:1") == version
    assert PACKAGE.arn_of("digits/1", WHERE) == version
    assert catalog.of_arn(version) is PACKAGE


def test_a_kind_whose_rows_have_longer_names() -> None:
    definition = catalog.of_stem("DataQualityJobDefinition")
    row = {"MonitoringJobDefinitionName": "one", "MonitoringJobDefinitionArn": "arn"}
    described = {"JobDefinitionName": "one", "JobDefinitionArn": "arn"}
    assert {(definition.address(found), definition.arn_in(found)) for found in (row, described)} == {
        ("one", "arn")
    }


def test_a_kind_whose_arn_is_another_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "KINDS", (*catalog.KINDS, CLUSTER))
    arn = f"arn:aws:elasticmapreduce:{WHERE}:cluster/j-1"
    assert CLUSTER.arn_of("j-1", WHERE) == arn
    assert CLUSTER.name_of({"ClusterId": "j-1"}) == "j-1"
    assert catalog.of_arn(arn) is CLUSTER
    assert catalog.of_arn(f"arn:aws:sagemaker:{WHERE}:cluster/j-1") is None


@pytest.mark.parametrize("arn", ["", "training-job/one", "arn:aws:s3:::bucket/key", "arn:aws:sagemaker::"])
def test_what_is_no_resource_of_a_kind(arn: str) -> None:
    assert catalog.of_arn(arn) is None


def test_a_path_reads_members_and_elements() -> None:
    document = {"A": {"B": 1}, "C": [{"D": 2}, {"E": 3}, {"D": 4}]}
    assert list(catalog.read(document, "A.B")) == [1]
    assert list(catalog.read(document, "C[].D")) == [2, 4]
    assert list(catalog.read(document, "")) == [document]
    for path in ("B", "A.C", "A[].B", "C.D", "A.B.C"):
        assert list(catalog.read(document, path)) == []


def test_instances_come_with_their_accelerators_as_often_as_they_are_multiplied() -> None:
    use = Use("hosting", "Variants[]", count="Count", times="Parallel")
    variants = [{"InstanceType": "a", "Count": 2, "AcceleratorType": "e"}, {"ServerlessConfig": {}}]
    assert list(use.hosts({"Variants": variants, "Parallel": 3})) == [("hosting", "a", 6), ("accelerator", "e", 6)]


def test_a_removal_says_what_was_done() -> None:
    assert [Removal(verb).done for verb in ("Stop", "Delete")] == ["stopped", "deleted"]
