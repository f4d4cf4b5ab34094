"""What the controller says of an object: the fields of its status and its conditions, in ACK's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sagelab.k8s.sagemaker import fields
from sagelab.k8s.sagemaker.kinds import Kind

Document = dict[str, Any]
SYNCED, TERMINAL, RECOVERABLE, READY = "ACK.ResourceSynced", "ACK.Terminal", "ACK.Recoverable", "Ready"
DONE = "Resource synced successfully"
NOT_SYNCED = "Resource not synced"
UNKNOWN = "Unable to determine if desired resource state matches latest observed state"


class Trouble(Exception):
    """Why an object is not in step. terminal: until it is changed. found: what SageMaker has, if that is known."""

    def __init__(
        self, message: str, terminal: bool = False, reason: str = "", found: Document | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.terminal, self.reason, self.found = message, terminal, reason, found

    @classmethod
    def of(cls, kind: Kind, error: Exception) -> Trouble:
        """What AWS has answered, or that it did not."""
        if isinstance(error, ClientError):
            code, words = error.response["Error"]["Code"], error.response["Error"]["Message"]
            return cls(f"{code}: {words}", terminal=code in kind.terminal)
        return cls(str(error))


def status_of(kind: Kind, had: Document, found: Document | None, trouble: Trouble | None) -> Document:
    """The status of an object, but for its metadata. had: the one before. found: what Describe has answered."""
    shape = kind.operation("Describe").output_shape
    told = fields.to_fields(found, shape) if found else {}
    status = {name: told[name] for name in map(fields.field, kind.shown) if name in told}
    if found is None:
        status = {name: had[name] for name in map(fields.field, kind.shown) if had.get(name) is not None}
    before = {one["type"]: one for one in had.get("conditions") or ()}
    status["conditions"] = [_dated(one, before) for one in _conditions(kind, found, trouble, set(before))]
    return status


def _conditions(
    kind: Kind, found: Document | None, trouble: Trouble | None, before: set[str]
) -> list[dict[str, str]]:
    synced, failed = _synced(kind, found, trouble), []
    words = trouble.message if trouble and trouble.terminal else _end_of(kind, found)
    for type_, message in ((TERMINAL, words), (RECOVERABLE, trouble.message if trouble and not words else "")):
        if message:
            reason = {"reason": trouble.reason} if trouble and trouble.reason else {}
            failed.append({"type": type_, "status": "True", "message": message, **reason})
        elif type_ in before:
            failed.append({"type": type_, "status": "False"})
    hurt = next((one for one in failed if one["status"] == "True"), None)
    ready = {**synced, "type": READY}
    if hurt:
        ready = {"type": READY, "status": "False", "message": hurt["message"], "reason": hurt["type"]}
    return [synced, *failed, ready]


def _synced(kind: Kind, found: Document | None, trouble: Trouble | None) -> dict[str, str]:
    if trouble:
        status, message = ("False", NOT_SYNCED) if trouble.terminal else ("Unknown", UNKNOWN)
        return {"type": SYNCED, "status": status, "message": message, "reason": trouble.message}
    state = (found or {}).get(kind.status_member)
    if state is None:
        return {"type": SYNCED, "status": "True", "message": DONE}
    status = "False" if state in kind.moving else "True"
    return {"type": SYNCED, "status": status, "message": f"{kind.name} is in {state} status."}


def _end_of(kind: Kind, found: Document | None) -> str:
    """A failed endpoint serves nobody; a failed job has ended as jobs do."""
    if kind.name == "Endpoint" and (found or {}).get("EndpointStatus") == "Failed":
        return "Endpoint status reached terminal state: Failed. Check the FailureReason."
    return ""


def _dated(condition: dict[str, str], before: dict[str, Document]) -> dict[str, str]:
    """With the time of its last change of status."""
    had = before.get(condition["type"], {})
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    same = had.get("status") == condition["status"] and had.get("lastTransitionTime")
    return {**condition, "lastTransitionTime": had["lastTransitionTime"] if same else now}
