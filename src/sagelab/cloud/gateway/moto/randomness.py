"""What moto draws at random, of the system's own randomness.

moto has one Mersenne Twister for all: for the ids that it puts on answers and for the secrets of access keys. Who
has seen a few hundred answers can work out what comes next, and so the secret of a key that is made for another.
https://docs.python.org/3/library/random.html, whose warning says so.
"""

from __future__ import annotations

import os
import string
from random import SystemRandom
from typing import Any

from moto.moto_api._internal import mock_random
from moto.moto_api._internal.moto_random import MotoRandom

_SYSTEM = SystemRandom()
_LETTERS = string.ascii_letters + string.digits
# Byte by byte: what is past the last whole round of the letters is left out, so that all are as likely.
_ROUNDS = 256 - 256 % len(_LETTERS)
_TABLE = bytes(ord(_LETTERS[byte % len(_LETTERS)]) for byte in range(256))
_LEFT_OUT = bytes(range(_ROUNDS, 256))


class Unguessable(MotoRandom):  # type: ignore[misc]
    """moto's source of randomness, which nobody can seed, nor tell from what it gave before what it gives next."""

    def random(self) -> float:
        return _SYSTEM.random()

    def getrandbits(self, k: int) -> int:
        return _SYSTEM.getrandbits(k)

    def seed(self, *_: Any, **__: Any) -> None:
        """Nothing: there is no state."""

    def get_random_string(self, length: int = 20, include_digits: bool = True, lower_case: bool = False) -> str:
        """As moto's, from one draw: each answer of S3 has one of 52 characters."""
        if not include_digits:
            return str(super().get_random_string(length, include_digits, lower_case))
        found = b""
        while len(found) < length:
            found += os.urandom(length + 16).translate(_TABLE, _LEFT_OUT)
        text = found[:length].decode()
        return text.lower() if lower_case else text


def install() -> None:
    """From now on moto draws so; its modules have the one that it made, so that one changes its kind."""
    mock_random.__class__ = Unguessable
