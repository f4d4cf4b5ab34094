"""Changes of an endpoint: one at a time, within its limits, and an end that does not wait for each server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud.endpoints import Hosting
from tests.waiting import TIMEOUT, until

CALLERS = 12

# It answers no ping while there is a file `hold` beside it. It ends some seconds after SIGTERM, and says so: of
# servers that are ended one after the other, each would hear of it when the one before has ended.
STUBBORN = """#!/usr/bin/env python3
import http.server, os, signal, sys, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        while os.path.exists("hold"):
            time.sleep(0.05)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

def end():
    time.sleep(3)
    print("ends", flush=True)
    os._exit(0)

def hear(*_):
    print("heard", flush=True)
    threading.Thread(target=end).start()

signal.signal(signal.SIGTERM, hear)
port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def image(hosting: Hosting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, images = tmp_path_factory.mktemp("stubborn"), OwnImages(hosting.cloud.home.images)
    (folder / "serve").write_text(STUBBORN)
    (folder / "serve").chmod(0o755)
    yield images.add("stubborn:1", folder)
    images.remove("stubborn:1")


@pytest.fixture(scope="module")
def folder(hosting: Hosting, image: str) -> Path:
    """What servers of the image have as their folder."""
    found = OwnImages(hosting.cloud.home.images).find(image)
    assert found
    return found


@pytest.fixture(scope="module")
def endpoint(hosting: Hosting, image: str) -> str:
    """An endpoint with one server of a variant v1."""
    return hosting.serve(hosting.config(hosting.model(None, Image=image)))


def resize(hosting: Hosting, name: str, *changes: dict[str, Any]) -> None:
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=list(changes)
    )


def refused(act: Callable[[], Any]) -> str:
    """The words with which a call is refused; "" where it is not."""
    try:
        act()
    except botocore.exceptions.ClientError as error:
        return str(error)
    return ""


def test_of_changes_at_the_same_moment_one_gets_through(
    hosting: Hosting, endpoint: str, image: str, folder: Path
) -> None:
    config, ready = hosting.config(hosting.model(None, Image=image)), threading.Barrier(CALLERS)
    acts = [
        partial(hosting.sagemaker.update_endpoint, EndpointName=endpoint, EndpointConfigName=config),
        partial(resize, hosting, endpoint, {"VariantName": "v1", "DesiredInstanceCount": 2}),
    ]

    def one(number: int) -> str:
        ready.wait(TIMEOUT)
        return refused(acts[number % len(acts)])

    (folder / "hold").touch()
    try:
        with ThreadPoolExecutor(CALLERS) as pool:
            said = list(pool.map(one, range(CALLERS)))
        assert "in-progress" in refused(partial(hosting.sagemaker.delete_endpoint, EndpointName=endpoint))
    finally:
        (folder / "hold").unlink()
    through = [number for number, words in enumerate(said) if not words]
    assert len(through) == 1
    assert all("Cannot update in-progress endpoint" in words for words in said if words)
    found = hosting.wait(endpoint)
    servers = found["ProductionVariants"][0]["CurrentInstanceCount"]
    assert (found["EndpointConfigName"] == config, servers) == ((True, 1), (False, 2))[through[0] % len(acts)]


def test_a_count_is_told_as_wanted_while_its_servers_come(hosting: Hosting, endpoint: str, folder: Path) -> None:
    had = hosting.wait(endpoint)["ProductionVariants"][0]["CurrentInstanceCount"]
    (folder / "hold").touch()
    try:
        resize(hosting, endpoint, {"VariantName": "v1", "DesiredInstanceCount": had + 1})
        found = hosting.describe(endpoint)
        variant = found["ProductionVariants"][0]
        assert found["EndpointStatus"] == "Updating"
        assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (had, had + 1)
    finally:
        (folder / "hold").unlink()
    assert hosting.wait(endpoint)["ProductionVariants"][0]["CurrentInstanceCount"] == had + 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([{"VariantName": "v1", "DesiredInstanceCount": 123}], "at most 20 instances for an endpoint"),
        (
            [{"VariantName": "v1", "DesiredWeight": 2.0}, {"VariantName": "v1", "DesiredInstanceCount": 2}],
            "Variant name v1 is used more than once in DesiredWeightsAndCapacities.",
        ),
        ([{"VariantName": "v9", "DesiredWeight": 2.0}], 'Variant "v9" is not found on endpoint'),
    ],
    ids=["too-many", "twice", "unknown"],
)
def test_a_change_that_breaks_a_rule_is_refused_and_nothing_of_it_happens(
    hosting: Hosting, endpoint: str, changes: list[dict[str, Any]], words: str
) -> None:
    before = hosting.wait(endpoint)
    assert words in refused(partial(resize, hosting, endpoint, *changes))
    after = hosting.describe(endpoint)
    for member in ("EndpointStatus", "ProductionVariants", "LastModifiedTime"):
        assert after[member] == before[member]


def test_an_update_keeps_no_more_servers_than_an_endpoint_may_have(
    hosting: Hosting, endpoint: str, image: str
) -> None:
    models = [hosting.model(None, Image=image) for _ in range(2)]
    config = hosting.config(*models, count=(1, 19))
    resize(hosting, endpoint, {"VariantName": "v1", "DesiredInstanceCount": 2})
    hosting.wait(endpoint)
    update = partial(hosting.sagemaker.update_endpoint, EndpointName=endpoint, EndpointConfigName=config)
    assert "the variants ask for 21" in refused(partial(update, RetainAllVariantProperties=True))
    assert hosting.describe(endpoint)["EndpointStatus"] == "InService"


def test_servers_are_ended_at_once(hosting: Hosting, image: str) -> None:
    name = hosting.serve(hosting.config(hosting.model(None, Image=image), count=3))
    hosting.delete(name)
    ends = until(lambda: times(hosting, name, "ends"), lambda found: len(found) == 3)
    assert max(times(hosting, name, "heard")) < min(ends)


def times(hosting: Hosting, name: str, line: str) -> list[int]:
    """When a line was printed by servers of an endpoint, in ms since the epoch."""
    events = hosting.logs.filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{name}")["events"]
    return [one["timestamp"] for one in events if one["message"] == line]
