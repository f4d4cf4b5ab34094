"""Glue's catalogue: names, and partitions a page at a time."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

NAMED = {"DatabaseName": "paged", "TableName": "days"}


@pytest.fixture(scope="module")
def glue(gateway: Any) -> Any:
    """With a table of seven partitions."""
    client = gateway.client("glue")
    client.create_database(DatabaseInput={"Name": "Paged"})
    storage = {"Columns": [{"Name": "n", "Type": "int"}], "Location": "s3://somewhere/days/"}
    keys = [{"Name": "d", "Type": "int"}]
    given = {"Name": "Days", "StorageDescriptor": storage, "PartitionKeys": keys}
    client.create_table(DatabaseName="PAGED", TableInput=given)
    made = [{"Values": [str(day)], "StorageDescriptor": storage} for day in range(7)]
    assert not client.batch_create_partition(**NAMED, PartitionInputList=made).get("Errors")
    return client


def days(answer: dict[str, Any]) -> list[str]:
    return [one["Values"][0] for one in answer["Partitions"]]


def test_names_are_kept_in_small_letters_and_found_in_any(glue: Any) -> None:
    assert glue.get_database(Name="PAGED")["Database"]["Name"] == "paged"
    assert glue.get_table(DatabaseName="pAGED", Name="DAYS")["Table"]["Name"] == "days"


def test_partitions_come_in_pages(glue: Any) -> None:
    first = glue.get_partitions(**NAMED, MaxResults=3)
    second = glue.get_partitions(**NAMED, MaxResults=3, NextToken=first["NextToken"])
    third = glue.get_partitions(**NAMED, MaxResults=3, NextToken=second["NextToken"])
    assert [days(one) for one in (first, second, third)] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert "NextToken" not in third
    assert "NextToken" not in glue.get_partitions(**NAMED, MaxResults=7)
    few = glue.get_partitions(**NAMED, Expression="d > 2", MaxResults=2)
    assert days(few) == ["3", "4"]
    assert days(glue.get_partitions(**NAMED, Expression="d > 2", NextToken=few["NextToken"])) == ["5", "6"]


def test_segments_have_each_partition_once_and_their_columns_where_they_are_wanted(glue: Any) -> None:
    answers = [
        glue.get_partitions(**NAMED, Segment={"SegmentNumber": number, "TotalSegments": 3}) for number in range(3)
    ]
    assert sorted(day for answer in answers for day in days(answer)) == [str(day) for day in range(7)]
    bare = glue.get_partitions(**NAMED, ExcludeColumnSchema=True, MaxResults=1)["Partitions"][0]
    assert bare["StorageDescriptor"] == {"Location": "s3://somewhere/days/"}
    whole = glue.get_partitions(**NAMED, MaxResults=1)["Partitions"][0]
    assert whole["StorageDescriptor"]["Columns"] == [{"Name": "n", "Type": "int"}]


@pytest.mark.parametrize(
    "more",
    [
        {"NextToken": "-1"},
        {"NextToken": "9" * 5000},
        {"NextToken": "x"},
        {"Segment": {"SegmentNumber": 3, "TotalSegments": 3}},
        {"Segment": {"SegmentNumber": 0, "TotalSegments": 11}},
    ],
)
def test_a_page_or_segment_that_is_none_is_refused(glue: Any, more: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="InvalidInputException"):
        glue.get_partitions(**NAMED, **more)
