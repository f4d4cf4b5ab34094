"""The Kubernetes API: from `kubectl apply` to a job in progress, and what an object costs."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

from jobs import ROLE
from place import local_cloud, new_home
from table import Result

from sagelab.cloud.home import Home
from sagelab.k8s import control

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
MANY, FEW = 1000, 10


def k8s(quick: bool) -> Iterator[Result]:
    """Jobs one after the other, then a thousand ConfigMaps."""
    if shutil.which("kubectl") is None:
        sys.exit("There is no kubectl here (Debian's package kubernetes-client).")
    with new_home() as home, local_cloud(home):
        control.up(home)
        kubectl = Kubectl(home)
        yield _start(home)
        yield _in_progress(kubectl, 2 if quick else 10)
        yield from _objects(kubectl, 50 if quick else MANY)


class Kubectl:
    """Debian's kubectl, pointed at a home's API server."""

    def __init__(self, home: Home) -> None:
        self._env = {**os.environ, "KUBECONFIG": str(control.kubeconfig(home))}

    def run(self, *arguments: str, given: Any = None) -> float:
        """The seconds of a command, which must succeed."""
        began = time.perf_counter()
        subprocess.run(
            ["kubectl", *arguments],
            env=self._env,
            input=json.dumps(given),
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - began


def _start(home: Home) -> Result:
    control.down(home)
    began = time.perf_counter()
    control.up(home)
    return Result("`sagelab k8s up`", time.perf_counter() - began, 3, "s", seen="beside a local cloud that runs")


def _in_progress(kubectl: Kubectl, count: int) -> Result:
    kubectl.run("apply", "-f", "-", given=_job("warm", "true"))
    kubectl.run("wait", "--for=condition=ACK.ResourceSynced", "processingjob/warm", "--timeout=300s")
    found = []
    for n in range(count):
        name = f"job-{n}-{uuid.uuid4().hex[:6]}"
        until = "--for=jsonpath={.status.processingJobStatus}=InProgress"
        took = kubectl.run("apply", "-f", "-", given=_job(name, "exec sleep 60"))
        found.append(took + kubectl.run("wait", until, f"processingjob/{name}", "--timeout=60s"))
        kubectl.run("delete", f"processingjob/{name}", "--timeout=60s")
    seen = f"median of {count}, both commands of kubectl included; slowest {max(found):.2f} s"
    return Result("`kubectl apply` until InProgress", statistics.median(found), 1.5, "s", seen=seen)


def _objects(kubectl: Kubectl, many: int) -> Iterator[Result]:
    for namespace, count in (("few", FEW), ("many", many)):
        kubectl.run("create", "namespace", namespace)
        maps = [_map(f"map-{n:04d}") for n in range(count)]
        took = kubectl.run("-n", namespace, "create", "-f", "-", given=_list(maps))
        if count == many:
            yield Result("an object created", 1000 * took / count, 20, "ms", seen=f"{count} by one command")
    one = [kubectl.run("-n", name, "get", "configmap", "map-0005") for name in ("few", "many") for _ in range(5)]
    few, most = statistics.median(one[:5]), statistics.median(one[5:])
    yield Result(f"an object got: of {many} / of {FEW}", most / few, 1.5, "x", seen=f"{most:.2f} s, {few:.2f} s")
    took = kubectl.run("-n", "many", "get", "configmaps")
    yield Result(f"{many} objects listed", took, 2, "s", seen="as a table, in pages of 500")


def _job(name: str, command: str) -> dict[str, Any]:
    cluster = {"instanceCount": 1, "instanceType": "ml.m5.large", "volumeSizeInGB": 1}
    spec = {
        "processingJobName": name,
        "roleARN": ROLE,
        "appSpecification": {"imageURI": IMAGE, "containerEntrypoint": ["sh", "-c", command]},
        "processingResources": {"clusterConfig": cluster},
    }
    head = {"apiVersion": "sagemaker.services.k8s.aws/v1alpha1", "kind": "ProcessingJob"}
    return {**head, "metadata": {"name": name}, "spec": spec}


def _map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}}


def _list(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "items": items}
