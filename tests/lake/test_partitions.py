"""The partitions that a query reads, by a projection or by the catalogue's values; projections that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

ENABLED = {"projection.enabled": "true"}


def projected(room: Any, shelf: Any, key: str, kind: str, conditions: list[str], **said: str) -> list[str]:
    """The values of a table's one key that a projection means."""
    properties = {f"projection.{key}.{name.replace('_', '.')}": value for name, value in said.items()}
    table = shelf.table(Parameters=ENABLED | properties, PartitionKeys=[{"Name": key, "Type": kind}])
    found = room.partitions.find(table, None, shelf.connection, conditions)
    return [one.values[0] for one in found]


def test_numbers_are_projected_with_their_digits(room: Any, shelf: Any) -> None:
    said = {"type": "integer", "range": "8,12", "digits": "3", "interval": "2"}
    assert projected(room, shelf, "n", "int", [], **said) == ["008", "010", "012"]
    assert projected(room, shelf, "n", "int", ['"n" > 9'], **said) == ["010", "012"]


def test_dates_are_projected_in_their_form_up_to_now(room: Any, shelf: Any) -> None:
    months = {"type": "date", "range": "2025-11,2026-02", "format": "yyyy-MM"}
    assert projected(room, shelf, "m", "string", [], **months) == ["2025-11", "2025-12", "2026-01", "2026-02"]
    hours = {"type": "date", "range": "2026/02/28/22,2026/03/01/01", "format": "yyyy/MM/dd/HH"}
    assert projected(room, shelf, "h", "string", [], **hours) == [
        "2026/02/28/22",
        "2026/02/28/23",
        "2026/03/01/00",
        "2026/03/01/01",
    ]
    before = datetime.now(UTC)
    found = projected(room, shelf, "d", "string", [], type="date", range="NOW-2DAYS,NOW", format="yyyy-MM-dd")
    after = datetime.now(UTC)
    assert found in [[f"{now - timedelta(days=ago):%Y-%m-%d}" for ago in (2, 1, 0)] for now in (before, after)]


def test_names_are_enumerated_or_taken_from_what_is_asked(room: Any, shelf: Any) -> None:
    assert projected(room, shelf, "e", "string", ["\"e\" <> 'us'"], type="enum", values="eu, us,asia") == [
        "eu",
        "asia",
    ]
    injected = projected(room, shelf, "i", "string", ["\"i\" IN ('a', 'it''s')"], type="injected")
    assert injected == ["a", "it's"]
    with pytest.raises(room.errors.QueryFault, match="CONSTRAINT_VIOLATION: For the injected"):
        projected(room, shelf, "i", "string", ["\"i\" LIKE 'a%'"], type="injected")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"type": "nothing"},
        {"type": "integer"},
        {"type": "integer", "range": "5,1"},
        {"type": "integer", "range": "1,99999999999"},
        {"type": "integer", "range": "1,2", "digits": "1000000000"},
        {"type": "integer", "range": "1,2", "interval": "0"},
        {"type": "date", "range": "2026-01-01"},
        {"type": "date", "range": "0001-01-01,9999-12-31"},
        {"type": "date", "range": "2026-01-01,2026-02-01", "interval": "9" * 40},
        {"type": "date", "range": "2026-01-01,2026-02-01", "interval": "0"},
        {"type": "date", "range": "2026-01-01,2026-02-01", "interval_unit": "CENTURIES"},
        {"type": "date", "range": "NOW-99999999YEARS,NOW"},
    ],
)
def test_a_projection_that_is_none_is_refused(room: Any, shelf: Any, said: dict[str, str]) -> None:
    with pytest.raises(room.errors.QueryFault, match=r"INVALID_TABLE_PROPERTY: Table d\.t is configured"):
        projected(room, shelf, "k", "string", [], **said)


def test_projections_together_mean_so_many_partitions_at_most(room: Any, shelf: Any) -> None:
    properties = ENABLED.copy()
    for key in ("a", "b"):
        properties |= {f"projection.{key}.type": "integer", f"projection.{key}.range": "1,1000"}
    keys = [{"Name": key, "Type": "int"} for key in ("a", "b")]
    table = shelf.table(Parameters=properties, PartitionKeys=keys)
    with pytest.raises(room.errors.QueryFault, match="The projection means 1,000,000 partitions"):
        room.partitions.find(table, None, shelf.connection, [])
    found = room.partitions.find(table, None, shelf.connection, ['"a" = 7', '"b" IN (1, 2)'])
    assert [(one.values, one.location) for one in found] == [
        (("7", "1"), shelf.uri("t/a=7/b=1/")),
        (("7", "2"), shelf.uri("t/a=7/b=2/")),
    ]


def test_values_of_the_catalogue_are_compared_as_their_type_and_never_run(room: Any, shelf: Any) -> None:
    keys = [{"Name": "n", "Type": "int"}, {"Name": 'x"y', "Type": "string"}]
    table = shelf.table(PartitionKeys=keys)
    rows = [("9", "a"), ("10", "'); DROP TABLE partition_values; --"), (None, "b"), ("none", "c")]
    fitting = room.partitions.fitting
    assert fitting(table, shelf.connection, rows, ['"n" > 9']) == [1]
    assert fitting(table, shelf.connection, rows, ['"x""y" > \'a\'']) == [2, 3]
    assert fitting(table, shelf.connection, rows, []) == [0, 1, 2, 3]
