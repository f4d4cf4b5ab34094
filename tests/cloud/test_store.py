"""The store: documents kept, changed in one step, listed page by page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagelab.cloud.store import (
    Document,
    Exists,
    Missing,
    Query,
    Resource,
    Store,
    Transition,
    decode,
    encode,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.db")
    yield opened
    opened.close()


def add(store: Store, name: str, status: str = "InProgress", **document: object) -> None:
    store.add(Resource(f"arn:{name}", "job", "here", name, status, {"name": name, **document}))


def names(store: Store, **query: object) -> list[str]:
    found, start = [], None
    while True:
        page, start = store.page(Query("job", "here", start=start, limit=2, **query))  # type: ignore[arg-type]
        found += [document["name"] for document in page]
        if start is None:
            return found


def test_document_comes_back_as_it_was(store: Store) -> None:
    document = {"when": datetime.now(UTC), "free": {"$time": "text of a user"}, "list": [1, None, "x"]}
    store.add(Resource("arn:1", "job", "here", "one", "New", document))
    assert store.get("arn:1") == document


def test_arn_can_be_taken_once(store: Store) -> None:
    add(store, "one")
    with pytest.raises(Exists):
        add(store, "one")
    with pytest.raises(Missing):
        store.get("arn:two")


def test_failed_change_leaves_the_document(store: Store) -> None:
    add(store, "one", count=1)

    def spoil(document: Document) -> str:
        document["count"] = 2
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        store.change("arn:one", spoil)
    assert store.get("arn:one")["count"] == 1


def test_changes_from_many_threads_are_all_kept(store: Store) -> None:
    add(store, "one", count=0)

    def count() -> None:
        for _ in range(50):
            store.change("arn:one", lambda document: document.update(count=document["count"] + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("arn:one")["count"] == 200


def test_pages_filter_and_sort(store: Store) -> None:
    for name, status in (("b", "Done"), ("a", "Failed"), ("C", "Done"), ("d%_x", "Done")):
        add(store, name, status)
    assert names(store) == ["d%_x", "C", "a", "b"]
    assert names(store, descending=False) == ["b", "a", "C", "d%_x"]
    assert names(store, status="Done", sort="Name", descending=False) == ["C", "b", "d%_x"]
    assert names(store, sort="Status", descending=False) == ["C", "b", "d%_x", "a"]
    assert names(store, name_contains="c") == ["C"]
    assert names(store, name_contains="%_") == ["d%_x"]


def test_tags_go_with_their_resource(store: Store) -> None:
    store.add(Resource("arn:1", "job", "here", "one", "New", {}), {"a": "1"})
    store.tag("arn:1", {"b": "2", "a": "3"})
    store.untag("arn:1", ["b"])
    assert store.tags("arn:1") == {"a": "3"}
    store.remove("arn:1")
    assert store.tags("arn:1") == {}


def test_store_is_there_after_it_was_opened_again(tmp_path: Path) -> None:
    first = Store(tmp_path / "store.db")
    add(first, "one", text="kept")
    second = Store(tmp_path / "store.db")
    assert second.get("arn:one")["text"] == "kept"
    first.close()
    second.close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_any_document_survives_the_way_through_text(document: Document) -> None:
    if "$time" not in str(document):
        assert decode(encode(document)) == document


def test_notes_are_kept_with_the_change_that_they_are_of(store: Store) -> None:
    seen: list[Transition] = []

    def note(change: Transition) -> list[str]:
        seen.append(change)
        return [f"{change.before and change.before['name']} {change.after and change.after['name']}"]

    store.note(frozenset({"job"}), note)
    add(store, "one")
    store.add(Resource("arn:other", "other", "here", "other", "New", {"name": "other"}))

    def spoil(_: Document) -> str:
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        store.change("arn:one", spoil)
    store.tag("arn:one", {"a": "b"})
    store.change("arn:one", lambda document: document.update(name="two"))
    store.remove("arn:one")
    told = [note for _, note in store.notes()]
    assert told == ["None one", "one one", "one two", "two None"]
    assert (seen[-1].tags, seen[-1].region) == ({"a": "b"}, "here")
    store.drop_note(store.notes()[0][0])
    assert [note for _, note in store.notes()] == told[1:]
