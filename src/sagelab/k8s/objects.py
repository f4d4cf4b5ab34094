"""What may be done with an object, and what follows: versions, generations, status, finalizers, namespaces."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sagelab.k8s import definitions, metadata, patches, schemas, statuses
from sagelab.k8s.kinds import DEFINITIONS, NAMESPACES, Kind, Kinds
from sagelab.k8s.removal import Removal
from sagelab.k8s.statuses import Cause, Document
from sagelab.k8s.store import Store

KEPT_EVENTS = timedelta(hours=1)
FIRST_NAMESPACES = ("default", "kube-system")


@dataclass
class Write:
    """How a change is to be made. strict: unknown fields are refused. dry: nothing is kept.

    unknown: the fields that were dropped, once it is done.
    """

    strict: bool = False
    dry: bool = False
    unknown: list[str] = field(default_factory=list)


class Objects:
    """The objects of a store, changed by the rules of their kinds."""

    def __init__(self, store: Store) -> None:
        self.store, self.kinds = store, Kinds(store)
        self._removal = Removal(store, self.kinds)
        namespaces = next(kind for kind in self.kinds if kind.resource == NAMESPACES)
        for name in FIRST_NAMESPACES:
            if store.get(NAMESPACES, "", name) is None:
                self.create(namespaces, "", {"metadata": {"name": name}}, Write())

    def get(self, kind: Kind, namespace: str, name: str) -> Document:
        """StatusError 404: there is none."""
        found = self.store.get(kind.resource, namespace, name)
        if found is None:
            raise statuses.not_found(kind.plural, kind.group, name)
        return shown(kind, found)

    def create(self, kind: Kind, namespace: str, body: Document, how: Write) -> Document:
        """A new object. StatusError: it cannot be."""
        if kind.ending:
            raise statuses.not_allowed("create not allowed while custom resource definition is terminating")
        found = self._read(kind, namespace, body)
        given = metadata.read(body)
        if given.get("resourceVersion"):
            raise statuses.bad_request("resourceVersion should not be set on objects to be created")
        if not given.get("name") and not given.get("generateName"):
            required = Cause(
                "FieldValueRequired", "metadata.name", "Required value: name or generateName is required"
            )
            raise statuses.invalid(kind.kind, kind.group, "", [required])
        found["metadata"] = metadata.begin(given, kind.status)
        if kind.namespaced:
            found["metadata"]["namespace"] = namespace
            self._open_namespace(kind, namespace, found["metadata"]["name"])
        if kind.status:
            found.pop("status", None)
        self._check(kind, found, how)
        name = found["metadata"]["name"]
        if self.store.get(kind.resource, namespace, name):
            raise statuses.already_exists(kind.plural, kind.group, name)
        return self._keep(kind, found, how)

    def update(
        self, kind: Kind, namespace: str, name: str, body: Document, how: Write, part: str = ""
    ) -> Document:
        """An object as it is from now on. part: "status" where only that is written. StatusError: it cannot be."""
        existing = self.get(kind, namespace, name)
        found = self._read(kind, namespace, body)
        given = metadata.read(body)
        if given.get("name") != name:
            words = f"the name of the object ({given.get('name', '')}) does not match the name on the URL ({name})"
            raise statuses.bad_request(words)
        self._precede(kind, given, existing, kind.custom)
        return self._replace(kind, existing, found, given, how, part)

    def patch(
        self, kind: Kind, namespace: str, name: str, media: str, patch: Any, how: Write, part: str = ""
    ) -> Document:
        """An object changed by a patch. StatusError: it cannot be, or is none afterwards."""
        existing = self.get(kind, namespace, name)
        changed = patches.apply(media, deepcopy(existing), patch, kind.custom)
        found = self._read(kind, namespace, changed)
        given = metadata.read(changed)
        self._precede(kind, given, existing, False)
        return self._replace(kind, existing, found, given, how, part)

    def delete(self, kind: Kind, namespace: str, name: str, options: Document, dry: bool = False) -> Document:
        """The object, where something holds it still, else a Status. StatusError: it is not that one."""
        existing = self.get(kind, namespace, name)
        wanted = options.get("preconditions") or {}
        self._precede(kind, {key: wanted.get(key) for key in ("uid", "resourceVersion")}, existing, False)
        if kind.resource == NAMESPACES and name in FIRST_NAMESPACES:
            raise statuses.forbidden("namespaces", "", name, "this namespace may not be deleted")
        if not dry:
            self._removal.begin(kind, existing, options.get("propagationPolicy") or "Background")
            if kind.resource == DEFINITIONS:
                self.kinds.refresh()
        left = self.store.get(kind.resource, namespace, name)
        if left:
            return shown(kind, left)
        return statuses.success(kind.plural, kind.group, name, existing["metadata"]["uid"])

    def _read(self, kind: Kind, namespace: str, body: Document) -> Document:
        """A copy of a client's object, of this kind and in this namespace."""
        found = deepcopy(body)
        if not kind.custom:
            found = {"apiVersion": kind.api_version, "kind": kind.kind} | found
        for key, asked in (("kind", kind.kind), ("apiVersion", kind.api_version)):
            if not isinstance(found.get(key), str):
                raise statuses.bad_request(f"Object '{key}' is missing in the body of the request")
            if found[key] != asked:
                what = "API version" if key == "apiVersion" else "kind"
                raise statuses.bad_request(
                    f"the {what} in the data ({found[key]}) does not match the expected {what} ({asked})"
                )
        said = found["metadata"].get("namespace") if isinstance(found.get("metadata"), dict) else None
        if said not in (None, "", namespace):
            words = "the namespace of the provided object does not match the namespace sent on the request"
            raise statuses.bad_request(words)
        return found

    def _open_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        found = self.store.get(NAMESPACES, "", namespace)
        if found is None:
            raise statuses.not_found(NAMESPACES, "", namespace)
        if found["metadata"].get("deletionTimestamp"):
            words = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise statuses.forbidden(kind.plural, kind.group, name, words)

    def _precede(self, kind: Kind, given: Document, existing: Document, needed: bool) -> None:
        """The client means the object as it is."""
        had, name = existing["metadata"], existing["metadata"]["name"]
        if needed and not given.get("resourceVersion"):
            words = "Invalid value: 0x0: must be specified for an update"
            cause = Cause("FieldValueInvalid", "metadata.resourceVersion", words)
            raise statuses.invalid(kind.kind, kind.group, name, [cause])
        if given.get("uid") not in (None, had["uid"]):
            words = f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {had['uid']}"
            raise statuses.conflict(kind.plural, kind.group, name, words)
        if given.get("resourceVersion") not in (None, "", had["resourceVersion"]):
            raise statuses.conflict(kind.plural, kind.group, name)

    def _replace(
        self, kind: Kind, existing: Document, found: Document, given: Document, how: Write, part: str
    ) -> Document:
        had = existing["metadata"]
        if part == "status":
            kept = {name: one for name, one in existing.items() if name != "status"}
            found = kept | ({"status": found["status"]} if "status" in found else {})
        else:
            found["metadata"] = metadata.go_on(given, had)
            if kind.status:
                found.pop("status", None)
                found |= {"status": existing["status"]} if "status" in existing else {}
        added = set(found["metadata"].get("finalizers", ())) - set(had.get("finalizers", ()))
        if had.get("deletionTimestamp") and added:
            words = (
                f"Forbidden: no new finalizers can be added if the object is being deleted, found {sorted(added)}"
            )
            cause = Cause("FieldValueForbidden", "metadata.finalizers", words)
            raise statuses.invalid(kind.kind, kind.group, had["name"], [cause])
        self._check(kind, found, how, existing)
        if _counted(kind, found) != _counted(kind, existing) and "generation" in had:
            found["metadata"]["generation"] = had["generation"] + 1
        if _stored(found) == _stored(existing):
            return existing
        return self._keep(kind, found, how)

    def _check(self, kind: Kind, found: Document, how: Write, existing: Document | None = None) -> None:
        """Defaults in, unknown fields out, no fault left."""
        name = found["metadata"]["name"]
        if kind.resource == "secrets":
            _encode(found)
        how.unknown = schemas.prune(kind.schema, found)
        if how.unknown and how.strict:
            words = ", ".join(f'unknown field "{one}"' for one in how.unknown)
            said = f"{kind.kind} in version {kind.version!r} cannot be handled as a {kind.kind}"
            raise statuses.bad_request(f"{said}: strict decoding error: {words}".replace("'", '"'))
        schemas.fill(kind.schema, found)
        wrong = [
            *metadata.faults(kind, found["metadata"]),
            *schemas.faults(kind.schema, found),
            *_coded_faults(kind, found),
        ]
        if kind.resource == DEFINITIONS and not wrong:
            wrong += [*definitions.faults(found, self.kinds), *_steady(found, existing)]
        if wrong:
            raise statuses.invalid(kind.kind, kind.group, name, wrong)
        _complete(kind, found)

    def _keep(self, kind: Kind, found: Document, how: Write) -> Document:
        if how.dry:
            return found
        self.store.put(kind.resource, found)
        if kind.resource == DEFINITIONS:
            self.kinds.refresh()
        if kind.resource == "events":
            self._forget_events(found["metadata"]["namespace"])
        self._removal.go_on(kind, found)
        return found

    def _forget_events(self, namespace: str) -> None:
        limit = (datetime.now(UTC) - KEPT_EVENTS).strftime("%Y-%m-%dT%H:%M:%SZ")
        for one in self.store.all("events", namespace):
            if one["metadata"]["creationTimestamp"] < limit:
                self.store.remove("events", one)


def shown(kind: Kind, document: Document) -> Document:
    """An object in the version that was asked for: all versions of a kind are alike."""
    return {**document, "apiVersion": kind.api_version, "kind": kind.kind}


def _counted(kind: Kind, document: Document) -> Document:
    """What of an object a new generation stands for."""
    left = ("metadata", "apiVersion", *(["status"] if kind.status else []))
    return {name: value for name, value in document.items() if name not in left}


def _stored(document: Document) -> Document:
    kept = {name: value for name, value in document["metadata"].items() if name != "resourceVersion"}
    return {**document, "metadata": kept, "apiVersion": ""}


def _encode(secret: Document) -> None:
    """stringData is written into data, and never read again."""
    plain = secret.pop("stringData", None)
    if isinstance(plain, dict):
        texts = {key: text for key, text in plain.items() if isinstance(text, str)}
        coded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        secret["data"] = {**(secret.get("data") or {}), **coded}
    secret.setdefault("type", "Opaque")


def _coded_faults(kind: Kind, document: Document) -> Iterator[Cause]:
    """Bytes must be base64."""
    for part in {"secrets": ("data",), "configmaps": ("binaryData",)}.get(kind.resource, ()):
        for key, text in (document.get(part) or {}).items():
            try:
                base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError, TypeError):
                yield Cause("FieldValueInvalid", f"{part}[{key}]", "Invalid value: illegal base64 data")


def _steady(definition: Document, existing: Document | None) -> Iterator[Cause]:
    """What of a definition can never change."""
    for name in ("scope", "group") if existing else ():
        if existing and definition["spec"].get(name) != existing["spec"].get(name):
            yield Cause("FieldValueInvalid", f"spec.{name}", "Invalid value: field is immutable")


def _complete(kind: Kind, found: Document) -> None:
    if kind.resource == DEFINITIONS:
        definitions.complete(found)
    if kind.resource == NAMESPACES:
        labels = found["metadata"].setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = found["metadata"]["name"]
        found["spec"] = {"finalizers": ["kubernetes"]}
        ending = found["metadata"].get("deletionTimestamp")
        found["status"] = {"phase": "Terminating" if ending else "Active"}
