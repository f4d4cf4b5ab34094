"""Event patterns, as EventBridge's guide has them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sagelab.cloud.events import patterns

EVENT: dict[str, Any] = {
    "source": "mine",
    "time": "2026-11-29T10:00:00Z",
    "resources": ["one", "two"],
    "detail": {
        "state": "Running",
        "count": 5,
        "flag": True,
        "none": None,
        "empty": "",
        "file": "a/b/picture.PNG",
        "address": "10.0.0.7",
        "list": [{"name": "x", "size": 1}, {"name": "y", "size": 2}],
    },
}
FITS = [
    {"source": ["other", "mine"]},
    {"time": [{"prefix": "2026-11-29"}]},
    {"resources": ["two"]},
    {"resources": [{"anything-but": "one"}]},
    {"detail": {"count": [{"numeric": [">", 0, "<=", 5]}]}},
    {"detail": {"count": [5.0]}},
    {"detail": {"flag": [True], "none": [None], "empty": [""]}},
    {"detail": {"file": [{"suffix": {"equals-ignore-case": ".png"}}]}},
    {"detail": {"file": [{"prefix": {"equals-ignore-case": "A/"}}]}},
    {"detail": {"file": [{"wildcard": "a/*/pic*"}]}},
    {"detail": {"state": [{"equals-ignore-case": "RUNNING"}]}},
    {"detail": {"state": [{"anything-but": ["Stopped", "Failed"]}]}},
    {"detail": {"state": [{"anything-but": {"prefix": "Stop"}}]}},
    {"detail": {"state": [{"anything-but": {"wildcard": ["*x*", "*y*"]}}]}},
    {"detail": {"address": [{"cidr": "10.0.0.0/24"}]}},
    {"detail": {"state": [{"exists": True}], "other": [{"exists": False}], "gone": {"in": [{"exists": False}]}}},
    {"detail": {"list": {"name": ["y"], "size": [2]}}},
    {"$or": [{"source": ["other"]}, {"detail": {"count": [5]}}]},
    {"detail": {"$or": [{"state": ["Failed"]}, {"count": [{"numeric": ["=", 5]}]}]}},
]
FAILS = [
    {"source": ["Mine"]},
    {"detail": {"count": ["5"]}},
    {"detail": {"count": [True]}},
    {"detail": {"flag": [1]}},
    {"detail": {"count": [{"numeric": [">", 0, "<", 5]}]}},
    {"detail": {"other": [{"anything-but": "x"}]}},
    {"detail": {"other": [None]}},
    {"detail": {"state": [{"anything-but": {"equals-ignore-case": "running"}}]}},
    {"detail": {"list": {"name": ["x"], "size": [2]}}},
    {"detail": [{"exists": True}]},
    {"detail": {"state": {"of": ["Running"]}}},
    {"detail": {"address": [{"cidr": "10.1.0.0/16"}]}},
    {"$or": [{"source": ["other"]}, {"detail": {"count": [6]}}]},
]
NONE: dict[str, Any] = {
    "Filter is not an object": [],
    "Empty arrays are not allowed": {"source": []},
    '"source" must be an object or an array': {"source": "mine"},
    "Unrecognized match type like": {"source": [{"like": "m"}]},
    "Value of numeric is not valid": {"a": [{"numeric": [">", "1"]}]},
    "Value of prefix is not valid": {"a": [{"prefix": 1}]},
    "Value of cidr is not valid": {"a": [{"cidr": "here"}]},
    "Value of exists is not valid": {"a": [{"exists": "true"}]},
    "Value of anything-but is not valid": {"a": [{"anything-but": {"numeric": ["=", 1]}}]},
    "Only one key allowed": {"a": [{"prefix": "a", "suffix": "b"}]},
    "nested too deeply": None,
}


@pytest.mark.parametrize("pattern", FITS)
def test_pattern_fits(pattern: dict[str, Any]) -> None:
    patterns.check(pattern)
    assert patterns.matches(pattern, EVENT)


@pytest.mark.parametrize("pattern", FAILS)
def test_pattern_does_not_fit(pattern: dict[str, Any]) -> None:
    patterns.check(pattern)
    assert not patterns.matches(pattern, EVENT)


@pytest.mark.parametrize("why", NONE)
def test_what_is_no_pattern_is_refused(why: str) -> None:
    pattern: Any = NONE[why]
    if pattern is None:
        pattern = ["end"]
        for _ in range(100):
            pattern = {"a": pattern}
    with pytest.raises(ValueError, match=why):
        patterns.check(pattern)


def test_wildcards_and_nested_lists_take_no_longer_than_the_event_is() -> None:
    nested: Any = "x"
    for _ in range(900):
        nested = [nested]
    pattern = {"source": [{"wildcard": "*a" * 30 + "*b"}], "detail": ["y"]}
    start = time.process_time()
    assert not patterns.matches(pattern, {"source": "a" * 2000, "detail": nested})
    assert time.process_time() - start < 2
    wildcards = {r"a*\*end": ["a*end", f"a{'a' * 60}*end"], r"a*\\*end": []}
    sources = ["a*end", f"a{'a' * 60}*end", f"{'a' * 60}end"]
    for wildcard, fitting in wildcards.items():
        found = [one for one in sources if patterns.matches({"s": [{"wildcard": wildcard}]}, {"s": one})]
        assert found == fitting
