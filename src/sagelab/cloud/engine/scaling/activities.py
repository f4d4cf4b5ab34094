"""Scaling activities: what was done to a target's capacity and why, in the words of AWS's; kept for six weeks.

https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scaling-activities.html
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.scaling.records import (
    ACTIVITY,
    CONCURRENCY,
    NAMED,
    NAMESPACE,
    OWN,
    id_of,
    where_of,
)
from sagelab.cloud.store import Document, Missing, Query, Resource, Store

KEPT = 42 * 86400.0  # seconds of the clock
PENDING, IN_PROGRESS, SUCCESSFUL = "Pending", "InProgress", "Successful"
OVERRIDDEN, UNFULFILLED, FAILED = "Overridden", "Unfulfilled", "Failed"
UNDER_WAY = (PENDING, IN_PROGRESS)
MAX, MIN, SAME = "AlreadyAtMaxCapacity", "AlreadyAtMinCapacity", "AlreadyAtDesiredCapacity"
ATTEMPT = "Attempting to scale due to alarm triggered"
_LONGEST = 1000  # characters of a reason


def noun(dimension: str) -> str:
    """What a target's capacity is called."""
    return "provisioned concurrency" if dimension == CONCURRENCY else "instance count"


class Activities:
    """The activities of one local cloud, newest first wherever several are told."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def begin(self, target: Document, desired: int, before: int, cause: str, status: str) -> str:
        """The key of a new activity that sets a capacity."""
        what = f"Setting desired {noun(target['ScalableDimension'])} to {desired}."
        own = {"Desired": desired, "Before": before}
        return self._add(target, what, cause, status, {OWN: own})

    def note(self, target: Document, what: str, cause: str, message: str, status: str) -> None:
        """An activity that is over already, and took no time."""
        self._add(target, what, cause, status, {"StatusMessage": message, OWN: {}})

    def skip(self, target: Document, cause: str, reason: Document) -> None:
        """An alarm that changed nothing; told once, while nothing else happens to the target."""
        last = self.last(target["ScalableTargetARN"])
        if last and last.get("NotScaledReasons") == [reason] and last["Cause"] == cause:
            return
        self._add(target, ATTEMPT, cause, FAILED, {"NotScaledReasons": [reason], OWN: {}})

    def tell(self, key: str, status: str, message: str) -> Document | None:
        """What has become of an activity; its document. None: it is gone."""

        def edit(document: Document) -> str:
            document |= {"StatusCode": status, "StatusMessage": message}
            if status not in UNDER_WAY:
                document["EndTime"] = datetime.now(UTC)
            return status

        try:
            return self._store.change(key, edit)
        except Missing:
            return None

    def last(self, target: str) -> Document | None:
        """The newest of a target. target: its ARN."""
        query = Query(ACTIVITY, target.split(":")[3], name_prefix=f"{id_of(target)}/", sort="Name", limit=1)
        found, _ = self._store.page(query)
        return found[0] if found else None

    def under_way(self) -> list[tuple[str, Document]]:
        """(key, activity) of those that were not over when the local cloud ended."""
        return self._store.with_status(ACTIVITY, *UNDER_WAY)

    def all(self, region: str) -> list[Document]:
        """Those of a region that are kept still."""
        self.forget(region)
        return list(self._store.documents(ACTIVITY, region))

    def forget(self, region: str) -> None:
        """Drop what is older than six weeks of the clock."""
        limit = self._clock.ago(KEPT)
        before = {"created": datetime.fromtimestamp(max(0.0, limit), UTC)}
        old, _ = self._store.page(Query(ACTIVITY, region, before=before, limit=500))
        for document in old:
            if document["StatusCode"] not in UNDER_WAY:
                try:
                    self._store.remove(document[OWN]["Key"])
                except Missing:
                    continue  # another thread dropped it

    def _add(self, target: Document, what: str, cause: str, status: str, more: dict[str, Any]) -> str:
        arn, now = target["ScalableTargetARN"], datetime.now(UTC)
        where, activity_id = where_of(arn), str(uuid.uuid4())
        key = f"arn:aws:application-autoscaling:{where}:scaling-activity/{activity_id}"
        document = {"ActivityId": activity_id} | {name: target[name] for name in NAMED}
        document |= {"Description": what, "Cause": cause, "StartTime": now, "StatusCode": status} | more
        document[OWN] |= {"Key": key, "Target": arn}
        if status not in UNDER_WAY and "NotScaledReasons" not in more:
            document["EndTime"] = now
        region = arn.split(":")[3]
        self.forget(region)
        self._store.add(
            Resource(key, ACTIVITY, region, f"{id_of(arn)}/{now.timestamp():017.6f}", status, document)
        )
        return key


def waiting(dimension: str, desired: int) -> str:
    return f"{_done(dimension, desired)} Waiting for change to be fulfilled by {NAMESPACE}."


def fulfilled(dimension: str, desired: int) -> str:
    return f"{_done(dimension, desired)} Change successfully fulfilled by {NAMESPACE}."


def _done(dimension: str, desired: int) -> str:
    return f"Successfully set desired {noun(dimension)} to {desired}."


def failed(dimension: str, desired: int, reason: str) -> str:
    return f"Failed to set desired {noun(dimension)} to {desired}. Reason: {reason[:_LONGEST]}"


def event(target: Document, activity: Document) -> Document:
    """What EventBridge hears of a target that has come to its maximum.

    https://docs.aws.amazon.com/autoscaling/application/userguide/monitoring-eventbridge.html
    """
    _, _, _, region, account, _ = target["ScalableTargetARN"].split(":", 5)
    detail = {
        "startTime": _zulu(activity["StartTime"]),
        "endTime": _zulu(activity["EndTime"]),
        "newDesiredCapacity": activity[OWN]["Desired"],
        "oldDesiredCapacity": activity[OWN]["Before"],
        "minCapacity": target["MinCapacity"],
        "maxCapacity": target["MaxCapacity"],
        "resourceId": target["ResourceId"],
        "scalableDimension": target["ScalableDimension"],
        "serviceNamespace": target["ServiceNamespace"],
        "statusCode": activity["StatusCode"],
        "scaledToMax": True,
        "direction": "scale-out",
    }
    return {
        "detail-type": "Application Auto Scaling Scaling Activity State Change",
        "source": "aws.application-autoscaling",
        "account": account,
        "time": _zulu(activity["EndTime"]),
        "region": region,
        "resources": [],
        "detail": detail,
    }


def _zulu(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
