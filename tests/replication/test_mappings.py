"""Table mappings: wildcards, rules, filters, and those that are refused."""

from __future__ import annotations

import fnmatch
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagelab.replication import filters, mappings, patterns
from sagelab.replication.rows import MISSING, Column, Table

LOCATOR = {"schema-name": "%", "table-name": "%"}
INCLUDE: dict[str, Any] = {"rule-type": "selection", "rule-action": "include", "object-locator": LOCATOR}
TABLE = Table("s", "t", (Column("id", "integer"), Column("at", "date"), Column("word", "text")))


def parsed(*rules: dict[str, Any]) -> mappings.Mappings:
    numbered = [{"rule-id": str(number), **one} for number, one in enumerate((INCLUDE, *rules))]
    return mappings.parse(json.dumps({"rules": numbered}))


@given(st.text("ab%", max_size=8), st.text("ab", max_size=8))
def test_wildcards_are_those_of_a_shell(pattern: str, name: str) -> None:
    assert patterns.fits(patterns.compiled(pattern), name) == fnmatch.fnmatchcase(name, pattern.replace("%", "*"))


def test_wildcards_take_no_time_and_can_be_meant_themselves() -> None:
    began = time.process_time()
    assert not patterns.fits(patterns.compiled("%a" * 100 + "b"), "a" * 255)
    assert time.process_time() - began < 1
    assert patterns.fits(patterns.compiled("100[%][_]x"), "100%_x")


def change(target: str, action: str, **more: Any) -> dict[str, Any]:
    given = {name.replace("_", "-"): value for name, value in more.items()}
    locator = LOCATOR | {"column-name": "%"}
    return {
        "rule-type": "transformation",
        "rule-target": target,
        "rule-action": action,
        "object-locator": locator,
    } | given


@pytest.mark.parametrize(
    ("action", "more", "name"),
    [
        ("rename", {"value": "x"}, "x"),
        ("convert-uppercase", {}, "T"),
        ("add-prefix", {"value": "p_"}, "p_t"),
        ("add-suffix", {"value": "_s"}, "t_s"),
        ("remove-prefix", {"value": "t"}, "t"),  # nothing is called nothing
        ("replace-prefix", {"old_value": "t", "value": "u"}, "u"),
        ("replace-suffix", {"old_value": "x", "value": "u"}, "t"),
    ],
)
def test_tables_are_renamed(action: str, more: dict[str, str], name: str) -> None:
    assert parsed(change("table", action, **more)).target(("s", "t")) == ("s", name)


def test_columns_are_renamed_left_out_and_added() -> None:
    found = parsed(
        change("column", "remove-column") | {"object-locator": LOCATOR | {"column-name": "a%"}},
        change("column", "convert-uppercase"),
        change("column", "add-column", value="copy", expression="$word"),
        change("column", "add-column", value="fixed", expression="'it'"),
    ).outputs(TABLE)
    assert [(one.name, one.index, one.constant) for one in found] == [
        ("ID", 0, None),
        ("WORD", 2, None),
        ("copy", 2, None),
        ("fixed", None, "it"),
    ]


@pytest.mark.parametrize(
    ("column", "operator", "given", "row", "kept"),
    [
        ("id", "gte", {"value": "10"}, ("9", None, None), False),
        ("id", "gte", {"value": "10"}, ("100", None, None), True),
        ("id", "eq", {"value": "1.0"}, ("1", None, None), True),
        ("at", "between", {"start-value": "2026-01-01", "end-value": "2026-12-31"}, ("1", "2026-05-05", ""), True),
        ("at", "notbetween", {"start-value": "2026-01-01", "end-value": "2026-12-31"}, ("1", None, ""), False),
        ("word", "null", {}, ("1", None, None), True),
        ("word", "notnull", {}, ("1", None, ""), True),
        ("word", "eq", {"value": "x"}, ("1", None, MISSING), True),
        ("id", "eq", {"value": "no number"}, ("1", None, None), False),
    ],
)
def test_filters_take_rows_by_their_values(
    column: str, operator: str, given: dict[str, str], row: tuple[str | None, ...], kept: bool
) -> None:
    condition = {"filter-operator": operator, **given}
    asked = [{"filter-type": "source", "column-name": column, "filter-conditions": [condition]}]
    assert filters.compiled(tuple(filters.parse(asked)), TABLE)(row) is kept


BAD: dict[str, Any] = {
    "Invalid table mappings JSON": "{",
    "between 1 and": {"rules": []},
    "not unique": {"rules": [INCLUDE | {"rule-id": "1"}, INCLUDE | {"rule-id": "1"}]},
    "must include": {"rules": [INCLUDE | {"rule-id": "1", "rule-action": "exclude"}]},
    "Views are not": {"rules": [INCLUDE | {"rule-id": "1", "object-locator": LOCATOR | {"table-type": "view"}}]},
    "needs a schema-name": {"rules": [INCLUDE | {"rule-id": "1", "object-locator": {"table-name": "t"}}]},
    "rule-type 'table-settings'": {"rules": [INCLUDE | {"rule-id": "1", "rule-type": "table-settings"}]},
    "'change-data-type' of 'column'": {"rules": [change("column", "change-data-type") | {"rule-id": "1"}]},
    "needs a value": {"rules": [change("table", "rename") | {"rule-id": "1"}]},
    "The expression": {
        "rules": [change("column", "add-column", value="v", expression="a || b") | {"rule-id": "1"}]
    },
    "filter-operator": {
        "rules": [
            INCLUDE
            | {
                "rule-id": "1",
                "filters": [
                    {
                        "filter-type": "source",
                        "column-name": "c",
                        "filter-conditions": [{"filter-operator": "like", "value": "x"}],
                    }
                ],
            }
        ]
    },
}


@pytest.mark.parametrize("words", BAD)
def test_what_is_not_done_is_refused_by_name(words: str) -> None:
    text = BAD[words] if isinstance(BAD[words], str) else json.dumps(BAD[words])
    with pytest.raises(ValueError, match=words):
        mappings.parse(text)
