"""What sleep costs: the first prediction of a serverless endpoint; those after it against a server that waits."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from endpoints import Hosting, export, predicting
from place import local_cloud
from table import Result
from turns import compare

MEMORY = 2048  # MB: as many threads as the instance has that it is compared with


def serverless(quick: bool) -> Iterator[Result]:
    """One model, asleep and awake."""
    with tempfile.TemporaryDirectory() as folder, local_cloud() as ours:
        hosting = Hosting(ours, export(Path(folder)))
        awake, _ = hosting.deploy(hosting.configure(plain=None))
        yield _wake(hosting, 1 if quick else 5)
        name, _ = hosting.deploy(_configure(hosting))
        here, there = compare(predicting(ours, name), predicting(ours, awake), 30 if quick else 300)
        seen = f"p50: {here:.2f} ms; of an endpoint with an instance {there:.2f} ms"
        yield Result(
            "InvokeEndpoint of a serverless endpoint / with an instance", here / there, 1.1, "x", seen=seen
        )


def _wake(hosting: Hosting, times: int) -> Result:
    """The first answer of an endpoint that has slept since it was made."""
    config, seconds = _configure(hosting), []
    for _ in range(times):
        name, _ = hosting.deploy(config)
        ask = predicting(hosting.place, name)
        began = time.monotonic()
        ask()
        seconds.append(time.monotonic() - began)
        hosting.delete(name)
    seen = f"slowest of {times}; fastest {min(seconds):.2f} s; {MEMORY:,} MB"
    return Result("first InvokeEndpoint of a serverless endpoint, warm runtime", max(seconds), 1.5, "s", seen=seen)


def _configure(hosting: Hosting) -> str:
    name, plan = f"config-{uuid.uuid4().hex[:8]}", {"MemorySizeInMB": MEMORY, "MaxConcurrency": 4}
    variant = {"VariantName": "plain", "ModelName": hosting.model, "ServerlessConfig": plan}
    hosting.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    return name
