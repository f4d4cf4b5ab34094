"""Zones of availability: where the servers of endpoints stand, and what becomes of them when one is lost.

One machine has no zones. A server carries the name of one, and a zone that is lost takes its servers with it: they
are killed, and start again in the zones that are left.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakSet

# The last letters of a region's zones, where they are not a, b and c; those that EC2 describes.
LETTERS = {
    "ap-northeast-1": "acd",
    "ap-northeast-2": "abcd",
    "ca-central-1": "abd",
    "cn-north-1": "ab",
    "us-east-1": "abcdef",
    "us-west-1": "ab",
    "us-west-2": "abcd",
}
REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


class Inhabitant(Protocol):
    """What stands in a zone."""

    @property
    def zone(self) -> str:
        """The zone's name."""

    def lose(self) -> None:
        """The zone is gone: end at once."""


class Zones:
    """The zones of a local cloud's regions, and which of them are down."""

    def __init__(self, down: Iterable[str] = ()) -> None:
        self._lock, self._down = threading.Lock(), frozenset(down)
        self._inhabitants: WeakSet[Inhabitant] = WeakSet()

    @property
    def down(self) -> frozenset[str]:
        """Those that are lost."""
        return self._down

    def join(self, inhabitant: Inhabitant) -> None:
        """Let something end when the zone that it then stands in is lost."""
        with self._lock:
            self._inhabitants.add(inhabitant)

    def inhabitants(self) -> list[Inhabitant]:
        """What stands in any zone now."""
        with self._lock:
            return [one for one in self._inhabitants if one.zone]

    def lose(self, zone: str) -> int:
        """A zone is down: all that stands in it ends. How many that were."""
        with self._lock:
            self._down |= {zone}
        lost = [one for one in self.inhabitants() if one.zone == zone]
        for one in lost:
            one.lose()
        return len(lost)

    def regain(self, zone: str) -> None:
        """A zone is there again, for what starts from now on."""
        with self._lock:
            self._down -= {zone}


class Placement:
    """Where the servers of one variant stand: spread over its zones, as evenly as those that are up allow.

    names: the zones of its subnets; without any, those of its region.
    """

    def __init__(self, zones: Zones, region: str, names: tuple[str, ...] = ()) -> None:
        self.zones, self._names = zones, names or of_region(region)
        self._lock, self._taken = threading.Lock(), Counter[str]()

    def take(self) -> str | None:
        """The zone for one more server: the first of those with the fewest. None: all of them are down."""
        with self._lock:
            left = [name for name in self._names if name not in self.zones.down]
            if not left:
                return None
            zone = min(left, key=lambda name: self._taken[name])
            self._taken[zone] += 1
            return zone

    def leave(self, zone: str) -> None:
        """A server stands there no more."""
        with self._lock:
            self._taken[zone] -= 1

    def __str__(self) -> str:
        return ", ".join(self._names)


def of_region(region: str) -> tuple[str, ...]:
    """The names of a region's zones."""
    return tuple(f"{region}{letter}" for letter in LETTERS.get(region, "abc"))


def is_zone(name: str) -> bool:
    """Whether there is a zone of that name."""
    return bool(REGION.fullmatch(name[:-1])) and name in of_region(name[:-1])
