"""Availability zones, one of which goes away: on the local cloud by a command, on AWS by AWS's doing alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sagelab.lab import load, local

if TYPE_CHECKING:
    from sagelab.lab.session import Lab

AROUND = 1.5  # seconds of asking before the zone goes, and after all is well again
PATIENCE = 120.0  # seconds until there should be as many servers again
PAUSE = 0.1  # seconds between two looks


def servers() -> dict[str, int]:
    """The local cloud's zones, each with the number of servers of endpoints that stand in it."""
    rows = (line.split() for line in local.command("zone", "show").splitlines())
    return {name: int(number) for name, _, number in rows}


def lose(lab: Lab, name: str, body: bytes | str) -> tuple[list[load.Request], float]:
    """Take the zone with the most servers away under load, until an endpoint has all instances again.

    One user asks it all the time, and then the zone comes back. Returns the requests, and the moment at which it
    went, in seconds since the epoch. On AWS it says that nobody can do this, and returns nothing.
    """
    if not lab.local:
        print("On AWS nobody can take a zone away but AWS: nothing was done.")
        return [], time.time()
    standing = servers()
    zone = max(standing, key=standing.__getitem__)
    with load.users(lab, name, body, 1) as requests:
        time.sleep(AROUND)
        print(local.command("zone", "down", zone))
        killed = time.time()
        try:
            _wait(requests, killed, sum(standing.values()))
            time.sleep(AROUND)
        finally:
            print(local.command("zone", "up", zone))
    return requests, killed


def _wait(requests: list[load.Request], killed: float, wanted: int) -> None:
    """Wait until a request that began after the zone went is answered, and there are as many servers as before."""
    while time.time() < killed + PATIENCE:
        time.sleep(PAUSE)
        answered = any(each.begin > killed and not each.error for each in list(requests))
        if answered and sum(servers().values()) >= wanted:
            return
