"""The process: how it starts, what it prints, how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from tests.serving import servers
from tests.serving.conftest import Start
from tests.serving.servers import IMAGE, Connection, Reply
from tests.waiting import until

pytestmark = pytest.mark.slow

SLOW = """
import time
def handler(data, context):
    started, wait = data.read().decode().split()
    open(started, "w").close()
    time.sleep(float(wait))
    return "done", "text/plain"
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sagelab.serving", *arguments], capture_output=True, text=True)


def test_it_says_what_it_loaded_and_where_it_listens(start: Start) -> None:
    server = start()
    assert server.lines[0].startswith("Loaded servable version {name: tiny version: 3} in ")
    assert server.lines[1] == f"Listening on {server.socket}\n"


def test_a_request_is_a_line_on_stdout(start: Start) -> None:
    server = start()
    server.send({"instances": [IMAGE]}, User_Agent="pen/1.0")
    server.send("{")
    _, out, err = server.end()
    first, second = sorted(out.splitlines(), key=lambda line: " 400 " in line)
    assert first.endswith('"-" "pen/1.0"')
    assert '"POST /invocations HTTP/1.1" 200 ' in first
    assert '"POST /invocations HTTP/1.1" 400 ' in second
    assert err == ""


def test_a_client_that_hangs_up_is_noted_and_is_no_error(start: Start) -> None:
    server = start()
    connection = Connection(server.socket)
    connection.putrequest("POST", "/invocations")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "9999")
    connection.endheaders(b"{")
    connection.close()
    assert server.send({"instances": [IMAGE]}).status == 200
    _, out, err = server.end()
    assert '"POST /invocations HTTP/1.1" 499 ' in out
    assert err == ""


def test_it_listens_on_a_port_too(start: Start) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start(None, "--port", str(port))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=30) as answer:
        assert answer.status == 200


def test_sigterm_lets_a_request_finish(start: Start, tmp_path: Path) -> None:
    server = start(SLOW)
    started, replies = tmp_path / "started", list[Reply]()
    asking = threading.Thread(target=lambda: replies.append(server.send(f"{started} 1.0")))
    asking.start()
    wait_for(started, asking)
    server.process.send_signal(signal.SIGTERM)
    asking.join(60)
    assert [(reply.status, reply.body) for reply in replies] == [(200, b"done")]
    assert server.end()[0] == 0


@pytest.mark.slow
def test_sigterm_does_not_wait_for_ever(start: Start, tmp_path: Path) -> None:
    server = start(SLOW)
    started = tmp_path / "started"
    connection = Connection(server.socket)
    connection.request("POST", "/invocations", f"{started} 600")
    wait_for(started, threading.current_thread())
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(40) == 0
    connection.close()


def wait_for(file: Path, alive: threading.Thread) -> None:
    """Until the file is there: the handler runs."""
    assert until(lambda: file.exists() or not alive.is_alive(), bool)
    assert file.exists()


def test_sigterm_closes_idle_connections(start: Start) -> None:
    server = start()
    connection = Connection(server.socket)
    connection.request("GET", "/ping")
    connection.getresponse().read()
    assert server.end()[0] == 0
    connection.close()


def test_a_stale_socket_is_replaced(start: Start, tmp_path: Path) -> None:
    first = start()
    first.process.kill()
    first.process.communicate()
    assert (tmp_path / "http.sock").exists()
    assert start().send({"instances": [IMAGE]}).status == 200


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(b"")
    done = run("--model", str(tmp_path), "--socket", str(tmp_path / "s"))
    assert done.returncode == 1
    assert done.stderr == (
        "Error: no SavedModel bundles found! The model archive has weights.h5. TensorFlow Serving needs a"
        " SavedModel in a folder that is a number: 1/saved_model.pb.\n"
    )


@pytest.mark.slow
def test_a_broken_savedmodel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"\x01broken")
    done = run("--model", str(tmp_path), "--socket", str(tmp_path / "s"))
    assert done.returncode == 1
    assert "Error: TensorFlow cannot load" in done.stderr


def test_a_socket_that_cannot_be_made_is_refused(exported: Path, tmp_path: Path) -> None:
    compiled = ("--compiled", str(exported / "tiny.compiled"))
    done = run("--model", str(exported), *compiled, "--socket", str(tmp_path / "no" / "s"))
    assert done.returncode == 1
    assert "cannot listen on" in done.stderr


def test_it_must_be_told_where_to_listen(tmp_path: Path) -> None:
    done = run("--model", str(tmp_path))
    assert done.returncode == 2
    assert "--socket PATH, --port N or both" in done.stderr


def test_it_serves_when_forked_from_a_python_that_has_imported_tensorflow(exported: Path, tmp_path: Path) -> None:
    server = servers.start(tmp_path, exported, "--threads", "1", warm=True)
    assert "Loaded" in server.lines[0]
    assert len(server.send({"instances": [IMAGE]}).json["predictions"]) == 1
    assert server.end()[0] == 0
