"""The capacity of a variant: what it is, as DescribeEndpoint tells it, and the request that sets another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagelab.cloud.engine.scaling.records import CONCURRENCY
from sagelab.cloud.store import Document

IN_SERVICE = "InService"
MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


@dataclass(frozen=True)
class Capacity:
    """desired: what was asked for last. current: what there is."""

    desired: int
    current: int


def of(endpoint: Document, name: str, dimension: str) -> Capacity | None:
    """The capacity of a variant of an endpoint; None: it has no such variant, or none of this dimension."""
    for variant in endpoint.get("ProductionVariants", []):
        if variant["VariantName"] != name:
            continue
        if dimension == CONCURRENCY:
            wanted, found = (variant.get(f"{when}ServerlessConfig") or {} for when in ("Desired", "Current"))
            desired = (wanted or found).get("ProvisionedConcurrency")
            current = (found or wanted).get("ProvisionedConcurrency")
        else:
            desired, current = variant.get("DesiredInstanceCount"), variant.get("CurrentInstanceCount")
        return None if desired is None else Capacity(desired, desired if current is None else current)
    return None


def request(endpoint: str, name: str, dimension: str, desired: int) -> dict[str, Any]:
    """An UpdateEndpointWeightsAndCapacities request."""
    serverless = {"ServerlessUpdateConfig": {"ProvisionedConcurrency": desired}}
    wanted = serverless if dimension == CONCURRENCY else {"DesiredInstanceCount": desired}
    return {"EndpointName": endpoint, "DesiredWeightsAndCapacities": [{"VariantName": name} | wanted]}
