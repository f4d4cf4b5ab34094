"""What an endpoint's clients notice of a canary that an alarm takes back, and of a zone that is lost: nothing."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import crowd
from botocore.exceptions import BotoCoreError, ClientError
from crowd import CLIENTS, Done, Load
from jobs import ROLE
from place import Place, local_cloud, new_home
from table import Result

from sagelab.cloud import control
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.home import Home

CALLS = 1_250  # of each client
ZONE, IMAGE, VARIANT = "us-east-1a", "echo:1", "AllTraffic"
ASKED = 1_000  # calls that the canary answers before the alarm is on
POLL = 0.02
TROUBLE = (BotoCoreError, ClientError)
ECHO = """#!/usr/bin/env python3
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(os.environ["SAYS"].encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer.request_queue_size = 64
port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""


def deployments(quick: bool) -> Iterator[Result]:
    """Sixteen clients ask an endpoint of two instances; meanwhile an update is taken back, and a zone is lost."""
    with new_home() as home, local_cloud(home) as place, crowd.clients() as pool, ThreadPoolExecutor(1) as thread:
        operated = Operated(home, place)
        tasks = [(place, operated.name, 100 if quick else CALLS)] * CLIENTS
        load = thread.submit(crowd.rush, pool, _prepare, tasks)
        operated.await_calls(operated.old, 1)
        back = operated.take_back(50 if quick else ASKED)
        whole = operated.lose_zone()
        over = load.done()
        loads: list[list[Load]] = [load.result()]
    errors = crowd.errors(loads)
    went = sum(one.kept.count("new") for one in loads[0])
    seen = f"of {crowd.sent(loads)} calls, {went} of them at the canary; {CLIENTS} processes"
    seen += "; the calls ended before the changes did" if over else ""
    seen += "".join(f"; {one}" for one in errors[:1])
    yield Result("failed calls: a canary rolled back, a zone lost", len(errors), 0, seen=seen)
    yield Result("alarm in ALARM until the endpoint is InService", back, 3.0, "s", seen="canary of 50 %")
    yield Result("zone lost until two instances answer again", whole, 10.0, "s", seen=f"{ZONE}, one of two")


class Operated:
    """An endpoint with two instances, which is changed while it is asked."""

    def __init__(self, home: Home, place: Place) -> None:
        self.home, self.name = home, f"operated-{uuid.uuid4().hex[:8]}"
        self.sagemaker, self.cloudwatch = place.client("sagemaker"), place.client("cloudwatch")
        with TemporaryDirectory() as folder:
            (Path(folder) / "serve").write_text(ECHO)
            (Path(folder) / "serve").chmod(0o755)
            OwnImages(home.images).add(IMAGE, Path(folder))
        self.old = self._configure("old")
        self.sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=self.old)
        self._wait(lambda found: found["EndpointStatus"] == "InService")

    def await_calls(self, config: str, count: int) -> None:
        """Until so many calls were answered by servers of a configuration."""
        dimensions = {"EndpointName": self.name, "VariantName": VARIANT, "EndpointConfigName": config}
        found = 0.0
        while found < count:
            time.sleep(0.1)
            points = self.cloudwatch.get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName="Invocations",
                Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
                StartTime=time.time() - 3600,
                EndTime=time.time() + 60,
                Period=3600,
                Statistics=["Sum"],
            )["Datapoints"]
            found = sum(point["Sum"] for point in points)

    def take_back(self, asked: int) -> float:
        """Update by a canary that an alarm takes back; seconds from the alarm to the end.

        asked: the calls that the canary answers before the alarm is on.
        """
        self.cloudwatch.put_metric_alarm(
            AlarmName=self.name, Namespace="bench", MetricName="none", Statistic="Sum", Period=60,
            EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        size = {"Type": "INSTANCE_COUNT", "Value": 1}
        routing = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": 3600}
        new = self._configure("new")
        self.sagemaker.update_endpoint(
            EndpointName=self.name,
            EndpointConfigName=new,
            DeploymentConfig={
                "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": self.name}]},
            },
        )
        self._wait(lambda found: "Baking" in str(found.get("PendingDeploymentSummary")))
        self.await_calls(new, asked)
        self.cloudwatch.set_alarm_state(AlarmName=self.name, StateValue="ALARM", StateReason="bench")
        began = time.monotonic()
        found = self._wait(lambda found: found["EndpointStatus"] == "InService")
        if "rolled back" not in found.get("FailureReason", ""):
            raise SystemExit("the update was not rolled back")
        return time.monotonic() - began

    def lose_zone(self) -> float:
        """Lose a zone with one instance; seconds until there are two again."""
        began = time.monotonic()
        if control.ask(self.home, "SetZone", {"Name": ZONE, "Up": False})["Lost"] != 1:
            raise SystemExit(f"no server stood in {ZONE}")
        while sum(control.ask(self.home, "DescribeZones")["Servers"].values()) < 2:
            time.sleep(POLL)
        return time.monotonic() - began

    def _configure(self, word: str) -> str:
        name = f"{self.name}-{word}"
        container = {"Image": IMAGE, "Environment": {"SAYS": word}}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        variant = {
            "VariantName": VARIANT,
            "ModelName": name,
            "InstanceType": "ml.c5.large",
            "InitialInstanceCount": 2,
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    def _wait(self, is_right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            found: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=self.name)
            if is_right(found):
                return found
            if found["EndpointStatus"] == "Failed":
                raise SystemExit(found["FailureReason"])
            time.sleep(POLL)


def _prepare(place: Place, name: str, calls: int) -> Callable[[], Done]:
    runtime = place.client("sagemaker-runtime")

    def ask() -> Done:
        errors, words = list[str](), list[str]()
        for _ in range(calls):
            try:
                words.append(runtime.invoke_endpoint(EndpointName=name, Body=b"?")["Body"].read().decode())
            except TROUBLE as error:
                errors.append(repr(error))
        return calls, errors, words

    return ask
