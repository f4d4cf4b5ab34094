"""Containers of the learner's own: SageMaker's contract on port 8080, in a network of their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud import control
from sagelab.cloud.engine.hosting.containers import threads
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs
from tests.waiting import TIMEOUT, until

SERVE = """#!/usr/bin/env python3
import http.server, os, pathlib

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path == "/ping" else 404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"fail":
            return self.answer(500, b"it failed")
        if body == b"block":
            self.block()
        word = pathlib.Path("word.txt").read_text()
        self.answer(200, f"{word} {os.getcwd()} {os.environ['PLACE']} {body.decode()}".encode())

    def block(self):
        # Folders, in which a link and a closed folder lie, where the sockets were.
        run = pathlib.Path("/run/sagelab")
        for name in ("http.sock", "python.sock"):
            (run / name).unlink(missing_ok=True)
            (run / name / "closed").mkdir(parents=True)
            (run / name / "link").symlink_to(os.environ["OUTSIDE"])
            (run / name / "closed").chmod(0)
        run.chmod(0)
        os._exit(0)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""
TRAIN = """#!/usr/bin/env python3
import json, os, pathlib
parameters = json.loads(pathlib.Path("/opt/ml/input/config/hyperparameters.json").read_text())
pathlib.Path("/opt/ml/model/weights.txt").write_text(f"{parameters['rate']} {os.getcwd()}")
print("trained")
"""
NAME = "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"


@pytest.fixture(scope="module")
def image(hosting: Hosting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image that echoes, and trains."""
    folder, images = tmp_path_factory.mktemp("program"), OwnImages(hosting.cloud.home.images)
    (folder / "word.txt").write_text("hello")
    for name, text in (("serve", SERVE), ("train", TRAIN)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    yield images.add(NAME, folder)
    images.remove(NAME)


def serve(hosting: Hosting, image: str, **options: Any) -> str:
    model = hosting.model(None, Image=image, Environment={"PLACE": "here"})
    return hosting.start(hosting.config(model, **options))


def ask(hosting: Hosting, name: str, text: bytes) -> str:
    answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=text, ContentType="text/plain")
    return str(answer["Body"].read().decode())


@dataclass(frozen=True)
class Silent:
    """An endpoint whose server never answers, and the monotonic seconds when it was asked for."""

    endpoint: str
    began: float


@pytest.fixture(scope="module")
def silent(hosting: Hosting, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Silent]:
    folder, images = tmp_path_factory.mktemp("silent"), OwnImages(hosting.cloud.home.images)
    (folder / "serve").write_text("#!/bin/sh\nexec sleep 600\n")
    (folder / "serve").chmod(0o755)
    began = time.monotonic()
    image = images.add("sleeps:1", folder)
    yield Silent(serve(hosting, image, ContainerStartupHealthCheckTimeoutInSeconds=60), began)
    images.remove("sleeps:1")


@pytest.mark.slow
@pytest.mark.usefixtures("silent")  # from now on it has a minute, in which the other tests run
def test_each_server_of_an_own_image_has_port_8080(hosting: Hosting, image: str) -> None:
    name = serve(hosting, image, count=2)
    assert hosting.wait(name)["EndpointStatus"] == "InService", hosting.describe(name)
    assert {ask(hosting, name, b"you") for _ in range(4)} == {"hello /opt/program here you"}
    assert "a network of its own" in hosting.log(name)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        ask(hosting, name, b"fail")
    assert error.value.response["OriginalStatusCode"] == 500
    assert error.value.response["OriginalMessage"] == "it failed"
    hosting.delete(name)


@pytest.mark.slow
def test_a_server_that_has_folders_in_its_sockets_places_starts_again(
    hosting: Hosting, image: str, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("kept")
    model = hosting.model(None, Image=image, Environment={"PLACE": "here", "OUTSIDE": str(tmp_path)})
    name = hosting.serve(hosting.config(model))
    with pytest.raises(botocore.exceptions.ClientError):
        ask(hosting, name, b"block")
    until(lambda: hosting.log(name), lambda log: "start number 2" in log)
    assert until(lambda: try_to_ask(hosting, name), bool) == "hello /opt/program here you"
    assert (tmp_path / "kept").read_text() == "kept"
    hosting.delete(name)


def try_to_ask(hosting: Hosting, name: str) -> str:
    try:
        return ask(hosting, name, b"you")
    except botocore.exceptions.ClientError:
        return ""


@pytest.mark.slow
def test_own_image_trains(jobs: Jobs, image: str) -> None:
    algorithm = {"TrainingImage": image, "TrainingInputMode": "File"}
    job = jobs.run(jobs.request(AlgorithmSpecification=algorithm, HyperParameters={"rate": "0.5"}))
    assert job["TrainingJobStatus"] == "Completed", job
    artifact = jobs.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert artifact == {"weights.txt": b"0.5 /opt/program"}
    assert "trained" in jobs.log(job["TrainingJobName"])


@pytest.mark.slow
def test_serve_that_ends_fails_the_endpoint_with_its_words(hosting: Hosting, tmp_path: Path) -> None:
    images = OwnImages(hosting.cloud.home.images)
    (tmp_path / "serve").write_text("#!/bin/sh\necho no weights here >&2\nexit 3\n")
    (tmp_path / "serve").chmod(0o755)
    name = serve(hosting, images.add("breaks:1", tmp_path))
    described = hosting.wait(name)
    images.remove("breaks:1")
    assert described["EndpointStatus"] == "Failed"
    assert "exit code 3" in described["FailureReason"]
    assert "no weights here" in described["FailureReason"]


def test_accelerator_is_refused_for_an_own_image(hosting: Hosting, image: str) -> None:
    config = hosting.config(hosting.model(None, Image=image), AcceleratorType="ml.eia1.medium")
    with pytest.raises(botocore.exceptions.ClientError, match="AcceleratorType is for the TensorFlow images"):
        hosting.sagemaker.create_endpoint(EndpointName="never-made", EndpointConfigName=config)


def test_threads_are_the_instances_as_far_as_there_are_cores() -> None:
    assert threads("ml.t2.medium") == 1
    assert 1 <= threads("ml.c5.large") <= 2
    assert threads("ml.c5.24xlarge") >= threads("ml.c5.xlarge")


@pytest.mark.slow
def test_where_namespaces_are_forbidden_an_own_image_has_a_port_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    home = Home(tmp_path_factory.mktemp("plain"))
    with pytest.MonkeyPatch.context() as settings:
        settings.setenv("SAGELAB_SANDBOX", "plain")
        plain = Hosting(clouds.start(home))
    (tmp_path / "word.txt").write_text("hello")
    (tmp_path / "serve").write_text(SERVE)
    (tmp_path / "serve").chmod(0o755)
    OwnImages(home.images).add(NAME, tmp_path)
    name = serve(plain, NAME, count=2)
    assert plain.wait(name)["EndpointStatus"] == "InService", plain.describe(name)
    assert ask(plain, name, b"again").startswith("hello ")
    assert "again" in ask(plain, name, b"again")
    assert "SAGEMAKER_BIND_TO_PORT" in plain.log(name)
    plain.close()
    control.down(home)


@pytest.mark.slow
def test_server_that_never_answers_ping_fails_the_endpoint(hosting: Hosting, silent: Silent) -> None:
    described = hosting.wait(silent.endpoint)
    assert 60 <= time.monotonic() - silent.began < TIMEOUT
    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert not list(hosting.cloud.home.jobs.glob(f"{silent.endpoint}*"))
