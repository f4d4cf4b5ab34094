"""Deliveries: kept until they are made, tried again, and buried in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.events.deliveries import KIND, WAITING, Deliveries, Undelivered
from sagelab.cloud.store import Document, Store
from tests.waiting import until

ROW = {"Target": {"Arn": "arn:1"}, "Region": "here"}


@dataclass
class Post:
    """A target that answers in turn, and what became of what it was sent; `now` is its clock."""

    answers: list[Exception | None]
    now: float = 1000.0
    sent: list[tuple[float, int]] = field(default_factory=list)
    buried: list[tuple[str, str]] = field(default_factory=list)

    def send(self, row: Document) -> None:
        answer = self.answers.pop(0) if self.answers else None
        self.sent.append((self.now, row["Retries"]))
        if answer:
            raise answer

    def bury(self, _row: Document, error: Undelivered, exhausted: str) -> None:
        self.buried.append((error.code, exhausted))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.db")
    yield opened
    opened.close()


@contextmanager
def delivering(store: Store, post: Post) -> Iterator[Deliveries]:
    made = Deliveries(store, post.send, post.bury, lambda: post.now)
    try:
        yield made
    finally:
        made.close()


def put_on(post: Post, deliveries: Deliveries, sent: int) -> None:
    """Put the clock on, an hour at a time, until so much was sent."""
    until(lambda: post.sent, bool)

    def look() -> bool:
        post.now += 3600
        deliveries.wake()
        return len(post.sent) >= sent

    until(look, bool)


def waiting(store: Store) -> list[Any]:
    return store.with_status(KIND, WAITING)


def again() -> Undelivered:
    return Undelivered("THROTTLING", "later", again=True)


def test_what_is_delivered_is_kept_no_longer(store: Store) -> None:
    post = Post([])
    with delivering(store, post) as deliveries:
        deliveries.add([ROW, ROW])
        until(lambda: not waiting(store), bool)
    assert [retries for _, retries in post.sent] == [0, 0]


def test_delivery_is_tried_again_until_it_is_taken(store: Store) -> None:
    post = Post([again(), again(), None])
    with delivering(store, post) as deliveries:
        deliveries.add([ROW])
        put_on(post, deliveries, 3)
        until(lambda: not waiting(store), bool)
    assert [retries for _, retries in post.sent] == [0, 1, 2]
    assert post.buried == []


@pytest.mark.parametrize(
    ("policy", "sent", "why"),
    [
        ({"MaximumRetryAttempts": 2}, 3, "MaximumRetryAttempts"),
        ({"MaximumRetryAttempts": 0}, 1, "MaximumRetryAttempts"),
        ({"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 185}, 2, "MaximumEventAgeInSeconds"),
    ],
)
def test_retries_end_as_the_policy_says(store: Store, policy: dict[str, int], sent: int, why: str) -> None:
    post = Post([again() for _ in range(10)])
    with delivering(store, post) as deliveries:
        deliveries.add([ROW | {"Target": {"Arn": "arn:1", "RetryPolicy": policy}}])
        put_on(post, deliveries, sent)
        until(lambda: not waiting(store), bool)
    assert (len(post.sent), post.buried) == (sent, [("THROTTLING", why)])


def test_what_nobody_may_is_not_tried_again(store: Store) -> None:
    post = Post([Undelivered("NO_PERMISSIONS", "no")])
    with delivering(store, post) as deliveries:
        deliveries.add([ROW])
        until(lambda: not waiting(store), bool)
    assert (len(post.sent), post.buried) == (1, [("NO_PERMISSIONS", "")])


def test_delivery_outlives_its_process(store: Store) -> None:
    post = Post([again()])
    with delivering(store, post) as deliveries:
        deliveries.add([ROW])
        until(lambda: bool(waiting(store)) and waiting(store)[0][1]["Retries"] == 1, bool)
    assert len(waiting(store)) == 1
    post.now += 3600
    with delivering(store, post):
        until(lambda: not waiting(store), bool)
    assert [retries for _, retries in post.sent] == [0, 1]


def test_slow_target_does_not_hold_up_the_others(store: Store) -> None:
    gate, heard = threading.Event(), threading.Event()
    acts: dict[str, Callable[[], Any]] = {"slow": lambda: gate.wait(30), "quick": heard.set}
    deliveries = Deliveries(store, lambda row: acts[row["Target"]["Arn"]](), lambda *_: None)
    deliveries.add(ROW | {"Target": {"Arn": name}} for name in ("slow", "quick"))
    assert heard.wait(30)
    gate.set()
    deliveries.close()
    assert not waiting(store)


def test_what_waits_together_is_delivered_together_and_judged_alone(store: Store) -> None:
    post, seen, open_ = Post([]), list[list[str]](), threading.Event()

    def many(rows: list[Document]) -> list[Undelivered | None]:
        open_.wait()
        names = [str(row["Name"]) for row in rows]
        seen.append(names)
        return [Undelivered("NO_RESOURCE", "gone") if name == "bad" else None for name in names]

    deliveries = Deliveries(store, post.send, post.bury, lambda: post.now, many)
    deliveries.add(ROW | {"Name": "bad" if number == 70 else str(number)} for number in range(100))
    open_.set()
    until(lambda: store.with_status(KIND, WAITING), lambda rows: not rows)
    deliveries.close()
    assert sorted(name for names in seen for name in names) == sorted(["bad", *map(str, {*range(100)} - {70})])
    assert 1 < max(map(len, seen)) <= 10
    assert post.buried == [("NO_RESOURCE", "")]
