"""What Application Auto Scaling keeps in the store: targets, their policies and scheduled actions, what was done.

A target is named by what it scales, and so is all that belongs to it: their names in the store begin with the
target's id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sagelab.cloud.context import SCALING
from sagelab.cloud.store import Document, Missing, Query, Store

TARGET, POLICY, ACTION, ACTIVITY = "scalable-target", "scaling-policy", "scheduled-action", "scaling-activity"
NAMESPACE = "sagemaker"
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"
NAMED = ("ServiceNamespace", "ResourceId", "ScalableDimension")
TRACKING, STEPS = "TargetTrackingScaling", "StepScaling"
CONFIGURATIONS = {TRACKING: f"{TRACKING}PolicyConfiguration", STEPS: f"{STEPS}PolicyConfiguration"}
ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
OWN = "Own"  # the member of a document whose facts no answer tells
PAGE = 500


@dataclass(frozen=True)
class Variant:
    """What a target scales: a variant of an endpoint, by their names."""

    endpoint: str
    name: str

    @classmethod
    def of(cls, resource_id: str) -> Variant:
        """Of "endpoint/NAME/variant/NAME". ValueError: it is none."""
        kind, endpoint, part, name = resource_id.split("/")
        if (kind, part) != ("endpoint", "variant") or not endpoint or not name:
            raise ValueError(resource_id)
        return cls(endpoint, name)

    def endpoint_arn(self, where: str) -> str:
        """where: "REGION:ACCOUNT"."""
        return f"arn:aws:sagemaker:{where}:endpoint/{self.endpoint}"


def target_id(where: str, named: Document) -> str:
    """The end of a target's ARN, 34 characters. named: has the members NAMED. where: "REGION:ACCOUNT"."""
    text = "|".join((where, *(str(named.get(member)) for member in NAMED)))
    return hashlib.sha256(text.encode()).hexdigest()[:34]


def target_arn(where: str, named: Document) -> str:
    return f"arn:aws:application-autoscaling:{where}:scalable-target/{target_id(where, named)}"


def role_arn(account: str) -> str:
    """The service-linked role that scales."""
    return f"arn:aws:iam::{account}:role/aws-service-role/{SCALING}/{ROLE}"


def id_of(arn: str) -> str:
    """The id in a target's ARN."""
    return arn.rpartition("/")[2]


def where_of(arn: str) -> str:
    """ "REGION:ACCOUNT" of an ARN."""
    return ":".join(arn.split(":")[3:5])


def look(store: Store, arn: str) -> Document | None:
    """The document under an ARN; None: there is none."""
    try:
        return store.get(arn)
    except Missing:
        return None


def of_target(store: Store, kind: str, arn: str) -> list[Document]:
    """All of a kind that belongs to a target, by name. arn: the target's."""
    return list(
        _pages(store, Query(kind, arn.split(":")[3], name_prefix=f"{id_of(arn)}/", sort="Name", limit=PAGE))
    )


def _pages(store: Store, query: Query) -> Iterator[Document]:
    while True:
        found, start = store.page(query)
        yield from found
        if start is None:
            return
        query = replace(query, start=start)


def targets_of_endpoint(store: Store, arn: str) -> list[Document]:
    """The targets that scale variants of an endpoint."""
    start, region = f"endpoint/{arn.rpartition('/')[2]}/variant/", arn.split(":")[3]
    return [one for one in store.documents(TARGET, region) if one["ResourceId"].startswith(start)]


def told(document: Document) -> Document:
    """A document without what is the local cloud's own."""
    return {name: value for name, value in document.items() if name != OWN}
