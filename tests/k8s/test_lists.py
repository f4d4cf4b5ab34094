from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from sagelab.k8s import lists, selectors, statuses
from sagelab.k8s import store as stores
from sagelab.k8s.kinds import OWN
from sagelab.k8s.lists import Asked, Watch
from sagelab.k8s.objects import Objects, Write
from sagelab.k8s.store import Store
from tests.k8s.conftest import WIDGETS, Api
from tests.loops import complete

MAPS = next(kind for kind in OWN if kind.resource == "configmaps")


def asked(labels: str = "", **options: Any) -> Asked:
    return Asked(MAPS, "default", selectors.parse(MAPS, labels, ""), **options)


def put(objects: Objects, name: str, **labels: str) -> str:
    body = {"metadata": {"name": name, "labels": labels}}
    return str(objects.create(MAPS, "default", body, Write())["metadata"]["resourceVersion"])


def relabel(objects: Objects, name: str, **labels: str | None) -> None:
    change = {"metadata": {"labels": labels}}
    objects.patch(MAPS, "default", name, "application/merge-patch+json", change, Write())


def follow(objects: Objects, since: str, count: int, labels: str = "", **options: Any) -> list[tuple[str, str]]:
    """The first events of a watch: what, and the name."""

    async def read() -> list[tuple[str, str]]:
        options.setdefault("bookmarks", False)
        watch = Watch(
            objects.store, asked(labels, version=since), 5, first=False, closing=asyncio.Event(), **options
        )
        version, found = watch.begin()
        async for event in watch.events(version):
            found.append(event)
            if len(found) == count:
                break
        return [(what, one["metadata"].get("name", "")) for what, one in found]

    return complete(read())


def test_a_page_goes_on_where_the_last_one_ended_and_as_the_list_was(store: Store) -> None:
    objects = Objects(store)
    for name in "abcde":
        put(objects, name)
    first = lists.page(store, asked(limit=2))
    objects.delete(MAPS, "default", "d", {})
    put(objects, "cc")
    second = lists.page(store, asked(limit=2, start=first.start))
    third = lists.page(store, asked(limit=2, start=second.start))
    names = [[one["metadata"]["name"] for one in page.items] for page in (first, second, third)]
    assert names == [["a", "b"], ["c", "d"], ["e"]]
    assert (first.left, third.start) == (3, "")


@pytest.mark.parametrize("start", ["%", "e30=", "WzEsIDJd"])
def test_a_continue_that_is_none_is_refused(api: Api, start: str) -> None:
    code, said = api.ask("GET", WIDGETS, limit=1, **{"continue": start})
    assert (code, said["reason"]) == (400, "BadRequest")


def test_a_watch_goes_on_from_a_version(store: Store) -> None:
    objects = Objects(store)
    since = put(objects, "a")
    put(objects, "b")
    relabel(objects, "a", x="1")
    objects.delete(MAPS, "default", "a", {})
    assert follow(objects, since, 3) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_what_no_longer_meets_a_selector_is_gone_from_its_watch(store: Store) -> None:
    objects = Objects(store)
    since = put(objects, "a", team="x")
    relabel(objects, "a", team="y")
    relabel(objects, "a", team="x")
    assert follow(objects, since, 2, "team=x") == [("DELETED", "a"), ("ADDED", "a")]


def test_a_version_that_is_forgotten_is_gone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "KEPT", 2)
    monkeypatch.setattr(stores, "SLACK", 2)
    objects = Objects(store)
    since = put(objects, "a")
    for n in range(6):
        relabel(objects, "a", n=str(n))
    with pytest.raises(statuses.StatusError) as gone:
        follow(objects, since, 1)
    assert (gone.value.code, gone.value.body["reason"]) == (410, "Expired")


def test_a_quiet_watch_has_bookmarks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "BOOKMARK", 0.01)
    objects = Objects(store)
    assert follow(objects, put(objects, "a"), 1, bookmarks=True) == [("BOOKMARK", "")]


def test_objects_and_their_changes_survive_the_process(store: Store, tmp_path: Any) -> None:
    objects = Objects(store)
    since = put(objects, "a")
    relabel(objects, "a", x="1")
    again = Store(tmp_path / "cluster.db")  # as after a kill: the first is still open
    assert again.version == store.version
    assert follow(Objects(again), since, 1) == [("MODIFIED", "a")]
    again.close()


SELECTED = [
    ("team=x", "ab"),
    ("team==x,size", "a"),
    ("team!=x", "cd"),
    ("team in (x, y)", "abc"),
    ("team notin (x)", "cd"),
    ("!team", "d"),
]


@pytest.mark.parametrize(("labels", "names"), SELECTED)
def test_label_selectors(api: Api, labels: str, names: str) -> None:
    for name, found in {"a": {"team": "x", "size": "1"}, "b": {"team": "x"}, "c": {"team": "y"}, "d": {}}.items():
        api.make(name, labels=found)
    items = api.do("GET", WIDGETS, labelSelector=labels)["items"]
    assert "".join(one["metadata"]["name"] for one in items) == names


def test_a_long_selector_holds_nobody_up(api: Api) -> None:
    began = time.process_time()
    assert api.ask("GET", WIDGETS, labelSelector="(" + "," * 60_000)[0] == 400
    assert api.ask("GET", WIDGETS, labelSelector="," * 60_000)[0] == 200
    assert time.process_time() - began < 2


def test_field_selectors(api: Api) -> None:
    for name in "ab":
        api.make(name)
    items = api.do("GET", WIDGETS, fieldSelector="metadata.name=b")["items"]
    assert [one["metadata"]["name"] for one in items] == ["b"]
    for fields in ("spec.size=3", "metadata.name"):
        assert api.ask("GET", WIDGETS, fieldSelector=fields)[0] == 400
    assert api.ask("GET", WIDGETS, labelSelector="a=b=c")[0] == 400
