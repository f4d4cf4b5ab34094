from __future__ import annotations

from collections.abc import Callable

import pytest

from sagelab import catalog
from sagelab.catalog import Kind
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call
from tests.cloud import processing
from tests.cloud.jobs import Jobs

KINDS = pytest.mark.parametrize("kind", catalog.KINDS, ids=lambda kind: kind.stem)


def call(kind: Kind, **params: str) -> Call:
    return Call(kind.operation("List"), params, "us-east-1", "123456789012", "arn:aws:iam::123456789012:root")


@KINDS
def test_a_list_is_in_its_kinds_order_where_none_is_asked_for(kind: Kind) -> None:
    query = listing.read_query(call(kind), kind)
    assert (query.sort, "Descending" if query.descending else "Ascending") == kind.order


@KINDS
def test_a_list_is_in_the_order_that_is_asked_for(kind: Kind) -> None:
    for order in ("Ascending", "Descending"):
        query = listing.read_query(call(kind, SortBy="Status", SortOrder=order), kind)
        assert (query.sort, query.descending) == ("Status", order == "Descending")


@pytest.mark.parametrize(
    ("stem", "order"),
    [
        ("NotebookInstance", ("Name", "Ascending")),
        ("HyperParameterTuningJob", ("Name", "Ascending")),
        ("TrainingJob", ("CreationTime", "Descending")),
        ("ProcessingJob", ("CreationTime", "Ascending")),
        ("CompilationJob", ("CreationTime", "Ascending")),
        ("TransformJob", ("CreationTime", "Descending")),
        ("Endpoint", ("CreationTime", "Descending")),
        ("EndpointConfig", ("CreationTime", "Descending")),
        ("Model", ("CreationTime", "Descending")),
    ],
)
def test_orders_are_those_of_the_api_reference(stem: str, order: tuple[str, str]) -> None:
    assert catalog.of_stem(stem).order == order


def test_processing_jobs_come_oldest_first(jobs: Jobs, unique: Callable[[str], str]) -> None:
    prefix = unique("order")
    names = [f"{prefix}-{letter}" for letter in "bac"]
    for name in names:
        processing.run(jobs, processing.request("true", ProcessingJobName=name))
    found = jobs.sagemaker.list_processing_jobs(NameContains=prefix)["ProcessingJobSummaries"]
    assert [job["ProcessingJobName"] for job in found] == names
