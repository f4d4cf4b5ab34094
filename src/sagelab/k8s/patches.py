"""Changes of an object by a patch: JSON patch, JSON merge patch, the strategic one of Kubernetes' own kinds."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonpatch
import orjson

from sagelab.k8s import statuses
from sagelab.k8s.statuses import Document

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
OPERATIONS = 10_000  # in one JSON patch, as Kubernetes has it
COPIED = 3 << 20  # bytes that the copies of one JSON patch add, as Kubernetes has it
NO_APPLY = (
    "server-side apply is not done here: no field has an owner (managedFields)."
    " kubectl apply without --server-side does it on the client's side"
)
# Lists that a strategic merge joins instead of replacing them, with what tells their elements apart.
JOINED = {("metadata", "finalizers"): "", ("metadata", "ownerReferences"): "uid"}


def apply(media: str, document: Document, patch: Any, custom: bool) -> Document:
    """The object after the patch. StatusError: it is no such patch, or cannot be applied to this object."""
    if media == JSON:
        return _by_operations(document, patch)
    if media == MERGE and isinstance(patch, dict):
        return dict(merge(document, patch))
    if media == STRATEGIC and isinstance(patch, dict) and not custom:
        return dict(_strategic(document, patch))
    if media == APPLY:
        raise statuses.not_taken(NO_APPLY)
    if media in (MERGE, STRATEGIC) and not isinstance(patch, dict):
        raise statuses.bad_request("a patch must be an object")
    taken = [JSON, MERGE, *([] if custom else [STRATEGIC])]
    said = "the body of the request was in an unknown format - accepted media types include: "
    raise statuses.not_taken(said + ", ".join(taken))


def _by_operations(document: Document, patch: Any) -> Document:
    if not isinstance(patch, list) or not all(isinstance(one, dict) for one in patch):
        raise statuses.bad_request("a JSON patch must be a list of operations")
    if len(patch) > OPERATIONS:
        words = f"The allowed maximum operations in a JSON patch is {OPERATIONS}, got {len(patch)}"
        raise statuses.StatusError(413, "RequestEntityTooLarge", words)
    try:
        found = _applied(document, patch)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, ValueError) as error:
        words = f"the server rejected our request due to an error in our request: {error}"
        raise statuses.StatusError(422, "Invalid", words) from error
    if not isinstance(found, dict):
        raise statuses.bad_request("a JSON patch must leave an object")
    return found


def _applied(document: Document, patch: list[Document]) -> Any:
    """One operation after the other; copies of copies double each time, so what they add has a limit."""
    found, added = deepcopy(document), 0
    for one in patch:
        if one.get("op") == "copy":
            added += len(orjson.dumps(jsonpatch.JsonPointer(str(one.get("from"))).resolve(found)))
            if added > COPIED:
                words = f"Unable to complete the copy, the accumulated size increase of copy is {added},"
                raise statuses.StatusError(422, "Invalid", f"{words} exceeding the limit {COPIED}")
        found = jsonpatch.apply_patch(found, [one], in_place=True)
    return found


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    found = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merge(found.get(name), value)
    return found


def _strategic(target: Any, patch: Any, path: tuple[str, ...] = ()) -> Any:
    """As a merge, but for the lists that are joined, and for directives; what else begins with $ are hints."""
    if path in JOINED and isinstance(patch, list):
        return _join(target or [], patch, JOINED[path])
    if not isinstance(patch, dict):
        return deepcopy(patch)
    if patch.get("$patch") in ("replace", "delete"):
        return {name: value for name, value in patch.items() if name != "$patch"}
    found = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            kept = name.partition("/")[2]
            found[kept] = [one for one in found.get(kept) or () if one not in (value or ())]
        elif value is None:
            found.pop(name, None)
        elif not name.startswith("$"):
            found[name] = _strategic(found.get(name), value, (*path, name))
    return found


def _join(target: list[Any], patch: list[Any], key: str) -> list[Any]:
    def identity(one: Any) -> Any:
        return one.get(key) if key and isinstance(one, dict) else one

    deleted = [identity(one) for one in patch if isinstance(one, dict) and one.get("$patch") == "delete"]
    added = [one for one in patch if identity(one) not in deleted]
    named = [identity(one) for one in added] + deleted
    return [one for one in target if identity(one) not in named] + added
