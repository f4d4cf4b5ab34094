"""The operator: kopf sees every object of the controller's kinds, a task of each one looks at it.

    python -m sagelab.k8s.sagemaker.operator      with KUBECONFIG and AWS's variables; ends with its standard input

kopf has the watches, and puts what happens to an object in order. What belongs to an object goes to its task.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import kopf
from botocore.config import Config

from sagelab.cloud.home import ACCOUNT, DEFAULT_REGION
from sagelab.k8s.sagemaker.cluster import HttpCluster
from sagelab.k8s.sagemaker.controller import RESYNC, Controller, Look
from sagelab.k8s.sagemaker.kinds import GROUP, KINDS, VERSION, Kind

LONGEST = 30.0  # seconds between two tries of what failed
PATIENT = Config(parameter_validation=False, retries={"max_attempts": 1}, max_pool_connections=20)

log = logging.getLogger("sagelab.k8s")


@cache
def client(region: str) -> Any:
    """SageMaker, which judges requests itself."""
    return boto3.client("sagemaker", region_name=region, config=PATIENT)


class Task:
    """Looks at one object until it is gone."""

    def __init__(self, controller: Controller, kind: Kind, body: dict[str, Any]) -> None:
        self._controller, self._kind, self._body = controller, kind, body
        self._changed, self._failures = asyncio.Event(), 0
        self.running = asyncio.create_task(self._run())

    def see(self, body: dict[str, Any]) -> None:
        """The object as it is now; what the task itself has written is no news."""
        if _version(body) > _version(self._body):
            if _asked(body) != _asked(self._body):
                self._changed.set()
            self._body = body

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            try:
                look = await asyncio.to_thread(self._controller.look, self._kind, self._body)
            except LookupError:
                return
            except Exception as error:
                log.exception("%s %s", self._kind.name, self._body["metadata"]["name"])
                look = Look(self._body, RESYNC, failed=isinstance(error, OSError))
            if _version(look.body) > _version(self._body):
                self._body = look.body
            self._failures = self._failures + 1 if look.failed else 0
            delay = min(2.0**self._failures, LONGEST) if look.failed else look.delay
            try:
                await asyncio.wait_for(self._changed.wait(), delay)
            except TimeoutError:
                continue


def _version(body: dict[str, Any]) -> int:
    return int(body["metadata"]["resourceVersion"])


def _asked(body: dict[str, Any]) -> tuple[Any, ...]:
    """What of an object the user decides."""
    metadata = body["metadata"]
    return tuple(metadata.get(name) for name in ("generation", "annotations", "deletionTimestamp", "finalizers"))


def register(registry: kopf.OperatorRegistry, controller: Controller) -> None:
    """Have kopf tell what happens to the objects of each kind."""
    tasks: dict[str, Task] = {}

    def hear(kind: Kind) -> None:
        @kopf.on.event(GROUP, VERSION, kind.plural, registry=registry)
        async def seen(event: Any, **_: Any) -> None:
            body = dict(event["object"])
            uid = body["metadata"]["uid"]
            task = tasks.get(uid)
            if event["type"] == "DELETED":
                if task:
                    tasks.pop(uid).running.cancel()
            elif task:
                task.see(body)
            else:
                tasks[uid] = Task(controller, kind, body)

    for kind in KINDS:
        hear(kind)


def main() -> None:
    """Run until the standard input is closed."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.WARNING)
    registry = kopf.OperatorRegistry()
    region = os.environ.get("AWS_REGION", DEFAULT_REGION)
    register(registry, Controller(HttpCluster(Path(os.environ["KUBECONFIG"])), client, ACCOUNT, region))

    @kopf.on.login(registry=registry)
    def log_in(**options: Any) -> Any:
        return kopf.login_with_kubeconfig(**options)

    @kopf.on.startup(registry=registry)
    def begin(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        client(region)

    def wait_for_the_end() -> None:
        """At any moment: what was begun is seen by the next look, whoever takes it."""
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    kopf.run(registry=registry, standalone=True, clusterwide=True)


if __name__ == "__main__":
    main()
