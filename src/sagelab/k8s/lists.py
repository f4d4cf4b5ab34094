"""Lists in pages, and watches: what happens to the objects of a list from a version on."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from time import monotonic

from sagelab.k8s import statuses
from sagelab.k8s.kinds import Kind
from sagelab.k8s.objects import shown
from sagelab.k8s.selectors import Selector
from sagelab.k8s.statuses import Document
from sagelab.k8s.store import Change, Store

BOOKMARK = 10.0  # seconds between two bookmarks of a watch
LONGEST = 3600.0  # seconds of a watch, whoever asks for more
FIRST_DONE = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class Asked:
    """What a list or a watch is about. namespace: "" for all. limit: 0 for no end."""

    kind: Kind
    namespace: str
    selector: Selector
    version: str = ""
    match: str = ""
    limit: int = 0
    start: str = ""

    def meets(self, document: Document | None) -> bool:
        if document is None or self.namespace not in ("", document["metadata"].get("namespace", "")):
            return False
        return self.selector.meets(document)


@dataclass(frozen=True)
class Page:
    """Objects of a list, as they were at a version; start: of the next page, "" at the end."""

    items: list[Document]
    version: int
    start: str = ""
    left: int = 0

    @property
    def metadata(self) -> Document:
        found: Document = {"resourceVersion": str(self.version)}
        return found | ({"continue": self.start, "remainingItemCount": self.left} if self.start else {})


def page(store: Store, asked: Asked) -> Page:
    """StatusError 410: the version that is asked for, or that the first page had, is not known any more."""
    at, after = _read_start(store, asked)
    found = store.all(asked.kind.resource, asked.namespace, at)
    chosen = [one for one in found if asked.meets(one) and (after is None or _place(one) > after)]
    version = store.version if at is None else at
    if not asked.limit or len(chosen) <= asked.limit:
        return Page([shown(asked.kind, one) for one in chosen], version)
    first = chosen[: asked.limit]
    start = base64.urlsafe_b64encode(json.dumps([version, *_place(first[-1])]).encode()).decode()
    return Page([shown(asked.kind, one) for one in first], version, start, len(chosen) - len(first))


def _read_start(store: Store, asked: Asked) -> tuple[int | None, tuple[str, str] | None]:
    """As of which version, and after which object."""
    if asked.start:
        try:
            version, namespace, name = json.loads(base64.urlsafe_b64decode(asked.start))
            return _known(store, int(version)), (str(namespace), str(name))
        except (ValueError, TypeError, binascii.Error) as error:
            raise statuses.bad_request("continue key is not valid") from error
    if asked.match == "Exact":
        return _known(store, read_version(asked.version)), None
    if asked.version and read_version(asked.version) > store.version:
        raise statuses.StatusError(504, "Timeout", f"Too large resource version: {asked.version}")
    return None, None


def _known(store: Store, version: int) -> int:
    if not store.oldest <= version <= store.version:
        raise statuses.gone(version, store.oldest)
    return version


def read_version(said: str) -> int:
    """A resourceVersion; StatusError 400: it is none."""
    if not said.isascii() or not said.isdigit() or len(said) > 18:
        raise statuses.bad_request(f"invalid resource version {said!r}")
    return int(said)


def _place(document: Document) -> tuple[str, str]:
    return document["metadata"].get("namespace", ""), document["metadata"]["name"]


Event = tuple[str, Document]  # ADDED, MODIFIED, DELETED, BOOKMARK; the object


@dataclass(frozen=True)
class Watch:
    """One watch.

    bookmarks: whether the client wants them. first: it wants all objects, and then a bookmark that says that these
    were all. closing: set when the server ends.
    """

    store: Store
    asked: Asked
    seconds: float
    bookmarks: bool
    first: bool
    closing: asyncio.Event

    def begin(self) -> tuple[int, list[Event]]:
        """The version it starts from, and what is told at once. StatusError 410: that is too long ago."""
        if self.asked.version not in ("", "0") and not self.first:
            version = read_version(self.asked.version)
            self.store.changes(self.asked.kind.resource, version)
            return version, []
        found = page(self.store, Asked(self.asked.kind, self.asked.namespace, self.asked.selector))
        return found.version, [("ADDED", one) for one in found.items]

    async def events(self, version: int) -> AsyncIterator[Event]:
        """What happens from a version on, until its time is over or the server ends."""
        kind, end = self.asked.kind, monotonic() + min(self.seconds, LONGEST)
        if self.first:
            yield self._bookmark(version, True)
        with self.store.listening() as changed:
            while (left := end - monotonic()) > 0 and not self.closing.is_set():
                changed.clear()
                seen = self.store.version
                for change in self.store.changes(kind.resource, version):
                    for event in self._seen(change):
                        yield event
                version = seen
                try:
                    await asyncio.wait_for(changed.wait(), min(left, BOOKMARK))
                except TimeoutError:
                    if self.bookmarks:
                        yield self._bookmark(version)

    def _seen(self, change: Change) -> Iterator[Event]:
        was, now = self.asked.meets(change.before), self.asked.meets(change.after)
        if was or now:
            what = "DELETED" if not now else "MODIFIED" if was else "ADDED"
            yield what, shown(self.asked.kind, change.last)

    def _bookmark(self, version: int, first_done: bool = False) -> Event:
        kind = self.asked.kind
        metadata: Document = {"resourceVersion": str(version), "creationTimestamp": None}
        if first_done:
            metadata["annotations"] = {FIRST_DONE: "true"}
        return "BOOKMARK", {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
