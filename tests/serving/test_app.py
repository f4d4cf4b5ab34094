"""The contract of the container, over TensorFlow."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.serving.servers import IMAGE, Connection, Server

pytestmark = pytest.mark.slow


def test_ping_is_answered(server: Server) -> None:
    assert server.ask("GET", "/ping").status == 200


def test_json_rows_are_predicted(server: Server) -> None:
    reply = server.send({"instances": [IMAGE, IMAGE]})
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    first, second = reply.json["predictions"]
    assert first == second
    assert sum(first) == pytest.approx(1, abs=1e-6)


def test_json_lines_and_csv_are_predicted(server: Server) -> None:
    line = json.dumps(IMAGE)
    want = server.send({"instances": [IMAGE, IMAGE]}).json
    assert server.send(f"{line}\n{line}\n", "application/jsonlines").json == want
    reply = server.send("4\n9\n", "text/csv")
    assert reply.error == 'The model\'s input "image" has shape (batch, 4, 4, 1); got (2,).'


def test_columns_and_other_signatures_are_predicted(server: Server) -> None:
    pair = {"signature_name": "pair", "inputs": {"a": [[1, 2]], "b": [3]}}
    assert server.send(pair).json == {"outputs": {"total": [6.0], "twice": [6]}}
    rows = {"signature_name": "pair", "instances": [{"a": [1, 2], "b": 3}]}
    assert server.send(rows).json == {"predictions": [{"total": 6.0, "twice": 6}]}
    assert server.send({"signature_name": "shout", "instances": ["hey"]}).json == {"predictions": ["HEY"]}
    assert server.send({"signature_name": "mean", "inputs": [1, 2]}).json == {"outputs": 1.5}


def test_nan_in_an_answer_is_no_error(server: Server) -> None:
    assert server.send({"signature_name": "root", "instances": [-1]}).body == b'{"predictions": [NaN]}'


@pytest.mark.parametrize(
    "kind", [None, "image/png", "application/x-npy", "text/csv; charset=utf-8", "application/json;", "Text/CSV"]
)
def test_other_content_types_are_415(server: Server, kind: str | None) -> None:
    reply = server.send(b"\x00", kind)
    assert reply.status == 415
    assert reply.error.startswith(f"Unsupported Media Type: {kind or 'Unknown'}")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/jsonlines", "application/jsonlines"),
        ("text/csv, application/jsonlines;q=0.5", "application/jsonlines"),
        ("text/csv", "application/json"),
        ("", "application/json"),
    ],
)
def test_accept_chooses_the_content_type(server: Server, accept: str, kind: str) -> None:
    reply = server.send({"instances": [IMAGE]}, Accept=accept)
    assert (reply.status, reply.headers["content-type"]) == (200, kind)


def test_the_graph_says_what_shape_is_taken_not_the_signature(server: Server) -> None:
    asked = {"signature_name": "plus_three", "instances": [1.0, 2.0, 5.0]}
    assert server.send(asked).json == {"predictions": [3.5, 4.0, 5.5]}
    asked = {"signature_name": "inside", "instances": [1.0, 2.0, 5.0]}
    assert server.send(asked).json == {"predictions": [4.0, 5.0, 8.0]}


@pytest.mark.parametrize("body", [b"", b"{", b"[[", b"\x00", b'{"instances": [[1]]}', b'{"instances": [[NaN]]}'])
def test_bad_bodies_are_400_and_leave_the_server_serving(server: Server, body: bytes) -> None:
    assert server.send(body).status == 400
    assert server.send({"instances": [IMAGE]}).status == 200


def test_attributes_choose_the_model_or_are_refused(server: Server) -> None:
    def ask(attributes: str) -> int:
        headers = {"X_Amzn_SageMaker_Custom_Attributes": attributes}
        return server.send({"instances": [IMAGE]}, **headers).status

    assert ask("tfs-model-name=tiny,tfs-model-version=3,tfs-method=predict") == 200
    assert ask("something=else") == 200
    assert ask("tfs-model-name=huge") == 404
    assert ask("tfs-model-version=4") == 404
    assert ask("tfs-method=classify") == 400


def test_tensorflow_servings_own_paths_are_answered(server: Server) -> None:
    body = json.dumps({"instances": [IMAGE]})
    want = server.send(body).json
    assert server.ask("POST", "/v1/models/tiny:predict", body).json == want
    assert server.ask("POST", "/v1/models/tiny/versions/3:predict", body).json == want
    assert server.ask("POST", "/v1/models/other:predict", body).status == 404
    (state,) = server.ask("GET", "/v1/models/tiny").json["model_version_status"]
    assert (state["version"], state["state"]) == ("3", "AVAILABLE")


def test_other_paths_and_methods_are_refused_as_json(server: Server) -> None:
    assert server.ask("GET", "/").json == {"error": "Not Found"}
    reply = server.ask("GET", "/invocations")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_many_clients_are_answered_at_once(server: Server) -> None:
    want = server.send({"instances": [IMAGE]}).body
    with ThreadPoolExecutor(16) as clients:
        replies = list(clients.map(lambda _: server.send({"instances": [IMAGE]}), range(200)))
    assert {(reply.status, reply.body) for reply in replies} == {(200, want)}


def test_clients_that_hang_up_do_no_harm(server: Server) -> None:
    head = (
        b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{"
    )
    for _ in range(50):
        connection = Connection(server.socket)
        connection.connect()
        connection.sock.sendall(head)
        connection.close()
    assert server.send({"instances": [IMAGE]}).status == 200


def test_a_connection_is_kept(server: Server) -> None:
    connection = Connection(server.socket)
    body = json.dumps({"instances": [IMAGE]})
    for _ in range(3):
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        assert connection.getresponse().read()
        before = connection.sock
        assert before is not None
    connection.close()


def test_the_threads_are_those_asked_for(server: Server) -> None:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert "Threads:" in status
    assert threading.active_count() < 100
    tasks = [p.joinpath("comm").read_text().strip() for p in Path(f"/proc/{server.process.pid}/task").iterdir()]
    assert len([name for name in tasks if name.startswith("tf_Compute")]) <= 1
