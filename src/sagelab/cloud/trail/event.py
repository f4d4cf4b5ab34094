"""One event: what a trail's selectors and LookupEvents ask of it, and its record as CloudTrail writes it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

VERSION = "1.11"
HOME = "us-east-1"  # where the events of global services are
GLOBAL = frozenset({"iam.amazonaws.com", "route53.amazonaws.com", "cloudfront.amazonaws.com"})
LONGEST = 256_000  # characters of a record

Thing = tuple[str, str]  # (type, name) of a resource: ("AWS::S3::Bucket", "data")


@dataclass(frozen=True)
class Event:
    """An event before it is kept.

    time: epoch seconds. user, key: who called, as LookupEvents finds it. things: what it is about. kind, arn: of a
    data event, the type and the ARN of its resource; kind is "" of a management event.
    """

    region: str
    time: float
    source: str
    name: str
    read: bool
    user: str
    key: str
    id: str
    things: tuple[Thing, ...]
    kind: str
    arn: str
    record: dict[str, Any]

    @property
    def management(self) -> bool:
        return not self.kind

    def text(self) -> str:
        """The record as JSON, on one line; without what makes it longer than a record may be."""
        text = _written(self.record)
        if len(text) <= LONGEST:
            return text
        short = {"requestParameters": None, "responseElements": None, "additionalEventData": None}
        return _written(self.record | {name: value for name, value in short.items() if name in self.record})


def _written(record: dict[str, Any]) -> str:
    try:
        return orjson.dumps(record, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # a number that is too large for it, or half a character
        return json.dumps(record, separators=(",", ":"))


class Ids:
    """Ids of events, in the form of a UUID: unique, and no secret."""

    def __init__(self) -> None:
        self._random = random.Random()

    def new(self) -> str:
        """Another one."""
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def stamp(time: float) -> str:
    """A time as records have it: "2026-11-30T12:00:00Z"."""
    return _stamp(int(time))


@lru_cache(maxsize=64)  # a second's events have one time
def _stamp(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
