"""The process: its certificate, its life beside the local cloud, what it keeps."""

from __future__ import annotations

import json
import os
import signal
import ssl
import stat
from pathlib import Path
from typing import Any
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import pytest

from sagelab.cloud import control as clouds
from sagelab.cloud.home import Home
from sagelab.k8s import control, server
from tests.waiting import until


def ask(config: Path, path: str, body: Any = None) -> Any:
    """A request as any client makes it, with what the kubeconfig says and nothing else."""
    found = json.loads(config.read_text())
    cluster, token = found["clusters"][0]["cluster"], found["users"][0]["user"]["token"]
    authority = ssl.create_default_context(cafile=str(config.with_name("ca.crt")))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=authority))
    with opener.open(Request(cluster["server"] + path, data, headers), timeout=30) as answer:
        return json.load(answer)


MAPS = "/api/v1/namespaces/default/configmaps"


def test_what_was_acknowledged_survives_a_kill_and_the_server_ends_with_its_cloud(home: Home) -> None:
    control.up(home, operator=False)
    config = control.kubeconfig(home)
    made = ask(config, MAPS, {"metadata": {"name": "a"}, "data": {"key": "value"}})
    running = control.status(home)
    assert running
    assert clouds.end(running["pid"], signal.SIGKILL, 10)
    assert control.status(home) is None
    control.up(home, operator=False)
    assert ask(config, MAPS)["items"] == [made | {"kind": "ConfigMap", "apiVersion": "v1"}]
    pid = control.status(home)
    assert pid
    clouds.down(home)
    until(lambda: control.status(home), lambda found: found is None)
    assert control.down(home) is False
    home.clear()
    assert not (home.path / "kubernetes").exists()


def test_nobody_else_reads_the_keys(tmp_path: Path) -> None:
    token = server.prepare(tmp_path, "https://127.0.0.1:1")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["ca.crt", "server.crt", "server.key", "token", "kubeconfig"], 0o600)
    assert server.prepare(tmp_path, "https://127.0.0.1:2") == token
    assert len(token) > 40


def test_commands_say_that_none_runs(sagelab: Any, home: Home) -> None:
    for command in ("env", "kubeconfig"):
        done = sagelab("k8s", command, home=home.path)
        assert done.returncode == 1
        assert "start it with: sagelab k8s up" in done.stderr
    assert sagelab("k8s", "down", home=home.path).stdout == "no Kubernetes API is running\n"


@pytest.mark.long
def test_an_operator_that_dies_is_started_again(sagelab: Any, home: Home) -> None:
    started = sagelab("k8s", "up", home=home.path)
    if "could not be downloaded" in started.stderr:
        pytest.skip(started.stderr)
    running = control.status(home)
    assert running

    def operators() -> list[int]:
        children = Path(f"/proc/{running['pid']}/task/{running['pid']}/children").read_text()
        return [int(pid) for pid in children.split()]

    (first,) = until(operators, lambda found: len(found) == 1)
    os.kill(first, signal.SIGKILL)
    (second,) = until(operators, lambda found: len(found) == 1 and found != [first])
    control.down(home)
    until(lambda: Path(f"/proc/{second}").exists(), lambda there: not there)
