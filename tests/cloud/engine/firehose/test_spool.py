"""What a delivery stream holds: each record in one place, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagelab.cloud.engine.firehose.spool import Held, Parcel, Spool


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "s.db")
    yield made
    made.close()


def test_records_are_taken_in_order_by_size_and_counted(spool: Spool, tmp_path: Path) -> None:
    assert spool.add(5.0, [(b"a" * 10, {}), (b"b" * 10, {"shard": "s"})], [("s", "7")]) == [1, 2]
    assert spool.add(6.0, [(b"", {})]) == [3]
    assert spool.held == Held(3, 20, 5.0)
    assert [one.data for one in spool.take(11)] == [b"a" * 10, b"b" * 10]
    assert [(one.number, one.arrived, one.facts) for one in spool.take(1 << 20)][1:] == [
        (2, 5.0, {"shard": "s"}),
        (3, 6.0, {}),
    ]
    again = Spool(tmp_path / "s.db")  # as after a kill
    assert (again.held, again.places()) == (Held(3, 20, 5.0), {"s": "7"})
    again.close()


def test_records_become_parcels_and_parcels_go(spool: Spool) -> None:
    spool.add(5.0, [(b"a", {}), (b"b", {}), (b"c", {})])
    spool.settle(2, [Parcel({"key": "k"}, b"ab"), Parcel({"key": "l"}, b"x")])
    assert spool.held == Held(1, 1, 5.0, 2, 3)
    first = spool.parcel()
    assert first is not None
    assert (first.facts, first.body) == ({"key": "k"}, b"ab")
    second = spool.parcel(first.number)
    assert second is not None
    spool.swap(first)
    spool.swap(second, [Parcel({"key": "aside"}, b"x")])
    left = spool.parcel()
    assert left is not None
    assert left.facts == {"key": "aside"}
    assert spool.add(6.0, [(b"d", {})]) == [4]  # a number is never used again


def test_a_change_that_fails_changes_nothing(spool: Spool) -> None:
    spool.add(5.0, [(b"a", {})])

    def parcels() -> Iterator[Parcel]:
        yield Parcel({"key": "k"}, b"a")
        yield Parcel({"key": "l"}, None)  # type: ignore[arg-type] # no content: the database refuses it

    with pytest.raises(Exception, match="NOT NULL"):
        spool.settle(1, parcels())
    assert spool.held == Held(1, 1, 5.0)
    assert spool.parcel() is None
