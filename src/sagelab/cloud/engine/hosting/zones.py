"""Zones of availability: where the servers of endpoints stand, and what becomes of them when one is lost.

One machine has no zones. A server carries the name of one, and a zone that is lost takes its servers with it: they
are killed, and others start in the zones that are left.
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
    """Something with servers in zones."""

    def standing(self) -> Counter[str]:
        """How many of its servers stand in each zone."""

    def lose(self, zone: str) -> int:
        """The zone is gone, and its servers there with it. How many they were."""


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
        """Let something lose its servers in a zone that is lost."""
        with self._lock:
            self._inhabitants.add(inhabitant)

    def standing(self) -> Counter[str]:
        """How many servers stand in each zone."""
        return sum((one.standing() for one in self._all()), Counter[str]())

    def lose(self, zone: str) -> int:
        """A zone is down: all that stands in it ends. How many that were."""
        with self._lock:
            self._down |= {zone}
        return sum(one.lose(zone) for one in self._all())

    def regain(self, zone: str) -> None:
        """A zone is there again, for what starts from now on."""
        with self._lock:
            self._down -= {zone}

    def _all(self) -> list[Inhabitant]:
        with self._lock:
            return list(self._inhabitants)


class Placement:
    """Where the servers of one variant stand: spread over its zones, as evenly as those that are up allow.

    names: the zones of its subnets; without any, those of its region.
    """

    def __init__(self, zones: Zones, region: str, names: tuple[str, ...] = ()) -> None:
        self._all, self._names = zones, names or of_region(region)
        self._lock, self._taken = threading.Lock(), Counter[str]()

    @property
    def down(self) -> frozenset[str]:
        """The zones that are lost."""
        return self._all.down

    def take(self) -> str | None:
        """The zone for one more server: the first of those with the fewest. None: all of them are down."""
        with self._lock:
            left = [name for name in self._names if name not in self.down]
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
