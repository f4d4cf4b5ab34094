"""Where in a shard somebody reads: a token that nobody else can make, good for five minutes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime

GOOD = 300.0  # seconds
_SEAL = 16  # bytes


class BadIterator(ValueError):
    """A token that is none of ours."""


@dataclass(frozen=True)
class Iterator:
    """after: the number after which is read. made: epoch seconds. stream: its name."""

    stream: str
    shard: int
    after: int
    made: float

    def token(self, secret: str) -> str:
        body = json.dumps([self.stream, self.shard, self.after, self.made], separators=(",", ":")).encode()
        return base64.b64encode(_seal(secret, body) + body).decode()

    def age_words(self, now: float) -> str:
        """In AWS's words, that it is too old."""
        made, seen = (
            datetime.fromtimestamp(one, UTC).strftime("%a %b %d %H:%M:%S UTC %Y") for one in (self.made, now)
        )
        words = f"Iterator expired. The iterator was created at time {made} while right now it is {seen} which is"
        return f"{words} further in the future than the tolerated delay of {int(GOOD * 1000)} milliseconds."


def _seal(secret: str, body: bytes) -> bytes:
    return hmac.digest(secret.encode(), body, hashlib.sha256)[:_SEAL]


def stream_of(token: str) -> str:
    """The stream that a token says it is of, whoever made it; "" where it is none."""
    try:
        return _read(token)[1].stream
    except BadIterator:
        return ""


def read(token: str, secret: str) -> Iterator:
    """BadIterator: it was not made with this secret."""
    body, found = _read(token)
    if not hmac.compare_digest(_seal(secret, body[_SEAL:]), body[:_SEAL]):
        raise BadIterator(token)
    return found


def _read(token: str) -> tuple[bytes, Iterator]:
    try:
        body = base64.b64decode(token, validate=True)
        stream, shard, after, made = json.loads(body[_SEAL:])
        return body, Iterator(str(stream), int(shard), int(after), float(made))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise BadIterator(token) from None
