"""The users of a load test as a process of their own, against a server of a few lines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.jobs.run import Stopped
from sagelab.cloud.engine.recommender.crowd import Crowd, Order
from sagelab.cloud.engine.recommender.curve import Limits
from sagelab.cloud.engine.recommender.load import Load, Meter, Metrics
from sagelab.cloud.engine.recommender.traffic import Level
from sagelab.cloud.engine.recommender.users import Users
from sagelab.cloud.engine.role_keys import RoleKeys
from sagelab.cloud.errors import ClientError, InternalServerError
from tests.waiting import until

KEYS = {"AccessKeyId": "ASIA1", "SecretAccessKey": "secret", "Token": "token"}


@dataclass
class Place:
    """A server that answers what it is told to, and what it was sent."""

    status: int = 200
    body: bytes = b"{}"
    kind: str = ""
    open: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        place = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", 1 << 16, True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with place.lock:
                    place.under_way += 1
                    place.most = max(place.most, place.under_way)
                    place.seen.append((self.path, body, dict(self.headers)))
                place.open.wait()
                with place.lock:
                    place.under_way -= 1
                self.send_response(place.status)
                self.send_header("Content-Length", str(len(place.body)))
                if place.kind:
                    self.send_header("x-amzn-errortype", place.kind)
                self.end_headers()
                self.wfile.write(place.body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def serving() -> Iterator[Place]:
    """A server that answers at once, until it is told otherwise."""
    found = Place()
    found.open.set()
    http = ThreadingHTTPServer(("127.0.0.1", 0), found.handler())
    http.daemon_threads, http.block_on_close = True, False
    found.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, args=[0.01], daemon=True).start()
    yield found
    found.open.set()
    http.shutdown()
    http.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[Place]:
    """The crowd's."""
    with serving() as found:
        yield found


@pytest.fixture
def own() -> Iterator[Place]:
    """Of the users of one test: nobody else asks it, such as who has not left yet."""
    with serving() as found:
        yield found


@pytest.fixture
def place(server: Place) -> Iterator[Place]:
    """The server, as a test wants it; then again as it was."""
    yield server
    server.status, server.body, server.kind, server.most = 200, b"{}", "", 0
    server.seen.clear()
    server.open.set()


def assume_role(**_: str) -> dict[str, Any]:
    """As STS answers."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    keys = {"AccessKeyId": "ASIA1", "SecretAccessKey": "secret", "SessionToken": "token", "Expiration": soon}
    return {"Credentials": keys}


def start() -> Crowd:
    return Crowd(RoleKeys(SimpleNamespace(assume_role=assume_role), "role", lambda *_: None))


@pytest.fixture(scope="module")
def crowd(server: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """Users that have tried their sample."""
    made = start()
    try:
        assert made.try_samples(order(server, tmp_path_factory.mktemp("samples"), a="1")) == ""
        yield made
    finally:
        made.close()


@pytest.fixture
def users(own: Place, tmp_path: Path) -> Iterator[Users]:
    """Users in this process."""
    made = Users({**asdict(order(own, tmp_path, a="1,2", b="3")), "keys": KEYS})
    yield made
    made.look(0, KEYS)


def order(place: Place, folder: Path, **samples: str) -> Order:
    for name, text in samples.items():
        (folder / name).write_text(text)
    return Order(place.url, "us-east-1", "mine", str(folder), list(samples), "text/csv", "*/*", 1000)


def test_users_ask_again_when_they_have_their_answer(own: Place, users: Users) -> None:
    assert users.probe() == {"error": ""}
    assert [body for _, body, _ in own.seen] == [b"1,2", b"3"]
    path, _, headers = own.seen[0]
    assert path == "/endpoints/mine/invocations"
    assert headers["Content-Type"] == "text/csv"
    assert headers["X-Amz-Security-Token"] == "token"
    assert "/us-east-1/sagemaker/aws4_request" in headers["Authorization"]
    own.most = 0
    users.look(3, KEYS)
    until(lambda: len(own.seen), lambda count: count > 50)
    deeds = users.look(3, KEYS)
    assert deeds["requests"] >= 48 - 3
    assert (deeds["errors"], deeds["error"]) == (0, "")
    assert sum(count for _, count in deeds["latencies"]["counts"]) == deeds["requests"]
    assert own.most <= 3


def test_users_that_leave_ask_no_more(own: Place, users: Users) -> None:
    own.open.clear()
    users.look(4, KEYS)
    until(lambda: own.under_way, lambda count: count == 4)
    users.look(1, KEYS)
    before = len(own.seen)
    own.open.set()
    until(lambda: len(own.seen), lambda count: count > before + 20)
    assert own.under_way <= 1


def test_an_error_is_told_as_an_sdk_tells_it(own: Place, users: Users) -> None:
    own.status, own.kind = 424, "ModelError:http://internal.amazon.com/coral/"
    own.body = b'{"Message": "Received server error (500) from primary"}'
    said = "ModelError when calling the InvokeEndpoint operation: Received server error (500) from primary"
    assert users.probe() == {"error": said}
    users.look(1, KEYS)
    until(lambda: len(own.seen), lambda count: count > 5)
    deeds = users.look(0, KEYS)
    assert deeds["errors"] == deeds["requests"] > 0
    assert deeds["error"] == said
    assert not deeds["latencies"]["counts"]


def test_where_nobody_listens_there_is_no_answer(tmp_path: Path) -> None:
    nobody = Users({**asdict(order(Place(url="http://127.0.0.1:1"), tmp_path, a="1")), "keys": KEYS})
    assert nobody.probe()["error"].startswith("no answer: ")


def test_a_crowd_tells_what_it_did_and_what_it_took(place: Place, crowd: Crowd) -> None:
    crowd.look(2)
    until(lambda: len(place.seen), lambda count: count > 20)
    deeds = crowd.look(0)
    assert deeds.requests > 10
    assert len(deeds.latencies) == deeds.requests
    assert 0 < deeds.cpu < deeds.seconds * 2


def test_a_crowd_that_is_killed_says_so() -> None:
    crowd = start()
    crowd.kill()
    with pytest.raises(InternalServerError, match="The process of the users ended"):
        crowd.look(1)
    crowd.close()


# One load test


@dataclass
class Asked:
    """A load against a place, on a clock of 600."""

    load: Load
    said: list[str]


@pytest.fixture
def asked(crowd: Crowd) -> Iterator[Asked]:
    said: list[str] = []
    endpoint: Any = SimpleNamespace(fleet=None, measures=SimpleNamespace(listeners=[]))
    metrics = Metrics(SimpleNamespace(put_metric_data=lambda **_: None), "job", "mine")
    clock = Clock([(0.0, 600.0)])
    yield Asked(Load(crowd, Meter(endpoint, 1 << 30), metrics, clock, threading.Event(), said.append), said)
    crowd.look(0)


def test_a_level_lasts_until_each_user_has_an_answer(place: Place, asked: Asked) -> None:
    place.open.clear()
    found: list[Any] = []
    levels = [Level(2, 1.0), Level(3, 1.0)]  # less than two milliseconds
    running = threading.Thread(target=lambda: found.extend(asked.load.run(levels, Limits())))
    running.start()
    until(lambda: place.under_way, lambda count: count == 2)
    place.open.set()
    running.join()
    assert [window.users for window in found] == [2, 3]
    assert all(window.requests >= window.users for window in found)
    assert [line.split(" users:")[0] for line in asked.said] == ["2", "3"]


def test_a_load_ends_where_its_limit_is(asked: Asked) -> None:
    levels = [Level(users, 30.0) for users in range(1, 50)]
    windows = asked.load.run(levels, Limits(invocations=1))
    assert len(windows) == 1
    assert asked.said[-1].startswith("no more users: MaxInvocations: ")


def test_a_load_without_an_answer_fails_with_the_first_error(place: Place, asked: Asked) -> None:
    place.status, place.body = 500, b"down"
    with pytest.raises(ClientError, match="500 when calling the InvokeEndpoint operation: down"):
        asked.load.run([Level(1, 30.0)], Limits())


def test_a_load_that_is_asked_to_ends_at_once(asked: Asked) -> None:
    asked.load.asked.set()
    with pytest.raises(Stopped):
        asked.load.run([Level(1, 1e6)], Limits())
