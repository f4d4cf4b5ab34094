"""The end of objects: what holds one, what goes with it, and what its end lets go.

An object with finalizers stays, marked with deletionTimestamp, until the last of them is taken away. Objects whose
every owner is gone follow it. A namespace and a definition wait for what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagelab.k8s import metadata
from sagelab.k8s.definitions import CLEANUP
from sagelab.k8s.kinds import DEFINITIONS, NAMESPACES, Kind, Kinds
from sagelab.k8s.statuses import Document
from sagelab.k8s.store import Store

FOREGROUND = "foregroundDeletion"


class Removal:
    """Deletes objects of a store, and all that must go with them."""

    def __init__(self, store: Store, kinds: Kinds) -> None:
        self._store, self._kinds = store, kinds

    def begin(self, kind: Kind, existing: Document, policy: str) -> None:
        """Delete an object. policy: Background, Foreground or Orphan, for what it owns."""
        self._begin(kind.resource, existing, policy)

    def go_on(self, kind: Kind, found: Document) -> None:
        """An object was changed: it goes where nothing holds it any more."""
        if found["metadata"].get("deletionTimestamp"):
            self._end(kind.resource, found)

    def _begin(self, resource: str, existing: Document, policy: str) -> None:
        had = existing["metadata"]
        if policy == "Orphan":
            for other, child in self._children(had["uid"]):
                self._disown(other, child, had["uid"])
        if not had.get("deletionTimestamp"):
            had |= {"deletionTimestamp": metadata.now(), "deletionGracePeriodSeconds": 0}
            had |= {"generation": had["generation"] + 1} if "generation" in had else {}
            if policy == "Foreground" and any(self._children(had["uid"])):
                had["finalizers"] = [*had.get("finalizers", ()), FOREGROUND]
            if resource == NAMESPACES:
                existing["status"] = {"phase": "Terminating"}
            if had.get("finalizers") or resource == NAMESPACES:
                self._store.put(resource, existing)
        if FOREGROUND in had.get("finalizers", ()):
            for other, child in self._children(had["uid"]):
                self._begin(other, child, "Foreground")
        for other, child in self._inside(resource, existing):
            self._begin(other, child, "Background")
        left = self._store.get(resource, had.get("namespace", ""), had["name"])
        if left:
            self._end(resource, left if left["metadata"].get("deletionTimestamp") else existing)

    def _end(self, resource: str, found: Document) -> None:
        """Remove it, unless something holds it still."""
        had = found["metadata"]
        if FOREGROUND in had.get("finalizers", ()) and not any(self._children(had["uid"])):
            self._let_go(resource, found, FOREGROUND)
        if CLEANUP in had.get("finalizers", ()) and not any(self._inside(resource, found)):
            self._let_go(resource, found, CLEANUP)
        held = resource == NAMESPACES and any(self._inside(resource, found))
        if had.get("finalizers") or held:
            return
        if self._store.get(resource, had.get("namespace", ""), had["name"]) is None:
            return
        self._store.remove(resource, found)
        if resource == DEFINITIONS:
            self._kinds.refresh()
        self._follow(had)

    def _follow(self, gone: Document) -> None:
        """What the end of an object lets go: what it owned, its owners, its namespace, its definition."""
        for other, child in list(self._children(gone["uid"])):
            if len(child["metadata"]["ownerReferences"]) > 1:
                self._disown(other, child, gone["uid"])
            else:
                self._begin(other, child, "Background")
        for resource, one in list(self._store.everything(having="deletionTimestamp")):
            if one["metadata"].get("deletionTimestamp") and self._waits(resource, one):
                self._end(resource, one)

    def _waits(self, resource: str, one: Document) -> bool:
        holding = one["metadata"].get("finalizers", ())
        return resource == NAMESPACES or FOREGROUND in holding or CLEANUP in holding

    def _children(self, uid: str) -> Iterator[tuple[str, Document]]:
        for resource, one in self._store.everything(having=uid):
            if any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences", ())):
                yield resource, one

    def _inside(self, resource: str, one: Document) -> Iterator[tuple[str, Document]]:
        """What is in a namespace, or of a definition's kind."""
        if resource == NAMESPACES:
            yield from self._store.everything(one["metadata"]["name"])
        elif resource == DEFINITIONS:
            name = one["metadata"]["name"]
            yield from ((name, child) for child in self._store.all(name))

    def _disown(self, resource: str, child: Document, uid: str) -> None:
        owners = [owner for owner in child["metadata"]["ownerReferences"] if owner["uid"] != uid]
        _set(child["metadata"], "ownerReferences", owners)
        self._store.put(resource, child)

    def _let_go(self, resource: str, found: Document, finalizer: str) -> None:
        left = [one for one in found["metadata"]["finalizers"] if one != finalizer]
        _set(found["metadata"], "finalizers", left)
        if left:
            self._store.put(resource, found)


def _set(metadata: Document, name: str, value: list[Any]) -> None:
    if value:
        metadata[name] = value
    else:
        metadata.pop(name, None)
