"""The official Python client of Kubernetes, and an operator of somebody's own by kopf, on `sagelab k8s`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.images.environments import KUBERNETES, Environments
from sagelab.k8s import control
from tests.clients.conftest import SCRIPTS, environment
from tests.conftest import LocalCloud, Sagelab
from tests.k8s.conftest import definition, widget
from tests.waiting import until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def kubeconfig(cloud: LocalCloud, sagelab: Sagelab) -> str:
    started = sagelab("k8s", "up", home=cloud.home.path)
    if "could not be downloaded" in started.stderr:
        pytest.skip(started.stderr)
    assert started.returncode == 0, started.stderr
    return str(control.kubeconfig(cloud.home))


def renamed(plural: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A definition of a kind that nobody else has, and an object of it."""
    defined = json.loads(json.dumps(definition()).replace("widgets", plural).replace("Widget", plural.title()))
    defined["spec"]["names"]["shortNames"] = []
    return defined, widget("a") | {"kind": plural.title()}


def test_the_official_python_client(kubeconfig: str, tmp_path: Path, unique: Callable[[str], str]) -> None:
    python = environment("kubernetes") / "bin/python"
    files = [tmp_path / "definition.json", tmp_path / "object.json"]
    for file, content in zip(files, renamed(unique("w").replace("-", "")), strict=True):
        file.write_text(json.dumps(content))
    command = [str(python), str(SCRIPTS / "kubernetes_client.py"), unique("client"), *map(str, files)]
    env = {**os.environ, "KUBECONFIG": kubeconfig}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout) == (0, "all is well\n"), done.stderr


OPERATOR = """
import kopf

@kopf.on.create("example.com", "v1", "{plural}")
def made(spec, body, patch, **_):
    patch.status["area"] = spec["size"] ** 2
    kopf.info(body, reason="Measured", message="it is a square")

@kopf.on.update("example.com", "v1", "{plural}", field="spec.size")
def changed(new, patch, **_):
    patch.status["area"] = new ** 2

@kopf.on.delete("example.com", "v1", "{plural}")
def gone(name, **_):
    print("gone:", name, flush=True)
"""


def test_an_operator_of_ones_own(
    cloud: LocalCloud, kubeconfig: str, tmp_path: Path, unique: Callable[[str], str]
) -> None:
    plural = unique("w").replace("-", "")
    defined, body = renamed(plural)
    (tmp_path / "own.py").write_text(OPERATOR.format(plural=plural))
    packages = Environments(cloud.home.environments).packages(KUBERNETES)
    env = {**os.environ, "KUBECONFIG": kubeconfig, "PYTHONPATH": str(packages)}

    def kubectl(*arguments: str, given: Any = None) -> str:
        command = ["kubectl", *arguments]
        options: dict[str, Any] = {"env": env, "text": True, "check": True, "capture_output": True, "timeout": 100}
        return str(subprocess.run(command, input=json.dumps(given), **options).stdout)

    kubectl("apply", "-f", "-", given=defined)
    command = [sys.executable, "-m", "kopf", "run", "--standalone", "--namespace=default", "own.py"]
    with (tmp_path / "out").open("w") as out:
        operator = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=out, stderr=out)
    try:
        kubectl("apply", "-f", "-", given=body)
        kubectl("wait", "--for=jsonpath={.status.area}=9", f"{plural}/a", "--timeout=60s")
        kubectl("patch", plural, "a", "--type=merge", "-p", '{"spec": {"size": 4}}')
        kubectl("wait", "--for=jsonpath={.status.area}=16", f"{plural}/a", "--timeout=60s")
        until(lambda: kubectl("describe", plural, "a"), lambda told: "it is a square" in told)
        kubectl("delete", plural, "a", "--timeout=60s")
    finally:
        operator.terminate()
        operator.wait()
    assert "gone: a" in (tmp_path / "out").read_text()
    kubectl("delete", "crd", defined["metadata"]["name"])
