"""What a prediction costs at an endpoint: against the same SavedModel behind a bare server, against moto's canned
answer, with sixteen clients, while it is updated, and with an accelerator.

Every client is boto3's own, whatever it calls: a bare server answers at the path that InvokeEndpoint asks for, and
nobody checks the signature there.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import crowd
import numpy as np
from botocore.exceptions import BotoCoreError, ClientError
from crowd import CLIENTS, Done, Load
from jobs import ROLE
from place import Place, local_cloud, plain_moto
from table import Result
from turns import Call, compare

from sagelab.cloud.home import HOST, Credentials
from sagelab.lab import digits

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.19-cpu"
INSTANCE, ACCELERATOR = "ml.c5.large", "ml.eia1.medium"
THREADS = 2  # of TensorFlow in the bare server: what the endpoint's instance type has
JSON = "application/json"
TROUBLE = (BotoCoreError, ClientError)
POLL = 0.02
# Lab 1's network, untrained: it computes as much.
EXPORT = """
import sys, keras
from keras import layers
keras.utils.set_random_seed(1)
keras.Sequential([
    keras.Input(shape=(28, 28, 1), name="image"),
    layers.Conv2D(32, (3, 3), activation="relu"), layers.Conv2D(64, (3, 3), activation="relu"),
    layers.MaxPooling2D((2, 2)), layers.Dropout(0.25), layers.Flatten(),
    layers.Dense(128, activation="relu"), layers.Dropout(0.5), layers.Dense(10, activation="softmax"),
]).export(sys.argv[1], verbose=False)
"""


class Hosting:
    """Makes endpoints of one model on a local cloud."""

    def __init__(self, place: Place, model: Path) -> None:
        self.place, self.sagemaker = place, place.client("sagemaker")
        self.model = f"digits-{uuid.uuid4().hex[:8]}"
        s3 = place.client("s3")
        s3.create_bucket(Bucket=self.model)
        s3.put_object(Bucket=self.model, Key="model.tar.gz", Body=_pack(model))
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{self.model}/model.tar.gz"}
        self.sagemaker.create_model(ModelName=self.model, PrimaryContainer=container, ExecutionRoleArn=ROLE)

    def configure(self, **accelerators: str | None) -> str:
        """The name of a configuration with a variant for each name, and its accelerator."""
        name = f"config-{uuid.uuid4().hex[:8]}"
        shape = {"ModelName": self.model, "InstanceType": INSTANCE, "InitialInstanceCount": 1}
        variants = [
            {"VariantName": variant, **shape} | ({"AcceleratorType": kind} if kind else {})
            for variant, kind in accelerators.items()
        ]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
        return name

    def deploy(self, config: str) -> tuple[str, float]:
        """(a new endpoint in service, seconds from the Create call until Describe said so)."""
        name, began = f"endpoint-{uuid.uuid4().hex[:8]}", time.monotonic()
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.wait(name)
        return name, time.monotonic() - began

    def wait(self, name: str) -> None:
        while (status := self._status(name)) in ("Creating", "Updating"):
            time.sleep(POLL)
        if status != "InService":
            raise SystemExit(f"the endpoint is {status}")

    def delete(self, name: str) -> None:
        self.sagemaker.delete_endpoint(EndpointName=name)
        self.sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name, WaiterConfig={"Delay": 1})

    def _status(self, name: str) -> str:
        return str(self.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"])


def endpoints(quick: bool) -> Iterator[Result]:
    """One model, four ways to ask it."""
    count = 30 if quick else 300
    with tempfile.TemporaryDirectory() as folder, local_cloud() as ours, plain_moto() as moto:
        model = export(Path(folder))
        hosting = Hosting(ours, model)
        yield _start(hosting, 1 if quick else 5)
        name, _ = hosting.deploy(hosting.configure(plain=None))
        with _bare(model) as bare:
            yield from _compare_waits(ours, bare, moto, name, count)
            yield from _compare_crowds(ours, bare, name, rounds=1 if quick else 5, calls=20 if quick else 250)
        yield _update(hosting, name, updates=1 if quick else 3)
        hosting.delete(name)
        yield _accelerate(hosting, count)


def _start(hosting: Hosting, times: int) -> Result:
    config, seconds = hosting.configure(plain=None), []
    for _ in range(times + 1):  # the first one warms the runtime
        name, taken = hosting.deploy(config)
        seconds.append(taken)
        hosting.delete(name)
    seen = f"slowest of {times}; fastest {min(seconds[1:]):.2f} s; the first, which warmed it, {seconds[0]:.2f} s"
    return Result("CreateEndpoint until InService, warm runtime", max(seconds[1:]), 3.0, "s", seen=seen)


# One client


def _compare_waits(ours: Place, bare: Place, moto: Place, name: str, count: int) -> Iterator[Result]:
    for other, limit in ((bare, 1.5), (moto, 1.0)):
        here, there = compare(predicting(ours, name), predicting(other, name), count)
        seen = f"p50 of {count}: {here:.1f} ms; {other.name} {there:.1f} ms"
        yield Result(f"InvokeEndpoint, one digit / {other.name}", here / there, limit, "x", seen=seen)


def predicting(place: Place, name: str, **options: str) -> Call:
    runtime, body = place.client("sagemaker-runtime"), digit()
    return lambda: runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=JSON, **options)[
        "Body"
    ].read()


# Sixteen clients


def _compare_crowds(ours: Place, bare: Place, name: str, rounds: int, calls: int) -> Iterator[Result]:
    loads: dict[Place, list[list[Load]]] = {ours: [], bare: []}
    with crowd.clients() as pool:
        for _ in range(rounds):
            for place, gathered in loads.items():
                gathered.append(crowd.rush(pool, _prepare_calls, [(place, name, calls)] * CLIENTS))
    here, there = (crowd.rate(loads[place]) for place in (ours, bare))
    seen = f"{here:.0f} predictions/s; {bare.name} {there:.0f}; {CLIENTS} processes"
    measure = f"InvokeEndpoint / {bare.name}: {CLIENTS} clients"
    yield Result(measure, here / there, 0.8, "x", at_least=True, seen=seen)
    errors = crowd.errors(loads[ours])
    seen = f"of {crowd.sent(loads[ours])} calls" + "".join(f"; {one}" for one in errors[:1])
    yield Result(f"errors of InvokeEndpoint with {CLIENTS} clients", len(errors), 0, seen=seen)


def _prepare_calls(place: Place, name: str, calls: int) -> Callable[[], Done]:
    call = predicting(place, name)
    call()
    return lambda: _do_calls(call, calls)


def _do_calls(call: Call, calls: int) -> Done:
    errors = []
    for _ in range(calls):
        try:
            if len(json.loads(call())["predictions"][0]) != 10:
                errors.append("an answer without ten scores")
        except TROUBLE as error:
            errors.append(repr(error))
    return calls, errors, []


# While it changes


def _update(hosting: Hosting, name: str, updates: int) -> Result:
    """Four clients ask on while the endpoint goes from one configuration to the next."""
    configs = [hosting.configure(plain=None) for _ in range(updates)]
    done, answered, errors = threading.Event(), [0] * 4, list[str]()
    calls = [predicting(hosting.place, name) for _ in answered]

    def ask(client: int, call: Call) -> None:
        while not done.is_set():
            try:
                call()
                answered[client] += 1
            except TROUBLE as error:
                errors.append(repr(error))

    clients = [threading.Thread(target=ask, args=each) for each in enumerate(calls)]
    for client in clients:
        client.start()
    while not all(answered) and not errors:
        time.sleep(POLL)
    for config in configs:
        hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
        hosting.wait(name)
    done.set()
    for client in clients:
        client.join()
    seen = f"of {sum(answered) + len(errors)} calls during {updates} updates" + "".join(errors[:1])
    return Result("failed calls during UpdateEndpoint", len(errors), 0, seen=seen)


# With an accelerator


def _accelerate(hosting: Hosting, count: int) -> Result:
    """ModelLatency as CloudWatch has it, of two variants that are asked in turn."""
    name, _ = hosting.deploy(hosting.configure(plain=None, accelerated=ACCELERATOR))
    calls = [predicting(hosting.place, name, TargetVariant=variant) for variant in ("plain", "accelerated")]
    compare(calls[0], calls[1], count)
    hosting.delete(name)  # its last metrics are out now
    plain, accelerated = (_model_latency(hosting.place, name, variant) for variant in ("plain", "accelerated"))
    seen = f"ModelLatency p50 of {count}: {plain / 1000:.2f} ms; with {ACCELERATOR} {accelerated / 1000:.2f} ms"
    measure = "ModelLatency without / with accelerator"
    return Result(measure, plain / accelerated, 1.5, "x", at_least=True, seen=seen)


def _model_latency(place: Place, name: str, variant: str) -> float:
    """The p50, in microseconds."""
    now = time.time()
    point, *_ = place.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="ModelLatency",
        Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": variant}],
        StartTime=now - 43200,
        EndTime=now + 43200,
        Period=86400,
        ExtendedStatistics=["p50"],
    )["Datapoints"]
    return float(point["ExtendedStatistics"]["p50"])


# What is asked


def digit() -> bytes:
    image = digits.load().held_out_images[0].reshape(28, 28, 1) / 255
    return json.dumps({"instances": [np.round(image, 4).tolist()]}).encode()


def export(folder: Path) -> Path:
    """A SavedModel of lab 1's network."""
    subprocess.run([sys.executable, "-c", EXPORT, str(folder / "1")], check=True, stderr=subprocess.DEVNULL)
    return folder / "1"


def _pack(model: Path) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as out:
        out.add(model, "1")
    return archive.getvalue()


@contextmanager
def _bare(model: Path) -> Iterator[Place]:
    """The model behind bare_server.py for the block."""
    command = [sys.executable, str(Path(__file__).with_name("bare_server.py")), str(model), str(THREADS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout
        port = server.stdout.readline().strip()
        try:
            yield Place("a bare server", f"http://{HOST}:{port}", Credentials("AKIAIOSFODNN7EXAMPLE", "secret"))
        finally:
            server.terminate()
