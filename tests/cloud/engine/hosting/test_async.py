"""Asynchronous invocations: each that was acknowledged ends in S3, so many are under way at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions
import pytest

from sagelab.cloud import control
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.endpoints import Hosting
from tests.waiting import until

IMAGE = "patient:1"

# It answers nothing while there is a file `hold` beside it, and then says how many it had under way at once.
PATIENT = """#!/usr/bin/env python3
import http.server, os, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    under_way, most, lock = 0, 0, threading.Lock()

    def do_GET(self):
        self.answer(200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.lock:
            Handler.under_way += 1
            Handler.most = max(Handler.most, Handler.under_way)
        print("begins", flush=True)
        while os.path.exists("hold"):
            time.sleep(0.02)
        with self.lock:
            Handler.under_way -= 1
        self.answer(200, b"%d %s" % (Handler.most, body))

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""

pytestmark = pytest.mark.slow


@dataclass
class Asking:
    """Asynchronous endpoints with servers that can be held, and their invocations."""

    hosting: Hosting

    @property
    def hold(self) -> Path:
        folder = OwnImages(self.hosting.cloud.home.images).find(IMAGE)
        assert folder
        return folder / "hold"

    def serve(self, **client: int) -> str:
        """An endpoint in service. client: its ClientConfig."""
        base = f"s3://{self.hosting.bucket}"
        places = {"S3OutputPath": f"{base}/out", "S3FailurePath": f"{base}/failed"}
        options = {"AsyncInferenceConfig": {"OutputConfig": places, "ClientConfig": client}}
        model = self.hosting.model(None, Image=IMAGE)
        return self.hosting.serve(self.hosting.config(model, options=options))

    def invoke(self, name: str, text: str | None) -> dict[str, Any]:
        """The answer to an invocation whose input is a text; None: its input is not there."""
        where = f"s3://{self.hosting.bucket}/in/nothing"
        if text is not None:
            where = self.hosting.put(f"in/{text}", text.encode())
        answer: dict[str, Any] = self.hosting.runtime.invoke_endpoint_async(
            EndpointName=name, InputLocation=where, ContentType="text/plain"
        )
        return answer

    def read(self, uri: str) -> str | None:
        """An object's text; None: it is not there."""
        place = urlsplit(uri)
        try:
            body = self.hosting.s3.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"]
        except self.hosting.s3.exceptions.NoSuchKey:
            return None
        return str(body.read().decode())

    def await_text(self, uri: str) -> str:
        """An object's text, once it is there."""
        return str(until(lambda: self.read(uri), lambda text: text is not None))

    def begun(self, name: str) -> int:
        """How many invocations the servers have begun."""
        return self.hosting.log(name).count("begins")  # two threads may share a line

    def await_no_row(self) -> None:
        """Nothing that was done or dropped is kept."""

        def rows() -> int:
            with closing(sqlite3.connect(self.hosting.cloud.home.database)) as database:
                sql = "SELECT count(*) FROM resources WHERE kind = 'async-invocation'"
                return int(database.execute(sql).fetchone()[0])

        until(rows, lambda found: found == 0)


def asking(home: Home, folder: Path) -> Asking:
    folder.mkdir()
    (folder / "serve").write_text(PATIENT)
    (folder / "serve").chmod(0o755)
    OwnImages(home.images).add(IMAGE, folder)
    return Asking(Hosting(clouds.start(home)))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """On a local cloud of the module's own, whose rows are all its own."""
    folder = tmp_path_factory.mktemp("asynchronous")
    home = Home(folder / "home")
    made = asking(home, folder / "patient")
    yield made
    made.hosting.close()
    control.down(home)


def test_so_many_are_under_way_as_the_configuration_says(own: Asking) -> None:
    name = own.serve(MaxConcurrentInvocationsPerInstance=2)
    own.hold.touch()
    try:
        answers = [own.invoke(name, f"text-{number}") for number in range(5)]
        assert [own.read(answer["OutputLocation"]) for answer in answers] == [None] * 5
        until(lambda: own.begun(name), lambda found: found == 2)
        until(lambda: backlog(own, name), lambda size: size == 5)
    finally:
        own.hold.unlink()
    said = [own.await_text(answer["OutputLocation"]) for answer in answers]
    assert {one.split()[0] for one in said} <= {"1", "2"}
    own.await_no_row()


def test_without_servers_they_wait(own: Asking) -> None:
    name = own.serve()
    for count in (0, 1):
        change = [{"VariantName": "v1", "DesiredInstanceCount": count}]
        own.hosting.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name, DesiredWeightsAndCapacities=change
        )
        own.hosting.wait(name)
        if count == 0:
            answer = own.invoke(name, "patience")
    assert own.await_text(answer["OutputLocation"]) == "1 patience"


def test_those_of_a_deleted_endpoint_are_dropped(own: Asking) -> None:
    name = own.serve(MaxConcurrentInvocationsPerInstance=1)
    own.hold.touch()
    try:
        answers = [own.invoke(name, f"text-{number}") for number in range(3)]
        until(lambda: own.begun(name), lambda found: found == 1)
        own.hosting.delete(name)
    finally:
        own.hold.unlink()
    own.await_no_row()
    places = [uri for one in answers for uri in (one["OutputLocation"], one["FailureLocation"])]
    assert [own.read(uri) for uri in places] == [None] * 6


def test_an_input_in_the_request_is_refused_in_each_way(own: Asking) -> None:
    name = own.serve()
    where = own.hosting.put("in/two", b"two")
    invoke = own.hosting.runtime.invoke_endpoint_async
    with pytest.raises(botocore.exceptions.ClientError, match="InputLocation is required"):
        invoke(EndpointName=name, InputLocation=where, Body=b"one")
    runtime = own.hosting.runtime
    for direct in (runtime.invoke_endpoint, runtime.invoke_endpoint_with_response_stream):
        with pytest.raises(botocore.exceptions.ClientError, match="is an asynchronous endpoint") as refused:
            direct(EndpointName=name, Body=b"one")
        assert refused.value.response["Error"]["Code"] == "ValidationError"


def backlog(own: Asking, name: str) -> float:
    """The largest ApproximateBacklogSize of an endpoint so far."""
    points = own.hosting.cloud.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="ApproximateBacklogSize",
        Dimensions=[{"Name": "EndpointName", "Value": name}],
        StartTime=datetime.now(UTC) - timedelta(days=1),
        EndTime=datetime.now(UTC) + timedelta(days=1),
        Period=86400,
        Statistics=["Maximum"],
    )["Datapoints"]
    return max((float(point["Maximum"]) for point in points), default=0.0)
