"""What a Scaler acts on in tests: an endpoint that is a document, alarms that are set, a clock that is put on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.scaling import records
from sagelab.cloud.engine.scaling.records import ACTIVITY, INSTANCES, OWN, POLICY, STEPS, TARGET, TRACKING
from sagelab.cloud.engine.scaling.scaler import Scaler, Surroundings
from sagelab.cloud.store import Document, Resource, Store

REGION, ACCOUNT = "us-east-1", "000000000000"
WHERE = f"{REGION}:{ACCOUNT}"
ENDPOINT = f"arn:aws:sagemaker:{WHERE}:endpoint/e"
NAMED = {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/e/variant/v", "ScalableDimension": INSTANCES}
ARN = records.target_arn(WHERE, NAMED)
SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
METRIC = {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}


def target(least: int = 1, most: int = 10, **suspended: bool) -> Document:
    return NAMED | {
        "ScalableTargetARN": ARN,
        "MinCapacity": least,
        "MaxCapacity": most,
        "RoleARN": "arn:aws:iam::1:role/r",
        "SuspendedState": dict.fromkeys(SUSPENDED, False) | suspended,
        OWN: {},
    }


def tracks(name: str, value: float = 100.0, **more: Any) -> Document:
    """A policy that tracks a target."""
    configuration = METRIC | {"TargetValue": value} | more
    return _policy(name, TRACKING, configuration, [f"{name}-high", f"{name}-low"])


def step(name: str, *found: Document, **more: Any) -> Document:
    """A policy of steps, by default of a change of capacity."""
    return _policy(name, STEPS, {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": list(found)} | more, [])


def _policy(name: str, kind: str, configuration: Document, alarms: list[str]) -> Document:
    return NAMED | {
        "PolicyARN": f"arn:aws:autoscaling:{WHERE}:scalingPolicy:{name}",
        "PolicyName": name,
        "PolicyType": kind,
        records.CONFIGURATIONS[kind]: configuration,
        "Alarms": [{"AlarmName": alarm} for alarm in alarms],
        OWN: {"Target": ARN},
    }


def alarm(
    name: str, *values: float, state: str = "ALARM", threshold: float = 100.0, below: bool = False
) -> Document:
    data = json.dumps({"recentDatapoints": list(values), "threshold": threshold})
    operator = "LessThanThreshold" if below else "GreaterThanThreshold"
    facts = {"AlarmName": name, "StateValue": state, "StateReasonData": data}
    return facts | {"Threshold": threshold, "ComparisonOperator": operator}


def clock() -> tuple[list[float], Clock]:
    """The wall's time, to be changed, and a clock by it."""
    wall = [1_000_000.0]
    return wall, Clock(real=lambda: wall[0])


class Stage:
    """One variant with so many servers, its target and policies, and the scaler.

    hold: while it is not set, an update of the endpoint does not come to its end. refuse: what SageMaker says.
    """

    def __init__(self, folder: Path, count: int, document: Document, *policies: Document) -> None:
        self.store = Store(folder / "store.sqlite")
        self.wall, self.clock = clock()
        self.alarms: dict[str, Document] = {}
        self.events: list[Document] = []
        self.asked: list[int] = []
        self.refuse, self.lost = "", 0
        self._threads: list[threading.Thread] = []
        self.hold = threading.Event()
        self.hold.set()
        self.store.add(Resource(ENDPOINT, "endpoint", REGION, "e", "InService", _endpoint(count)))
        self.store.add(Resource(ARN, TARGET, REGION, records.id_of(ARN), "", document))
        for policy in policies:
            name = f"{records.id_of(ARN)}/{policy['PolicyName']}"
            self.store.add(Resource(policy["PolicyARN"], POLICY, REGION, name, "", policy))
        self.scaler = self.start()

    def start(self) -> Scaler:
        find = self.alarms.get
        put = lambda event, _region: self.events.append(event)  # noqa: E731 - a listener of one line
        around = Surroundings(self.store, self.clock, self._client, lambda _, name: find(name), put)
        return Scaler(around)

    def hear(self, policy: Document, found: Document) -> None:
        """An alarm calls a policy; what comes of it is done."""
        self.alarms[found["AlarmName"]] = found
        self.scaler.on_alarm(policy["PolicyARN"], found, found["StateValue"])
        self.settle()

    def settle(self) -> None:
        for thread in list(self.scaler._lanes._threads.values()):
            thread.join(30)

    @property
    def activities(self) -> list[Document]:
        return list(self.store.documents(ACTIVITY, REGION))

    @property
    def count(self) -> int:
        return int(self.store.get(ENDPOINT)["ProductionVariants"][0]["DesiredInstanceCount"])

    def move(self, status: str, count: int | None = None, current: int | None = None) -> None:
        """Give the endpoint a status, and another number of servers."""

        def edit(document: Document) -> str:
            document["EndpointStatus"] = status
            if count is not None:
                facts = {
                    "DesiredInstanceCount": count,
                    "CurrentInstanceCount": count if current is None else current,
                }
                document["ProductionVariants"][0] |= facts
            return status

        self.store.change(ENDPOINT, edit)

    def close(self) -> None:
        self.hold.set()
        self.scaler.close()
        for thread in self._threads:
            thread.join()
        self.store.close()

    def _client(self, _role: str, service: str, _region: str) -> Any:
        assert service == "sagemaker"
        return self

    def update_endpoint_weights_and_capacities(self, **asked: Any) -> None:
        """SageMaker's answer, and then what it does."""
        if self.refuse:
            error = {"Code": "ValidationException", "Message": self.refuse}
            raise ClientError({"Error": error}, "UpdateEndpointWeightsAndCapacities")
        wanted = asked["DesiredWeightsAndCapacities"][0]["DesiredInstanceCount"]
        self.asked.append(wanted)
        self.move("Updating")
        self._threads.append(threading.Thread(target=self._resize, args=(wanted,), daemon=True))
        self._threads[-1].start()

    def _resize(self, wanted: int) -> None:
        self.hold.wait(30)
        self.move("InService", wanted, wanted - self.lost)


def _endpoint(count: int) -> Document:
    variant = {"VariantName": "v", "DesiredInstanceCount": count, "CurrentInstanceCount": count}
    return {"EndpointStatus": "InService", "ProductionVariants": [variant]}


Make = Callable[..., Stage]
