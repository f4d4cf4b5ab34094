"""Whatever is sent to the console is answered, or refused as the sender's fault: never a fault of its own."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from sagelab.cloud.console import calls
from sagelab.cloud.console.app import CREATES
from sagelab.cloud.console.calls import CallRefused
from sagelab.cloud.console.messages import DEPTH, parse
from tests.cloud.console.conftest import Page

PATHS = ("/api/call", "/api/command", "/api/sent", "/api/download", "/api/login")
REQUESTS = 400
SCALARS: list[Any] = [None, True, 0, -1, 10**30, 1e308, "", "x", "é\u2028", "\x00\n", "../..", "s3://a/b"]
NAMES = "self Name Bucket Key Body MaxResults StartTime NextToken params é".split()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b'{"a": 1, "a": 2}', "an object has a name twice"),
        (b'{"a": [NaN]}', "a number is not finite"),
        (b'{"a": 1e999}', "a number is not finite"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"a": "\\ud800"}', "not valid JSON"),
        (b'{"\\udfff": 1}', "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), "nested too deeply"),
    ],
)
def test_what_is_no_sound_json_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(CallRefused, match=why):
        parse(content)


def test_what_is_sound_is_read() -> None:
    assert parse(b'{"a": ["\\ud83d\\ude00", 1.5, {"b": null}]}') == {"a": ["😀", 1.5, {"b": None}]}
    assert parse(b"[1]") == {}


def test_random_requests_are_never_a_fault_of_the_console(page: Page) -> None:
    chance = random.Random(2026)
    for number in range(REQUESTS):
        path, content = chance.choice(PATHS), _content(chance)
        status = page.request("POST", path, content).status
        assert status in (200, 400, 401, 403), (number, path, content)


def _content(chance: random.Random) -> bytes:
    """A request of the right members with odd values, and now and then with a byte of it changed."""
    service = chance.choice([*calls.ALLOWED, "sts"])
    sent = {
        "service": service,
        "operation": chance.choice(sorted(calls.ALLOWED.get(service, ["AssumeRole"]))),
        "params": {chance.choice(NAMES): _value(chance, 0) for _ in range(3)},
        "described": {chance.choice(NAMES): _value(chance, 0) for _ in range(3)},
        "bucket": _value(chance, 0),
        "key": _value(chance, 0),
        "token": _value(chance, 0),
    }
    if chance.random() < 0.2:
        sent["operation"] = chance.choice(sorted(CREATES))
    if chance.random() < 0.2:
        sent[chance.choice([*sent])] = chance.choice(["\ud800", _value(chance, 0)])
    content = bytearray(json.dumps(sent).encode())
    if chance.random() < 0.3:
        content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content)


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.random()
    if depth > 3 or kind < 0.7:
        return chance.choice(SCALARS)
    if kind < 0.85:
        return [_value(chance, depth + 1) for _ in range(3)]
    return {chance.choice(NAMES): _value(chance, depth + 1) for _ in range(3)}
