"""The bandwidth of an instance's network: what EC2 has on record of its type.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkCardInfo.html
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def table() -> dict[str, Any]:
    """Types of training and processing jobs: date, source, gbps: family -> size -> Gbit/s."""
    found: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text())
    return found


def baseline(instance_type: str) -> int | None:
    """Bits a second that an instance of the type sends for good, and gets; of all its network cards together.

    A type of "up to 10 Gigabit" has a baseline, too, over which it comes for minutes. None: EC2 has no number.
    """
    family, _, size = instance_type.removeprefix("ml.").partition(".")
    found = table()["gbps"].get(family, {}).get(size)
    return round(found * 1e9) if found else None


def describe(instance_type: str, rate: int | None, *, limited: bool) -> str:
    """What a log says of the network between hosts. limited: this machine can hold them to a bandwidth."""
    if rate and limited:
        return f"between the hosts go {rate / 1e9:g} Gbit/s at most, the baseline of {instance_type}"
    why = "this machine cannot do that" if rate else "EC2 has no number of it"
    return f"the bandwidth of {instance_type} is not set: {why}"
