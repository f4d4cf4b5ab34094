"""AWS's prices of instances, from a table that carries its date and its source (prices.json)."""

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


def serverless_second(memory: int) -> float:
    """Dollars for a second of a serverless endpoint's requests. memory: MB of an environment."""
    return memory / 1024 * float(prices()["serverless"]["second"])


def hourly(instance_type: str, plane: str) -> float | None:
    """Dollars an hour of one instance; None: the table does not have it.

    plane: "training", "hosting", "accelerator", or another that the table has.
    """
    price: float | None = prices().get(plane, {}).get(instance_type)
    return price
