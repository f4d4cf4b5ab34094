"""What trust costs: durability, signatures; and that nothing is lost or leaks under the load of 32 clients."""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from load import Clients, Worker
from place import local_cloud, new_home, plain_moto
from table import Result
from turns import compare

from sagelab.cloud import control
from sagelab.cloud.gateway.auth.guard import Guard, Key
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.http.spool import Disk, Spool
from sagelab.http1 import Message

BUCKET, MB = "bench-kept", 1 << 20
CLIENTS, SECONDS = 32, 600.0
SIGNED = 2000


def trust(quick: bool) -> Iterator[Result]:
    yield _signatures(200 if quick else SIGNED)
    yield _durability(20 if quick else 200)
    yield from _load(10.0 if quick else SECONDS)


def _durability(count: int) -> Result:
    """A put of 1 MB, kept, against moto's, which is not; ours has its signature checked besides."""
    content = b"x" * MB
    with local_cloud() as ours, plain_moto() as moto:
        clients = [place.client("s3") for place in (ours, moto)]
        for client in clients:
            client.create_bucket(Bucket=BUCKET)
        here, there = (lambda c=client: c.put_object(Bucket=BUCKET, Key="k", Body=content) for client in clients)
        kept, plain = compare(here, there, count)
    seen = f"p50 of {count}: {kept:.1f} ms; plain moto, which keeps nothing, {plain:.1f} ms"
    return Result("S3 put of 1 MB: kept / not kept", kept / plain, 2.0, "x", seen=seen)


def _signatures(count: int) -> Result:
    """The guard alone on a small signed request."""
    url, body = "http://127.0.0.1:8273", b"{}"
    key = Key("AKIABENCH", "secret", "arn", "id", "123456789012", owner=True)
    sent = AWSRequest("POST", url + "/", data=body, headers={"X-Amz-Target": "SageMaker.ListTrainingJobs"})
    SigV4Auth(Credentials(key.access_key, key.secret), "sagemaker", "us-east-1").add_auth(sent)
    guard = Guard(url, {key.access_key: key}.get)
    times = []
    for _ in range(count):
        context = Context(_request(dict(sent.headers.items()), body))
        began = time.perf_counter()
        guard.check_page(context)
        guard.identify(context)
        times.append(time.perf_counter() - began)
    return Result("checking a signature (SigV4)", statistics.median(times) * 1000, 0.3, "ms", seen=f"of {count}")


def _request(headers: dict[str, str], body: bytes) -> Request:
    """The request as the server hands it to the gateway, its body read."""
    message = Message()
    message.method, message.target = "POST", "/"
    message.fields = {name.lower(): value for name, value in headers.items()} | {"host": "127.0.0.1:8273"}
    request = Request(message, lambda: [body], Spool(Path("/nonexistent"), Disk(0)))
    request.read(len(body))
    return request


def _load(seconds: float) -> Iterator[Result]:
    """32 clients over all planes; then everything that was acknowledged is compared."""
    with new_home() as home, local_cloud(home) as place:
        workers = [Worker(number, random.Random(number)) for number in range(CLIENTS)]
        clients = Clients(place)
        weights = _work(clients, workers, seconds, control.status(home))
        lost = [one for worker in workers for one in worker.lost(clients)]
    errors = [error for worker in workers for error in worker.errors]
    done = sum(worker.done for worker in workers)
    seen = f"{done} changes in {seconds:.0f} s; {(errors + lost + ['none'])[0]}"
    yield Result(f"{CLIENTS} clients: errors and losses", len(errors) + len(lost), 0, "", seen=seen)
    middle, end = weights[len(weights) // 2], weights[-1]
    seen = f"{middle >> 20} MB at half-time, {end >> 20} MB at the end"
    yield Result(f"{CLIENTS} clients: memory in the second half", end / middle, 1.05, "x", seen=seen)


def _work(clients: Clients, workers: list[Worker], seconds: float, status: control.Status | None) -> list[int]:
    """Let them work; the memory of the local cloud, measured fifty times."""
    assert status
    clients.prepare()
    stop = threading.Event()
    threads = [threading.Thread(target=worker.run, args=(clients, stop)) for worker in workers]
    for thread in threads:
        thread.start()
    weights = []
    for _ in range(50):
        stop.wait(seconds / 50)
        weights.append(_resident(status.pid))
    stop.set()
    for thread in threads:
        thread.join()
    return weights


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS"))
