"""A data stream's log: shards by hash key, order, what is kept and what is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagelab.cloud.engine.streams import iterators
from sagelab.cloud.engine.streams.iterators import BadIterator
from sagelab.cloud.engine.streams.limits import Limits
from sagelab.cloud.engine.streams.log import TOP, BadRange, Log, hash_of, place

MIDDLE = 1 << 127


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path / "l.db", 2)
    yield made
    made.close()


def test_records_go_to_the_shard_of_their_hash_key_in_order(log: Log, tmp_path: Path) -> None:
    assert [(one.id, one.low, one.high) for one in log.open] == [
        ("shardId-000000000000", 0, MIDDLE - 1),
        ("shardId-000000000001", MIDDLE, TOP),
    ]
    made = log.add(5.0, [(0, "a", b"1"), (TOP, "b", b"2"), (MIDDLE - 1, "c", b"3"), (MIDDLE, "d", b"4")])
    assert [one.shard for one in made] == [0, 1, 0, 1]
    numbers = [int(one.sequence) for one in made]
    assert numbers == sorted(numbers)
    assert place(made[2].sequence) == (3, 0)
    assert [one.data for one in log.read(0, 0, 10, 1 << 20)] == [b"1", b"3"]
    assert [one.data for one in log.read(1, made[1].number, 10, 1 << 20)] == [b"4"]
    assert [one.data for one in log.read(0, 0, 10, 1)] == [b"1"]
    again = Log(tmp_path / "l.db", 2)  # as after a kill
    assert (again.last(), len(again.shards)) == (4, 2)
    again.close()


def test_hash_of_a_key_is_its_md5() -> None:
    assert hash_of("a") == 0x0CC175B9C0F1B6A831C399E269772661


def test_shards_are_split_and_merged_and_their_ends_are_known(log: Log) -> None:
    log.add(5.0, [(0, "a", b"1")])
    log.split(0, 100, 6.0)
    assert [(one.number, one.low, one.parent, one.ended) for one in log.open] == [
        (2, 0, 0, None),
        (3, 100, 0, None),
        (1, MIDDLE, None, None),
    ]
    assert log.shards[0].ended == 1
    (made,) = log.add(7.0, [(99, "a", b"2")])
    assert made.shard == 2
    with pytest.raises(BadRange):
        log.merge(2, 1, 8.0)
    with pytest.raises(KeyError):
        log.split(0, 50, 8.0)
    for start in (0, 100, TOP):
        with pytest.raises(BadRange):
            log.split(2, start, 8.0)
    log.merge(3, 2, 8.0)
    assert [(one.number, one.low, one.high) for one in log.open] == [(4, 0, MIDDLE - 1), (1, MIDDLE, TOP)]
    assert (log.shards[4].parent, log.shards[4].adjacent) == (2, 3)


def test_what_is_too_old_is_forgotten(log: Log) -> None:
    log.add(5.0, [(0, "a", b"1"), (TOP, "b", b"2")])
    log.split(0, 100, 6.0)
    (kept,) = log.add(9.0, [(TOP, "b", b"3")])
    log.trim(8.0)
    assert 0 not in log.shards
    assert [one.data for one in log.read(1, 0, 10, 100)] == [b"3"]
    assert (log.before(1, 9.0), log.before(1, 9.5), log.newest(1)) == (kept.number - 1, kept.number, 9.0)
    log.trim(100.0)
    assert log.read(1, 0, 10, 100) == []
    assert log.add(101.0, [(0, "a", b"4")])[0].number == kept.number + 1


def test_an_iterator_is_nobody_s_to_make() -> None:
    made = iterators.Iterator("s", 3, 17, 5.0)
    token = made.token("secret")
    assert iterators.read(token, "secret") == made
    assert iterators.stream_of(token) == "s"
    forged = iterators.Iterator("other", 3, 17, 5.0).token("guess")
    for bad in (forged, token[:-4], "x", "", "A" * 100, token.replace(token[3], "!", 1)):
        with pytest.raises(BadIterator):
            iterators.read(bad, "secret")


def test_a_shard_takes_a_thousand_records_and_a_mebibyte_a_second() -> None:
    limits = Limits()
    taken = sum(limits.put(0, 10) for _ in range(1100))
    assert 1000 <= taken < 1100
    assert limits.put(1, 1 << 20)
    assert not limits.put(1, 1 << 19)
    assert limits.put(2, 10 << 20)  # a large one of a stream that takes such
    assert not limits.put(2, 1)
