"""How long a server takes that an alarm asks for: from the alarm's change of state to the endpoint that has it."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from endpoints import JSON, POLL, Hosting, digit, export
from place import Place, local_cloud, new_home
from table import Result

from sagelab.cloud import clock

SPEED = 60.0  # a minute is a second
LIMIT = 3.0  # seconds
TARGET = 5.0  # invocations of an instance in a minute: any load is over it
CLIENTS = 4
PATIENCE = 120.0  # seconds
DIMENSION = "sagemaker:variant:DesiredInstanceCount"


def scaling(quick: bool) -> Iterator[Result]:
    """Real clients ask lab 1's network until a policy's alarm adds a server."""
    with tempfile.TemporaryDirectory() as folder, new_home() as home, local_cloud(home) as place:
        clock.set_speed(home, SPEED)
        hosting = Hosting(place, export(Path(folder)))
        config, waits, alarms = hosting.configure(plain=None), list[float](), list[float]()
        for _ in range(1 if quick else 5):
            name, _ = hosting.deploy(config)
            with _clients(place, name):
                began = time.time()
                alarm, added = _scale(place, name)
            waits.append(added - alarm)
            alarms.append(alarm - began)
            hosting.delete(name)
        seen = (
            f"slowest of {len(waits)}, fastest {min(waits):.2f} s; load to alarm {max(alarms):.1f} s at the most"
        )
        yield Result(f"alarm to the added server in service, clock {SPEED:g}", max(waits), LIMIT, "s", seen=seen)


def _scale(place: Place, endpoint: str) -> tuple[float, float]:
    """(when the alarm went off, when the server was there), in epoch seconds."""
    api, cloudwatch = place.client("application-autoscaling"), place.client("cloudwatch")
    named = {"ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/{endpoint}/variant/plain"}
    named |= {"ScalableDimension": DIMENSION}
    api.register_scalable_target(**named, MinCapacity=1, MaxCapacity=2)
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    policy = api.put_scaling_policy(
        PolicyName="bench",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": TARGET, "PredefinedMetricSpecification": metric},
        **named,
    )
    activity = _wait(lambda: api.describe_scaling_activities(**named)["ScalingActivities"])
    if activity["StatusCode"] != "Successful":
        raise SystemExit(activity["StatusMessage"])
    changes = cloudwatch.describe_alarm_history(
        AlarmName=policy["Alarms"][0]["AlarmName"], HistoryItemType="StateUpdate", ScanBy="TimestampAscending"
    )["AlarmHistoryItems"]
    alarm = next(one["Timestamp"] for one in changes if one["HistorySummary"].endswith("to ALARM"))
    return alarm.timestamp(), activity["EndTime"].timestamp()


def _wait(look: Any) -> dict[str, Any]:
    """The first activity, once it is over."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found: list[dict[str, Any]] = look()
        if found and "EndTime" in found[-1]:
            return found[-1]
        time.sleep(POLL)
    raise SystemExit("no alarm has added a server")


@contextmanager
def _clients(place: Place, endpoint: str) -> Iterator[None]:
    """For the block, clients ask an endpoint."""
    done = threading.Event()

    def ask() -> None:
        runtime, body = place.client("sagemaker-runtime"), digit()
        while not done.is_set():
            runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType=JSON)["Body"].read()

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
