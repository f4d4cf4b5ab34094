"""What it costs that every call is recorded: a gateway that records, one that does not; and many clients."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import psutil
from place import Place, new_home
from table import Result
from turns import Call, compare

from sagelab.cloud.context import Cloud
from sagelab.cloud.gateway.app import Gateway
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.http.server import Server
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.home import DEFAULT_REGION, HOST
from sagelab.cloud.resources.call import Call as Asked
from sagelab.cloud.resources.call import Handler
from sagelab.cloud.server import _listen
from sagelab.cloud.store import Store
from sagelab.cloud.trail.journal import QUEUE

BUCKET, KB = "bench-recorded", 1 << 10
CLIENTS, SECONDS = 64, 60.0


class _Answers:
    """SageMaker in small: what is measured is the way to it."""

    service: ClassVar[str] = "sagemaker"

    def operations(self) -> Mapping[str, Handler]:
        return {"DescribeTrainingJob": self._describe, "InvokeEndpoint": self._invoke}

    def _describe(self, call: Asked) -> dict[str, Any]:
        return {"TrainingJobName": call.params["TrainingJobName"], "TrainingJobStatus": "InProgress"}

    def _invoke(self, call: Asked) -> dict[str, Any]:
        return {"Body": call.params["Body"], "ContentType": "text/plain"}


def recorded(quick: bool) -> Iterator[Result]:
    """Each call with its record and without in turn; then many clients at once."""
    with _gateway(True) as (with_, cloud), _gateway(False) as (without, _):
        here, there = _calls(with_), _calls(without)
        for name in here:
            ours, plain = compare(here[name], there[name], 50 if quick else 1000)
            seen = f"p50: {ours:.2f} ms; without a record {plain:.2f} ms"
            yield Result(f"recorded / not recorded: {name}", ours / plain, 1.05, "x", seen=seen)
        yield from _crowd(with_, cloud, 3.0 if quick else SECONDS)


def _crowd(place: Place, cloud: Cloud, seconds: float) -> Iterator[Result]:
    """Clients that do nothing but ask what is recorded; the queue and the memory are looked at meanwhile."""
    stop, done, most, before = threading.Event(), [0] * CLIENTS, 0, cloud.journal.last()
    client, errors, times, weights = place.client("sagemaker"), list[str](), list[float](), list[int]()

    def ask(number: int) -> None:
        while not stop.is_set():
            began = time.monotonic()
            try:
                client.describe_training_job(TrainingJobName=f"job-{number}")
            except Exception as error:
                errors.append(str(error))
                return
            times.append(time.monotonic() - began)
            done[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        most = max(most, cloud.journal.waiting)
        weights.append(psutil.Process().memory_info().rss)
        stop.wait(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    kept, slow = cloud.journal.last() - before, sorted(times)[int(len(times) * 0.99)]
    seen = f"the slowest of a hundred {slow * 1000:.0f} ms; {(errors or ['none'])[0]}"
    yield Result(f"{CLIENTS} clients: errors", len(errors), 0, "", seen=seen)
    half, end = weights[len(weights) // 2], weights[-1]
    seen = f"{half >> 20} MB at half-time, {end >> 20} MB at the end, clients and all"
    yield Result(f"{CLIENTS} clients: memory in the second half", end / half, 1.05, "x", seen=seen)
    seen = f"of {sum(done)} calls in {seconds:.0f} s, {sum(done) / seconds:.0f} a second"
    yield Result(f"{CLIENTS} clients: calls that are not recorded", sum(done) - kept, 0, seen=seen)
    seen = f"{most / KB:.0f} KB at the most, of {QUEUE >> 20} MB"
    yield Result(f"{CLIENTS} clients: the queue of records", most / QUEUE, 1.0, "x", seen=seen)


def _calls(place: Place) -> dict[str, Call]:
    sagemaker, runtime, s3 = (place.client(name) for name in ("sagemaker", "sagemaker-runtime", "s3"))
    bucket = f"{BUCKET}-{place.name}"
    s3.create_bucket(Bucket=bucket)
    return {
        "InvokeEndpoint": lambda: runtime.invoke_endpoint(EndpointName="e", Body=b"1"),
        "S3 put of 1 KB": lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"x" * KB),
        "DescribeTrainingJob": lambda: sagemaker.describe_training_job(TrainingJobName="job"),
    }


@contextmanager
def _gateway(records: bool) -> Iterator[tuple[Place, Cloud]]:
    """A gateway of this process. records: whether it keeps what it is asked."""
    with new_home() as home:
        listener, store = _listen([0]), Store(home.database)
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        cloud = Cloud(home, store, None, url, DEFAULT_REGION)  # type: ignore[arg-type]
        gateway = Gateway(cloud, [_Answers()])  # type: ignore[list-item]
        if not records:
            gateway._recorder.note = _nothing  # type: ignore[method-assign]
        server = Server(listener, gateway.answer, gateway.spool)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Place("on" if records else "off", url, home.credentials()), cloud
        finally:
            server.shutdown()
            thread.join()
            gateway.rest()
            gateway.close()


def _nothing(context: Context, answer: Answer) -> None:
    """No record."""
