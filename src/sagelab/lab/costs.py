"""What the same work costs on AWS, from a price table that carries its date and its source (prices.json)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagelab.prices import prices, spot_share

__all__ = ["Cost", "UnknownPrice", "bill", "estimate", "prices", "savings", "spot_share", "training_cost"]


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
