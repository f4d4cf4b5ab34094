"""What the API server refuses, in Kubernetes' words: a Status with a code, a reason and causes.

StatusError                 a Status object as an exception
    made by bad_request, not_found, already_exists, conflict, invalid, forbidden, gone, not_allowed, not_taken
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

# Kinds that people ask a cluster for first, and that this server has not.
NO_PODS = (
    "{kind} is refused: this is a Kubernetes API for custom resources. It has no nodes, so nothing here runs pods;"
    " SageMaker's jobs and endpoints run in the local cloud (sagemaker.services.k8s.aws)."
)


@dataclass(frozen=True)
class Cause:
    """One fault of an object. reason: FieldValueInvalid and its relatives. field: spec.resourceConfig[0].x"""

    reason: str
    field: str
    message: str

    def said(self) -> str:
        return f"{self.field}: {self.message}"


class StatusError(Exception):
    """A request that fails; `body` is what the client gets."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    @property
    def body(self) -> Document:
        found: Document = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        found |= {"message": self.message, "reason": self.reason, "code": self.code}
        return found | ({"details": self.details} if self.details else {})


def qualified(name: str, group: str) -> str:
    """trainingjobs.sagemaker.services.k8s.aws; of the core group just the name."""
    return f"{name}.{group}" if group else name


def _details(plural: str, group: str, name: str) -> Document:
    return {"name": name, "group": group, "kind": plural} if group else {"name": name, "kind": plural}


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def not_found(plural: str, group: str, name: str) -> StatusError:
    message = f'{qualified(plural, group)} "{name}" not found'
    return StatusError(404, "NotFound", message, **_details(plural, group, name))


def no_such_path() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource")


def already_exists(plural: str, group: str, name: str) -> StatusError:
    message = f'{qualified(plural, group)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, **_details(plural, group, name))


CHANGED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(plural: str, group: str, name: str, why: str = CHANGED) -> StatusError:
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return StatusError(409, "Conflict", message, **_details(plural, group, name))


def forbidden(plural: str, group: str, name: str, why: str) -> StatusError:
    message = f'{qualified(plural, group)} "{name}" is forbidden: {why}'
    return StatusError(403, "Forbidden", message, **_details(plural, group, name))


def invalid(kind: str, group: str, name: str, causes: Iterable[Cause]) -> StatusError:
    """422, with every fault of the object."""
    found = list(causes)
    said = [cause.said() for cause in found]
    message = f'{qualified(kind, group)} "{name}" is invalid: {said[0] if len(said) == 1 else _listed(said)}'
    listed = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in found]
    return StatusError(422, "Invalid", message, **_details(kind, group, name), causes=listed)


def _listed(said: list[str]) -> str:
    return f"[{', '.join(said)}]"


def gone(asked: int, oldest: int) -> StatusError:
    """410: what happened since that version is not known any more."""
    return StatusError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def not_allowed(message: str) -> StatusError:
    return StatusError(405, "MethodNotAllowed", message)


def not_taken(message: str) -> StatusError:
    return StatusError(415, "UnsupportedMediaType", message)


def success(plural: str, group: str, name: str, uid: str) -> Document:
    """The answer to a deletion that is over."""
    details = {**_details(plural, group, name), "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
