"""What the same work costs on AWS, from a price table that carries its date and its source (prices.json)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagelab.prices import prices, serverless_second, spot_share

__all__ = [
    "Cost",
    "ServerlessCost",
    "UnknownPrice",
    "bill",
    "estimate",
    "prices",
    "savings",
    "serverless",
    "spot_share",
    "training_cost",
]


class UnknownPrice(Exception):
    """The price table has no such instance type; the text names those it has."""


@dataclass(frozen=True)
class Cost:
    """Instances, the seconds each is billed for, and the price of one in dollars an hour."""

    instance_type: str
    count: int
    seconds: float
    hourly: float

    @property
    def dollars(self) -> float:
        return self.count * self.seconds * self.hourly / 3600

    def __str__(self) -> str:
        return (
            f"{self.seconds:,.0f} s on {self.count} x {self.instance_type} at ${self.hourly:g} an hour: "
            f"${self.dollars:.2f} on AWS ({prices()['region']}, prices of {prices()['date']})"
        )


def estimate(instance_type: str, seconds: float, count: int = 1, plane: str = "training") -> Cost:
    """The cost of instances for some seconds each. plane: "training", "hosting", "notebook" or "accelerator".

    UnknownPrice: the table does not have the instance type.
    """
    table = prices()[plane]
    if instance_type not in table:
        raise UnknownPrice(f"No {plane} price of {instance_type!r} is at hand; known are {', '.join(table)}.")
    return Cost(instance_type, count, seconds, table[instance_type])


@dataclass(frozen=True)
class ServerlessCost:
    """The requests of a serverless endpoint. memory: MB of an environment. seconds: of all of them. data: GB."""

    memory: int
    seconds: float
    data: float = 0.0

    @property
    def gigabyte_seconds(self) -> float:
        return self.memory / 1024 * self.seconds

    @property
    def dollars(self) -> float:
        return serverless_second(self.memory) * self.seconds + self.data * float(prices()["serverless"]["data"])

    def __str__(self) -> str:
        return (
            f"{self.seconds:,.3f} s of requests with {self.memory:,} MB, {self.gigabyte_seconds:,.3f} GB-seconds: "
            f"${self.dollars:.6f} on AWS ({prices()['region']}, prices of {prices()['date']})"
        )


def serverless(memory: int, seconds: float, data: float = 0.0, provisioned: int = 0) -> ServerlessCost:
    """The cost of a serverless endpoint's requests, which AWS bills by the millisecond; nothing at rest.

    UnknownPrice: of provisioned concurrency, which is billed for being there too, the table has none.
    """
    if provisioned:
        raise UnknownPrice("No price of provisioned concurrency is at hand.")
    return ServerlessCost(memory, seconds, data)


def bill(job: dict[str, Any]) -> Cost:
    """What AWS bills for a training job, from its description: BillableTimeInSeconds of every instance.

    Billable time runs from the download of the data to the upload of the model, and is 0 until it is known. Of a
    managed spot job it is the part that AWS bills at the on-demand price; waiting for capacity is not in it.
    """
    compute = job["ResourceConfig"]
    return estimate(compute["InstanceType"], job.get("BillableTimeInSeconds", 0), compute["InstanceCount"])


def training_cost(job: dict[str, Any]) -> float:
    """The dollars of bill(job)."""
    return bill(job).dollars


def savings(job: dict[str, Any]) -> float:
    """What managed spot saved of an ended job's price, in percent: (1 - billable / training time) x 100.

    AWS's own formula: https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
    """
    return 100 * (1 - float(job["BillableTimeInSeconds"]) / float(job["TrainingTimeInSeconds"]))
