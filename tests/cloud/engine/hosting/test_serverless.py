"""Serverless endpoints: nothing runs at rest, environments start for requests and end when nobody asks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.config import Config

from sagelab.cloud import clock, control
from sagelab.cloud.console import overview
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import pack
from tests.waiting import until

IMAGE = "moody:1"

# Does what a request says; files beside it hold its requests or its start.
MOODY = """#!/usr/bin/env python3
import http.server, json, os, pathlib, time, uuid

INSTANCE, MODEL = uuid.uuid4().hex, pathlib.Path("/opt/ml/model")

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        word = self.rfile.read(int(self.headers["Content-Length"]))[:100].decode()
        if word == "die":
            os._exit(3)
        if word == "eat":
            self.eaten = b"x" * (1300 << 20)
            time.sleep(60)
        if word == "big":
            return self.answer(b"x" * ((4 << 20) + 1))
        if word == "mark":
            (MODEL / "weights.py").write_text("changed")
        while word == "wait" and os.path.exists("hold"):
            time.sleep(0.02)
        text = (MODEL / "weights.py").read_text()
        self.answer(json.dumps({"instance": INSTANCE, "weights": text}).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

if os.path.exists("broken"):
    raise SystemExit("it is broken")
while os.path.exists("slow"):
    time.sleep(0.02)
port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""

pytestmark = pytest.mark.slow


@dataclass
class Moody:
    """Endpoints on a local cloud whose clock a test can set."""

    home: Home
    folder: Path
    hosting: Hosting
    model: str = ""
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))

    def serve(self, **plan: int) -> str:
        return self.hosting.serve(self.hosting.serverless(self.model, **plan))

    def ask(self, name: str, word: str = "hello") -> dict[str, Any]:
        """The answer of an environment to a request that is not tried again."""
        once = Config(retries={"total_max_attempts": 1})
        runtime = self.hosting.cloud.client("sagemaker-runtime", config=once)
        answer = runtime.invoke_endpoint(EndpointName=name, Body=word.encode(), ContentType="text/plain")
        found: dict[str, Any] = json.loads(answer["Body"].read())
        return found

    def begin(self, name: str, word: str = "wait") -> Future[dict[str, Any]]:
        """A request that is under way."""
        return self.pool.submit(self.ask, name, word)

    def refusal(self, name: str, word: str = "hello") -> dict[str, Any]:
        with pytest.raises(botocore.exceptions.ClientError) as error:
            self.ask(name, word)
        found: dict[str, Any] = error.value.response
        return found

    def running(self, name: str) -> list[str]:
        """The folders of its environments, which go with them."""
        return [folder.name for folder in self.home.jobs.glob(f"{name}-i-*")]

    @contextmanager
    def there(self, file: str) -> Iterator[None]:
        """While there is this file beside the program."""
        (self.folder / file).touch()
        try:
            yield
        finally:
            (self.folder / file).unlink()

    def overview(self, name: str) -> list[dict[str, Any]]:
        """What the console says of an endpoint that runs."""
        found = overview.look(self.hosting.cloud.client)["running"]
        return [each for each in found if each["name"] == name]

    def starts(self, name: str) -> int:
        return self.hosting.log(name).count("cold start of")

    def metric(self, name: str, metric: str, statistic: str, space: str = "AWS/SageMaker") -> float | None:
        """What all of its values come to; None: there are none."""
        points = self.hosting.cloud.client("cloudwatch").get_metric_statistics(
            Namespace=space,
            MetricName=metric,
            Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "v1"}],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 60,
            Period=86400,
            Statistics=[statistic],
        )["Datapoints"]
        return float(sum(point[statistic] for point in points)) if points else None


@pytest.fixture(scope="module")
def moody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moody]:
    place = tmp_path_factory.mktemp("serverless")
    home, program = Home(place / "home"), place / "moody"
    program.mkdir()
    (program / "serve").write_text(MOODY)
    (program / "serve").chmod(0o755)
    images = OwnImages(home.images)
    images.add(IMAGE, program)
    folder = images.find(IMAGE)
    assert folder
    made = Moody(home, folder, Hosting(clouds.start(home)))
    made.model = made.hosting.model(pack({"weights.py": "2"}), Image=IMAGE)
    yield made
    made.pool.shutdown()
    control.down(home)


@pytest.fixture(scope="module")
def asleep(moody: Moody) -> str:
    """An endpoint that has never been asked, of two requests at a time."""
    return moody.serve()


def test_an_endpoint_in_service_has_shown_that_it_starts_and_runs_nothing(moody: Moody, asleep: str) -> None:
    [variant] = moody.hosting.describe(asleep)["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    assert variant["DesiredServerlessConfig"] == variant["CurrentServerlessConfig"]
    assert not [name for name in variant if "InstanceCount" in name]
    assert moody.running(asleep) == []
    assert until(lambda: moody.starts(asleep), bool) == 1
    [shown] = moody.overview(asleep)
    assert (shown["instances"], shown["note"]) == ([], "$0.00002 a second of its requests")


def test_the_first_request_starts_an_environment_and_the_next_one_finds_it(moody: Moody, asleep: str) -> None:
    first, second = moody.ask(asleep), moody.ask(asleep)
    assert first == second == {"instance": first["instance"], "weights": "2"}
    assert len(moody.running(asleep)) == 1
    until(lambda: moody.starts(asleep), lambda count: count == 2)


def test_more_at_a_time_are_throttled_as_sdks_know_it(moody: Moody, asleep: str) -> None:
    with moody.there("hold"):
        held = [moody.begin(asleep) for _ in range(2)]
        until(lambda: len(moody.running(asleep)), lambda count: count == 2)
        answer = moody.refusal(asleep)
    assert answer["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert len({each.result()["instance"] for each in held}) == 2
    utilization = "ServerlessConcurrentExecutionsUtilization"
    assert until(lambda: moody.metric(asleep, utilization, "Maximum"), bool) == 1.0


def test_no_environment_sees_what_another_one_did_to_its_model(moody: Moody, asleep: str) -> None:
    changed = moody.ask(asleep, "mark")
    assert changed["weights"] == "changed"
    with moody.there("hold"):
        held = [moody.begin(asleep) for _ in range(2)]
    found = {each.result()["instance"]: each.result()["weights"] for each in held}
    found |= {moody.refusal(asleep, "die")["Error"]["Code"]: "" for _ in range(2)}
    assert found["ModelError"] == ""
    after = moody.ask(asleep)
    assert after["instance"] not in found
    assert after["weights"] == "2"


def test_what_is_over_a_limit_is_refused(moody: Moody, asleep: str) -> None:
    answer = moody.refusal(asleep, " " * ((4 << 20) + 1))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert "4,194,304 bytes" in answer["Error"]["Message"]
    answer = moody.refusal(asleep, "big")
    assert answer["Error"]["Code"] == "ModelError"
    assert "larger than 4,194,304 bytes" in answer["Error"]["Message"]
    assert moody.ask(asleep)


def test_over_its_memory_an_environment_ends_and_the_request_fails(moody: Moody, asleep: str) -> None:
    assert moody.refusal(asleep, "eat")["Error"]["Code"] == "ModelError"
    until(lambda: moody.hosting.log(asleep), lambda log: "more memory than there is for it (1,024 MB)" in log)
    assert moody.ask(asleep)


def test_a_model_that_does_not_start_any_more_fails_its_requests_alone(moody: Moody) -> None:
    name = moody.serve(most=1)
    with moody.there("broken"):
        answer = moody.refusal(name)
    assert answer["Error"]["Code"] == "ModelError"
    assert "it is broken" in answer["Error"]["Message"]
    assert moody.hosting.describe(name)["EndpointStatus"] == "InService"
    assert moody.ask(name)


def test_a_model_that_never_starts_makes_no_endpoint(moody: Moody) -> None:
    with moody.there("broken"):
        name = moody.hosting.start(moody.hosting.serverless(moody.model))
        found = moody.hosting.wait(name)
    assert found["EndpointStatus"] == "Failed"
    assert "it is broken" in found["FailureReason"]
    assert moody.running(name) == []


def test_a_request_that_waits_for_a_start_ends_with_its_endpoint(moody: Moody) -> None:
    name = moody.serve()
    with moody.there("slow"):
        waits = moody.begin(name, "hello")
        until(lambda: moody.running(name), bool)
        moody.hosting.delete(name)
        with pytest.raises(botocore.exceptions.ClientError):
            waits.result()
    until(lambda: moody.running(name), lambda found: not found)
    assert not list(moody.home.jobs.glob(f"{name}-*"))


def test_provisioned_environments_are_there_and_the_rest_spills_over(moody: Moody) -> None:
    name = moody.serve(ProvisionedConcurrency=1)
    assert len(moody.running(name)) == 1
    [shown] = moody.overview(name)
    assert shown["instances"] == [{"type": "serverless 1,024 MB", "count": 1, "dollars": None}]
    first = moody.ask(name)
    with moody.there("hold"):
        held = [moody.begin(name) for _ in range(2)]
        until(lambda: len(moody.running(name)), lambda count: count == 2)
    assert first["instance"] in {each.result()["instance"] for each in held}
    prefix = "ServerlessProvisionedConcurrency"
    assert until(lambda: moody.metric(name, f"{prefix}SpilloverInvocations", "Sum"), bool) == 1.0
    assert moody.metric(name, f"{prefix}Invocations", "Sum") == 2.0
    assert moody.metric(name, f"{prefix}Utilization", "Maximum") == 1.0
    assert moody.metric(name, f"{prefix}Executions", "Maximum") == 1.0
    moody.refusal(name, "die")
    until(lambda: moody.starts(name), lambda count: count == 3)


def test_a_plan_is_changed_while_the_endpoint_serves(moody: Moody) -> None:
    name = moody.serve(most=1)
    change = {"MaxConcurrency": 3, "ProvisionedConcurrency": 2}
    wanted = [{"VariantName": "v1", "ServerlessUpdateConfig": change}]
    with moody.there("hold"):
        held = moody.begin(name)
        until(lambda: moody.running(name), bool)
        moody.hosting.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name, DesiredWeightsAndCapacities=wanted
        )
        [variant] = moody.hosting.wait(name)["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, **change}
    assert held.result()
    assert len(moody.running(name)) >= 2


def test_metrics_are_those_of_a_serverless_endpoint(moody: Moody) -> None:
    name = moody.serve()
    moody.ask(name)
    assert until(lambda: moody.metric(name, "Invocations", "Sum"), bool) == 1.0
    setup, overhead = (moody.metric(name, one, "Maximum") for one in ("ModelSetupTime", "OverheadLatency"))
    assert setup
    assert overhead
    assert overhead > setup > 0
    assert moody.metric(name, "ModelSetupTime", "SampleCount") == 1
    assert moody.metric(name, "InvocationsPerInstance", "Sum") is None
    memory = moody.metric(name, "MemoryUtilization", "Maximum", "/aws/sagemaker/Endpoints")
    assert memory
    assert 0 < memory < 100


def test_an_environment_that_nobody_asks_ends(moody: Moody) -> None:
    name = moody.serve()
    moody.ask(name)
    try:
        clock.set_speed(moody.home, clock.FASTEST)
        until(lambda: moody.running(name), lambda found: not found)
    finally:
        clock.set_speed(moody.home, 1)
    assert moody.ask(name)


def test_a_serverless_endpoint_becomes_another_one_under_load_and_one_with_instances(moody: Moody) -> None:
    name, done, answers = moody.serve(), threading.Event(), list[dict[str, Any]]()

    def ask() -> None:
        while not done.is_set():
            answers.append(moody.ask(name))

    client = moody.pool.submit(ask)
    for config in (moody.hosting.serverless(moody.model, 2048), moody.hosting.config(moody.model)):
        seen = len(answers) + 1
        until(answers.__len__, seen.__le__)
        moody.hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
        found = moody.hosting.wait(name)
        assert found["EndpointConfigName"] == config, found
    done.set()
    client.result()
    assert found["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    back = moody.hosting.serverless(moody.model)
    with pytest.raises(botocore.exceptions.ClientError, match="real-time endpoint cannot be updated"):
        moody.hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=back)
