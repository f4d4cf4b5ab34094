"""The learner's own code in the archive."""

from __future__ import annotations

import http.client
import json
import shutil
from pathlib import Path

import pytest

from tests.serving.conftest import Start
from tests.serving.servers import IMAGE, Connection

pytestmark = pytest.mark.slow

AROUND = """
import json

def input_handler(data, context):
    if context.request_content_type != "application/x-grey":
        raise ValueError("send application/x-grey, not " + context.request_content_type)
    grey = float(data.read())
    return json.dumps({"instances": [[[[grey]] * 4] * 4]})

def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.content.decode("utf-8"))
    scores = response.json()["predictions"][0]
    return json.dumps({"digit": scores.index(max(scores)), "asked": context.accept_header}), "application/json"
"""

WHOLE = """
import requests

def handler(data, context):
    response = requests.post(context.rest_uri, data=data.read())
    return response.content, "application/json" if response.ok else "text/plain"
"""

TELLS = """
import json

def handler(data, context):
    return json.dumps(context._asdict() | {"length": len(data.read())})
"""

STREAMS = """
def handler(data, context):
    count = int(data.read())
    if count < 0:
        raise ValueError("count up, not down")
    return (f"{number}\\n" for number in range(count)), "text/plain"
"""

CUT = """
def handler(data, context):
    def parts():
        yield "one"
        raise KeyError("two")
    return parts(), "text/plain"
"""

BREAKS = """
def handler(data, context):
    words = data.read().decode()
    if words == "raise":
        raise RuntimeError("the handler has a fault")
    return {"ok": 1} if words == "dict" else words
"""


def test_handlers_go_around_the_model(start: Start) -> None:
    server = start(AROUND)
    reply = server.send("0.25", "application/x-grey", Accept="application/json")
    assert reply.status == 200
    assert reply.json["digit"] in (0, 1, 2)
    assert reply.json["asked"] == "application/json"


def test_an_error_of_a_handler_is_a_500_with_its_words_and_its_traceback_in_the_log(start: Start) -> None:
    server = start(AROUND)
    reply = server.send("0.25", "text/csv")
    assert (reply.status, reply.error) == (500, "send application/x-grey, not text/csv")
    assert server.send("0.25", "application/x-grey").status == 200
    code, out, err = server.end()
    assert code == 0
    assert 'inference.py", line 6, in input_handler' in err
    assert '"POST /invocations HTTP/1.1" 500' in out


def test_output_handler_sees_what_the_model_refused(start: Start) -> None:
    server = start(AROUND.replace("* 4] * 4]", "* 4] * 3]"))
    reply = server.send("0.25", "application/x-grey")
    assert reply.status == 500
    assert "has shape (batch, 4, 4, 1); got (1, 3, 4, 1)" in reply.error


def test_a_handler_reaches_the_model_at_its_rest_uri(start: Start) -> None:
    server = start(WHOLE)
    reply = server.send({"instances": [IMAGE]})
    assert len(reply.json["predictions"][0]) == 3
    assert "The body is not JSON" in server.send("{").body.decode()


def test_many_handlers_wait_for_the_model_at_once(start: Start) -> None:
    server = start(WHOLE)
    connections = [Connection(server.socket) for _ in range(40)]
    for connection in connections:
        connection.request("POST", "/invocations", json.dumps({"instances": [IMAGE]}))
    assert {connection.getresponse().status for connection in connections} == {200}
    for connection in connections:
        connection.close()


def test_the_context_is_the_containers(start: Start) -> None:
    server = start(TELLS)
    told = server.send("abc", "text/csv", X_Amzn_SageMaker_Custom_Attributes="tfs-model-name=tiny,a=b").json
    port = told["rest_uri"].removeprefix("http://localhost:").partition("/")[0]
    assert told == {
        "model_name": "tiny",
        "model_version": None,
        "method": None,
        "rest_uri": f"http://localhost:{port}/v1/models/tiny:predict",
        "grpc_port": None,
        "channel": None,
        "custom_attributes": "tfs-model-name=tiny,a=b",
        "request_content_type": "text/csv",
        "accept_header": "application/json",
        "content_length": 3,
        "length": 3,
    }
    assert server.send("", None).json["request_content_type"] == "application/json"


def test_a_generator_is_streamed(start: Start) -> None:
    server = start(STREAMS)
    connection = Connection(server.socket)
    connection.request("POST", "/invocations", "3")
    answer = connection.getresponse()
    assert answer.getheader("transfer-encoding") == "chunked"
    assert answer.read() == b"0\n1\n2\n"
    connection.close()
    assert server.send("-1").error == "count up, not down"


def test_a_stream_that_breaks_is_cut_and_the_server_goes_on(start: Start) -> None:
    server = start(CUT)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        server.send("x")
    assert server.ask("GET", "/ping").status == 200
    assert "KeyError: 'two'" in server.end()[2]


def test_a_handler_that_returns_something_else_is_told(start: Start) -> None:
    server = start(BREAKS)
    assert server.send("fine", Accept="text/plain").body == b"fine"
    assert server.send("raise").error == "the handler has a fault"
    reply = server.send("dict")
    assert reply.status == 500
    assert "must return str or bytes" in reply.error


def test_code_that_raises_at_import_ends_the_process_with_its_traceback(start: Start) -> None:
    server = start("import json\n1 / 0\n")
    code, _, err = server.end()
    assert code == 1
    assert 'inference.py", line 2' in err
    assert err.rstrip().endswith("ZeroDivisionError: division by zero")


def test_code_without_handlers_says_which_it_needs(start: Start) -> None:
    code, _, err = start("def input_handler(data, context): ...").end()
    assert code == 1
    assert "both input_handler(data, context) and output_handler(response, context)" in err


def test_modules_beside_it_and_in_lib_are_found(start: Start, archive: Path) -> None:
    (archive / "code/lib").mkdir(parents=True)
    (archive / "code/beside.py").write_text("ONE = 'one'")
    (archive / "code/lib/packed.py").write_text("TWO = 'two'")
    (archive / "code/requirements.txt").write_text("never-looked-at")
    server = start("import beside, packed\ndef handler(d, c): return beside.ONE + packed.TWO, 'text/plain'")
    assert server.send("").body == b"onetwo"
    assert "requirements.txt is ignored" in server.end()[2]


def test_code_without_inference_is_left_alone(start: Start, archive: Path) -> None:
    (archive / "code").mkdir()
    (archive / "code/train.py").write_text("1 / 0")
    assert start().send({"instances": [IMAGE]}).status == 200
    shutil.rmtree(archive / "code")
