"""A page of what a query has left in S3, whatever stands in that file by now."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from sagelab.cloud.resources.call import Beside
from sagelab.cloud.resources.query_results import page
from tests.conftest import LocalCloud

COLUMNS = [{"Name": "a"}, {"Name": "b"}]
Put = Callable[..., str]


@pytest.fixture(scope="module")
def s3(cloud: LocalCloud) -> Any:
    client = cloud.client("s3")
    client.create_bucket(Bucket="pages-of-results")
    return client


@pytest.fixture
def put(s3: Any, unique: Callable[[str], str]) -> Put:
    """put(body) -> the URI of a new object."""

    def act(body: bytes, ending: str = ".csv") -> str:
        key = unique("result") + ending
        s3.put_object(Bucket="pages-of-results", Key=key, Body=body)
        return f"s3://pages-of-results/{key}"

    return act


def rows(found: dict[str, Any]) -> list[list[str | None]]:
    return [[one.get("VarCharValue") for one in row["Data"]] for row in found["Rows"]]


def test_pages_follow_each_other_through_values_of_many_lines(s3: Any, put: Put) -> None:
    count, text = 3000, "x" * 700 + '\n"quoted", and more'
    escaped = text.replace('"', '""')
    body = '"a","b"\n' + "".join(f'"{number}","{escaped}"\n' for number in range(count))
    uri, token, found = put(body.encode()), None, []
    while True:
        answer = page(s3, uri, COLUMNS, token, 700)
        found += rows(answer)
        assert len(answer["Rows"]) <= 700
        if not (token := answer.get("NextToken")):
            break
    assert found == [["a", "b"], *([str(number), text] for number in range(count))]


def test_nothing_and_an_empty_text_are_not_the_same(s3: Any, put: Put) -> None:
    assert rows(page(s3, put(b'"",\n,""\n'), COLUMNS, None, 10)) == [["", None], [None, ""]]


def test_lines_of_a_statement_are_split_at_tabs_as_far_as_it_has_columns(s3: Any, put: Put) -> None:
    uri = put(b"a\tb\tc\nd\n", ".txt")
    assert rows(page(s3, uri, COLUMNS, None, 10)) == [["a", "b\tc"], ["d"]]
    assert rows(page(s3, uri, COLUMNS[:1], None, 10)) == [["a\tb\tc"], ["d"]]


@pytest.mark.parametrize("body", [b"", b'"', b'"a', b"\xff\xfe,\n", b'"a"b,c\n', b"\n" * 5, b'"' + b'""' * 50_000])
def test_any_file_is_read(s3: Any, put: Put, body: bytes) -> None:
    assert set(page(s3, put(body), COLUMNS, None, 1000)) == {"Rows"}


def token_of(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize("token", ["x", "!", token_of(1), token_of([-1, "x"]), token_of([0, "s3://other/x"])])
def test_a_token_of_another_result_is_refused(s3: Any, put: Put, token: str) -> None:
    with pytest.raises(Beside, match=r"Invalid NextToken\."):
        page(s3, put(b'"a"\n'), COLUMNS, token, 10)


def test_a_result_that_is_gone_is_said_to_be(s3: Any) -> None:
    with pytest.raises(Beside, match="Could not find results at s3://pages-of-results/gone"):
        page(s3, "s3://pages-of-results/gone.csv", COLUMNS, None, 10)
