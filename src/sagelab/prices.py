"""The dated price table, which the labs tell costs by and the local cloud tells billable time by (prices.json)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def prices() -> dict[str, Any]:
    """The price table as it stands in prices.json, with its date, region, source and what is unverified."""
    found: dict[str, Any] = json.loads(files("sagelab").joinpath("prices.json").read_text())
    return found


def spot_share(instance_type: str) -> float:
    """What managed spot costs of the on-demand price of an instance type: 0.3 is a saving of 70 %."""
    spot = prices()["spot"]
    return float(spot["share"].get(instance_type, spot["otherwise"]))
