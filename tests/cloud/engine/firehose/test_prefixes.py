"""The prefixes of a delivery stream's objects: AWS's examples, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sagelab.cloud.engine.firehose import prefixes
from sagelab.cloud.engine.firehose.prefixes import BadPrefix, NotEvaluated, Values

WHEN = datetime(2018, 8, 7, 10, 30, 5, 123_000, UTC).timestamp()
VALUES = Values(WHEN, error="processing-failed")


@pytest.mark.parametrize(
    ("prefix", "made"),
    [
        ("", "2018/08/07/10/"),
        ("folder/", "folder/2018/08/07/10/"),
        ("!{timestamp:yyyy/MM/dd}", "2018/08/07"),
        ("y=!{timestamp:yyyy}/m=!{timestamp:MM}/!{timestamp:'day='dd'/hour='HH}/", "y=2018/m=08/day=07/hour=10/"),
        ("!{timestamp:yy-M-d H:m:s.SSS a EEE MMM DDD}/", "18-8-7 10:30:5.123 AM Tue Aug 219/"),
        ("!{timestamp:yyyy''MM}", "2018'08"),
    ],
)
def test_a_prefix_is_evaluated(prefix: str, made: str) -> None:
    assert prefixes.of_data(prefix, VALUES) == made


def test_a_prefix_has_keys_and_random_strings_and_a_zone() -> None:
    keys = {"partitionKeyFromQuery": {"a": "x"}, "partitionKeyFromLambda": {"a": "y"}}
    prefix = "!{partitionKeyFromQuery:a}/!{partitionKeyFromLambda:a}/"
    assert prefixes.of_data(prefix, Values(WHEN, keys=keys)) == "x/y/"
    tokyo = Values(WHEN, zone="Asia/Tokyo")
    assert prefixes.of_data("", tokyo) == "2018/08/07/19/"
    found = prefixes.of_data("!{firehose:random-string}!{firehose:random-string}", VALUES)
    assert found[:11] != found[11:22]
    with pytest.raises(NotEvaluated, match="must not be null or empty: a"):
        prefixes.of_data(prefix, VALUES)
    with pytest.raises(NotEvaluated, match="more than 512"):
        prefixes.of_data(
            "!{partitionKeyFromQuery:a}", Values(WHEN, keys={"partitionKeyFromQuery": {"a": "x" * 513}})
        )


@pytest.mark.parametrize(
    ("prefix", "error_prefix", "made"),
    [
        ("data/", None, "data/processing-failed/2018/08/07/10/"),
        ("data/", "errors/", "errors/processing-failed/2018/08/07/10/"),
        ("", "e/!{firehose:error-output-type}/!{timestamp:yyyy}/", "e/processing-failed/2018/"),
    ],
)
def test_failures_have_a_prefix_of_their_own(prefix: str, error_prefix: str | None, made: str) -> None:
    assert prefixes.of_failures(prefix, error_prefix, VALUES) == made


@pytest.mark.parametrize(
    "prefix",
    """
    !{ !{} !{timestamp} !{timestamp:yyyy !{timestamp:'open} !{timestamp:B} !{timestamp:[yyyy]} !{firehose:odd}
    !{partitionKeyFromQuery:a+b} !{partitionKeyFromQuery:} !{a:!{timestamp:yyyy}}
    """.split(),
)
def test_what_is_no_expression_is_refused(prefix: str) -> None:
    with pytest.raises(BadPrefix):
        prefixes.check(prefix, "e/!{firehose:error-output-type}/")
