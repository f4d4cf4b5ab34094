"""Spark's packages, and a Java with the project's file system in it, which a test calls through py4j."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.images.environments import SPARK, Environments
from sagelab.spark import build
from tests.conftest import LocalCloud


@pytest.fixture(scope="session")
def packages(cloud: LocalCloud) -> Path:
    """Pulled into the home of the run's local cloud."""
    places = Environments(cloud.home.environments)
    places.pull(SPARK)
    found = places.packages(SPARK)
    assert found is not None
    return found


class Keys(ThreadingHTTPServer):
    """The endpoint of a role's keys. reads: how often it was asked. seconds: that the next keys live."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.keys, self.reads, self.seconds = cloud.home.credentials(), 0, 3600.0


class Answer(BaseHTTPRequestHandler):
    """Keys for whoever has the token."""

    server: Keys

    def do_GET(self) -> None:
        told = self.headers.get("Authorization") == "a token"
        self.server.reads += 1
        until = datetime.now(UTC) + timedelta(seconds=self.server.seconds)
        keys = {
            "AccessKeyId": self.server.keys.access_key_id,
            "SecretAccessKey": self.server.keys.secret_access_key,
        }
        body = json.dumps(keys | {"Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()
        self.send_response(200 if told else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def keys(cloud: LocalCloud) -> Iterator[Keys]:
    server = Keys(cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def java(packages: Path, cloud: LocalCloud, keys: Keys) -> Iterator[Any]:
    """A Java's classes, by name."""
    sys.path.append(str(packages))
    from py4j.java_gateway import GatewayParameters, JavaGateway

    env = {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_REGION": "us-east-1",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{keys.server_port}/",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a token",
    }
    classes = f"{build.jar(packages)}:{packages}/pyspark/jars/*"
    command = [str(build.java_home(packages) / "bin/java"), "-Xmx600m", "-cp", classes, "py4j.GatewayServer"]
    command += ["--die-on-broken-pipe", "0"]  # it ends with its input, whatever becomes of this process
    started = subprocess.Popen(command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert started.stdout
    port = int(started.stdout.readline())
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auto_convert=True, auto_field=True))
    yield gateway.jvm
    gateway.shutdown()
    started.terminate()
    started.communicate()
    sys.path.remove(str(packages))
