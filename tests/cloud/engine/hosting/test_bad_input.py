"""What bad input gets: a clear error for each, and an endpoint that goes on serving the others."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import botocore.exceptions
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.cloud.endpoints import Hosting, pack_folder
from tests.cloud.jobs import pack
from tests.waiting import until

pytestmark = pytest.mark.slow

ONE = {"instances": [[1.0, 2.0]]}
TWICE = {"predictions": [[2.0, 4.0]]}
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def endpoint(hosting: Hosting, doubler: Path) -> str:
    """An endpoint that doubles two numbers."""
    return hosting.serve(hosting.config(hosting.model(pack_folder(doubler))))


def signed(hosting: Hosting, name: str, body: bytes) -> tuple[str, dict[str, str]]:
    """(path, headers) of an invocation, for clients that boto3 does not have: good for a quarter of an hour."""
    path = f"/endpoints/{name}/invocations"
    request = AWSRequest("POST", hosting.cloud.url + path, {"Content-Type": "application/json"}, body)
    keys = hosting.cloud.home.credentials()
    signer = SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key), "sagemaker", "us-east-1")
    signer.add_auth(request)
    return path, dict(request.headers.items())


def connect(hosting: Hosting) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(hosting.cloud.url).netloc, timeout=60)


def test_archive_that_climbs_out_of_its_folder_fails_the_endpoint(hosting: Hosting) -> None:
    model = hosting.model(pack({"../../climbed": "out"}))
    described = hosting.wait(hosting.start(hosting.config(model)))
    assert described["EndpointStatus"] == "Failed"
    assert "'../../climbed' would be written outside its folder" in described["FailureReason"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"instances": [[NaN, 1]]}', "NaN, which is no number"),
        (b'{"instances": [[1, 2, 3]]}', "has shape"),
        (b'{"instances": [[1e39, 1]]}', "too large for float32"),
        (b'{"instances": ' + b"[" * 2000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
    ],
    ids=["nan", "shape", "too-large", "depth", "binary"],
)
def test_what_a_model_cannot_take_is_told(hosting: Hosting, endpoint: str, body: bytes, words: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as error:
        hosting.invoke(endpoint, body)
    assert error.value.response["OriginalStatusCode"] == 400
    assert words in error.value.response["OriginalMessage"]
    assert hosting.invoke(endpoint, ONE) == TWICE


def test_thirty_megabytes_are_too_many(hosting: Hosting, endpoint: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as error:
        hosting.invoke(endpoint, b" " * (30 * MEGABYTE))
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert hosting.invoke(endpoint, ONE) == TWICE


def test_hundred_clients_that_hang_up_disturb_nobody(hosting: Hosting, endpoint: str) -> None:
    body = json.dumps(ONE).encode()
    path, headers = signed(hosting, endpoint, body)
    lines = [f"POST {path} HTTP/1.1", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    whole = "\r\n".join([*lines, f"Host: {urlsplit(hosting.cloud.url).netloc}", "", ""]).encode() + body
    answers, errors, done = [0], list[Exception](), threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                assert hosting.invoke(endpoint, ONE) == TWICE
                answers[0] += 1
            except Exception as error:
                errors.append(error)

    other = threading.Thread(target=ask)
    other.start()
    where = urlsplit(hosting.cloud.url)
    for number in range(100):  # some in the head, some in the body, some before the answer
        with socket.create_connection((where.hostname or "", where.port or 0)) as client:
            client.sendall(whole[: len(whole) * (number % 4 + 1) // 4])
    done.set()
    other.join()
    assert errors == []
    assert answers[0] > 0
    assert hosting.invoke(endpoint, ONE) == TWICE


def test_memory_stays_flat_under_bad_calls(hosting: Hosting, endpoint: str) -> None:
    body = b'{"instances": [[1, 2'
    path, headers = signed(hosting, endpoint, body)
    running = hosting.cloud.home.server()
    assert running
    pids = [running["pid"], *processes(endpoint)]
    assert len(pids) > 1

    def ask(count: int) -> None:
        connection = connect(hosting)
        for number in range(count):
            connection.request("POST", path, body, headers)
            if number % 10 == 9:  # hang up before the answer
                connection.close()
            else:
                answer = connection.getresponse()
                assert (answer.status, bool(answer.read())) == (424, True)

    ask(300)
    before = [resident(pid) for pid in pids]
    ask(2000)
    grown = [resident(pid) - size for pid, size in zip(pids, before, strict=True)]
    assert max(grown) < 24 * MEGABYTE, grown
    assert hosting.invoke(endpoint, ONE) == TWICE


def test_nothing_is_left_of_a_deleted_endpoint_but_its_metrics(hosting: Hosting, doubler: Path) -> None:
    name = hosting.serve(hosting.config(hosting.model(pack_folder(doubler))))
    assert processes(name)
    hosting.invoke(name, ONE)
    hosting.delete(name)
    until(lambda: processes(name), lambda found: found == [])  # its last keeper ends after what it kept
    for metric, most in (("CPUUtilization", 100.0 * (os.cpu_count() or 1)), ("MemoryUtilization", 100.0)):
        assert 0 < maximum(hosting, name, metric) <= most


def processes(endpoint: str) -> list[int]:
    """The processes that have a folder of the endpoint's servers mounted: all that run in its containers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"/{endpoint}-i-" in (entry / "mountinfo").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def resident(pid: int) -> int:
    """Bytes of memory of a process that is its own."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def maximum(hosting: Hosting, name: str, metric: str) -> float:
    now = time.time()
    points = hosting.cloud.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/Endpoints",
        MetricName=metric,
        Dimensions=[{"Name": "EndpointName", "Value": name}, {"Name": "VariantName", "Value": "v1"}],
        StartTime=now - 86400,
        EndTime=now + 86400,
        Period=86400,
        Statistics=["Maximum"],
    )["Datapoints"]
    return max((float(point["Maximum"]) for point in points), default=0.0)


@pytest.mark.long
def test_inference_py_that_never_ends_its_import_fails_the_endpoint(hosting: Hosting, doubler: Path) -> None:
    archive = pack_folder(
        doubler, code__inference="import time\nprint('still importing', flush=True)\ntime.sleep(600)\n"
    )
    asked = hosting.config(hosting.model(archive), ContainerStartupHealthCheckTimeoutInSeconds=60)
    name = hosting.start(asked)
    described = hosting.wait(name)
    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert "still importing" in hosting.log(name)
