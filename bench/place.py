"""Where a measure sends its calls: a local cloud of its own, or plain moto_server beside it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from sagelab.cloud import control
from sagelab.cloud.home import DEFAULT_REGION, HOST, Credentials, Home

TIMEOUT = 60.0  # seconds a server may take to answer


@dataclass(frozen=True)
class Place:
    """A server and the keys it knows; the same client settings for every server."""

    name: str
    url: str
    keys: Credentials

    def client(self, service: str, authority: str | None = None) -> Any:
        """A new boto3 client, by TLS where it is given an authority. It never retries: an error is an error."""
        session = boto3.Session(self.keys.access_key_id, self.keys.secret_access_key, region_name=DEFAULT_REGION)
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, proxies={})
        url = self.url.replace("http:", "https:") if authority else self.url
        return session.client(service, endpoint_url=url, config=config, verify=authority)


def forget_surroundings() -> None:
    """The user's own AWS settings must neither be measured nor reached."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


@contextmanager
def new_home() -> Iterator[Home]:
    """A home that is gone after the block, and its local cloud with it."""
    with tempfile.TemporaryDirectory(prefix="sagelab-bench-", ignore_cleanup_errors=True) as folder:
        home = Home(folder)
        try:
            yield home
        finally:
            control.down(home)


@contextmanager
def local_cloud(home: Home | None = None) -> Iterator[Place]:
    """A local cloud for the block, on `home` or on a new one."""
    if home is None:
        with new_home() as fresh, local_cloud(fresh) as place:
            yield place
        return
    with control.running(home) as url:
        yield Place("local cloud", url, home.credentials())


@contextmanager
def plain_moto() -> Iterator[Place]:
    """moto's own server for the block, as its documentation starts it."""
    port = _free_port()
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_listening(server, port)
        yield Place("plain moto", f"http://{HOST}:{port}", Credentials("AKIAIOSFODNN7EXAMPLE", "secret"))
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_listening(server: subprocess.Popen[bytes], port: int) -> None:
    limit = time.monotonic() + TIMEOUT
    while server.poll() is None and time.monotonic() < limit:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit("moto_server did not start")
