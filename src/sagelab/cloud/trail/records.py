"""A trail as the store keeps it, and which events it takes."""

from __future__ import annotations

from typing import Any

from sagelab.cloud.store import Document
from sagelab.cloud.trail.event import GLOBAL, Event
from sagelab.cloud.trail.journal import Row
from sagelab.cloud.trail.selectors import DEFAULT, Selectors

KIND = "cloudtrail trail"  # in the store
# What is the local cloud's own of a document: Logging; Cursor and Until, numbers of the journal; BasicSelectors,
# AdvancedSelectors; Times and Errors, of GetTrailStatus; Files, Digests and Hour, of its digests.
OWN = "Own"


def selectors(trail: Document) -> Selectors:
    own = trail[OWN]
    if own.get("AdvancedSelectors"):
        return Selectors((), tuple(own["AdvancedSelectors"]))
    return Selectors(tuple(own.get("BasicSelectors") or (DEFAULT,)))


def takes(trail: Document, chosen: Selectors, event: Event | Row) -> bool:
    """Whether a trail delivers an event."""
    if event.source in GLOBAL:
        fits = bool(trail["IncludeGlobalServiceEvents"])
    else:
        fits = trail["IsMultiRegionTrail"] or event.region == trail["HomeRegion"]
    return fits and chosen.take(event)


def region_of(trail: Document, row: Row) -> str:
    """The region under whose name an event is delivered."""
    return row.region if trail["IsMultiRegionTrail"] else str(trail["HomeRegion"])


def place(trail: Document, account: str, folder: str) -> str:
    """The beginning of the keys of a trail's objects: "PREFIX/AWSLogs/ACCOUNT/FOLDER"."""
    prefix = trail.get("S3KeyPrefix")
    return (f"{prefix}/" if prefix else "") + f"AWSLogs/{account}/{folder}"


def seal(trail: Document) -> dict[str, Any]:
    """What PutObject is told of encryption."""
    key = trail.get("KmsKeyId")
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
