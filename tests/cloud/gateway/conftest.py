"""A gateway on a free port, with a tiny real family behind it, and boto3 clients that speak to it."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from sagelab.cloud import tls
from sagelab.cloud.context import SERVICE, Cloud
from sagelab.cloud.errors import ResourceNotFound
from sagelab.cloud.gateway.app import Gateway
from sagelab.cloud.gateway.http.server import Server
from sagelab.cloud.home import Home
from sagelab.cloud.resources.call import Call, Handler
from sagelab.cloud.resources.trail_history import TrailHistory
from sagelab.cloud.resources.trails import Trails
from sagelab.cloud.store import Store
from tests import signers


class Jobs:
    """A family in small: it keeps what it is given and gives it back."""

    service = "sagemaker"

    def __init__(self) -> None:
        self.kept: dict[str, Call] = {}

    def operations(self) -> Mapping[str, Handler]:
        return {
            "CreateTrainingJob": self.create,
            "DescribeTrainingJob": self.describe,
            "ListTrainingJobs": self.list,
            "StopTrainingJob": self.stop,
            "InvokeEndpoint": self.invoke,
            "BatchPutMetrics": self.put_metrics,
            "GetRecord": self.get_record,
        }

    def create(self, call: Call) -> dict[str, Any]:
        name = call.params["TrainingJobName"]
        self.kept[name] = call
        return {"TrainingJobArn": call.arn("training-job", name)}

    def describe(self, call: Call) -> dict[str, Any]:
        name = call.params["TrainingJobName"]
        if name not in self.kept:
            raise ResourceNotFound("Requested resource not found.")
        kept = self.kept[name]
        given = {key: value for key, value in kept.params.items() if key != "Tags"}
        return {**given, "TrainingJobArn": kept.arn("training-job", name), "FailureReason": None}

    def list(self, call: Call) -> dict[str, Any]:
        self.kept["<list>"] = call
        return {"TrainingJobSummaries": []}

    def stop(self, _call: Call) -> dict[str, Any]:
        raise RuntimeError("a fault of the family's own")

    def invoke(self, call: Call) -> dict[str, Any]:
        said = f"{call.params['EndpointName']} {call.params.get('CustomAttributes')}".encode()
        return {
            "Body": said + b": " + call.params["Body"],
            "ContentType": "text/plain",
            "InvokedProductionVariant": "v",
        }

    def put_metrics(self, call: Call) -> dict[str, Any]:
        self.kept["<metrics>"] = call
        return {"Errors": []}

    def get_record(self, call: Call) -> dict[str, Any]:
        self.kept["<record>"] = call
        return {"Record": [{"FeatureName": "f", "ValueAsString": "1"}]}


@dataclass
class Serving:
    """A gateway that answers at `url`. service: SageMaker's own key and its secret."""

    url: str
    home: Home
    jobs: Jobs
    cloud: Cloud
    service: tuple[str, str]

    def session(self, **keys: str) -> boto3.Session:
        own = self.home.credentials()
        return (
            signers.session(*keys.values()) if keys else signers.session(own.access_key_id, own.secret_access_key)
        )

    def secured(self, service: str, **keys: str) -> Any:
        """A client that speaks TLS, and tries once."""
        place = {"endpoint_url": tls.secured(self.url), "verify": str(tls.folder(self.home) / tls.AUTHORITY)}
        return self.session(**keys).client(service, config=Config(retries={"total_max_attempts": 1}), **place)

    def client(self, service: str, config: Config | None = None, **keys: str) -> Any:
        once = Config(retries={"total_max_attempts": 1})
        return self.session(**keys).client(
            service, endpoint_url=self.url, config=once.merge(config) if config else once
        )

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request as it is given, unsigned."""
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self.url).port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def signed(
        self,
        method: str,
        path: str,
        service: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        alter: Callable[[dict[str, str]], None] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """One signed request; `alter` changes its headers after signing."""
        sent = self.sign(method, path, service, body, headers)
        if alter is not None:
            alter(sent)
        return self.send(method, path, body, sent)

    def sign(
        self, method: str, path: str, service: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> dict[str, str]:
        """The headers of a signed request."""
        own = self.home.credentials()
        request = AWSRequest(method, self.url + path, data=body, headers=headers or {})
        kind = S3SigV4Auth if service == "s3" else SigV4Auth
        kind(Credentials(own.access_key_id, own.secret_access_key), service, "us-east-1").add_auth(request)
        return {**dict(request.headers.items()), "Host": urlsplit(self.url).netloc}

    def control(self, operation: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """One signed call of SageMaker's control plane with any body."""
        headers = {"X-Amz-Target": f"SageMaker.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        return self.signed("POST", "/", "sagemaker", body, headers)


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The one of this package: moto's state is its process's, so that a second one would share it with this one.

    CloudTrail is behind it. Its trails deliver when a test says so.
    """
    yield from serve(tmp_path_factory.mktemp("home"))


def serve(folder: Path) -> Iterator[Serving]:
    """A gateway on a home in a folder."""
    home, jobs = Home(folder), Jobs()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    store = Store(home.database)
    cloud = Cloud(home, store, None, url, "us-east-1")  # type: ignore[arg-type]
    trails = Trails(cloud)
    trails._due = lambda: iter(())  # type: ignore[method-assign]
    families: list[Any] = [jobs, trails, TrailHistory(cloud, trails)]
    gateway = Gateway(cloud, families, {"Status": lambda params: {"asked": params}})
    gateway.alarms.watch.close()  # tests look at their alarms themselves
    server = Server(listener, gateway.answer, gateway.spool, partial(tls.server_context, home))
    cloud.sources.take = server.take
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Serving(url, home, jobs, cloud, cloud.service_keys[SERVICE])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        listener.close()
        cloud.journal.close()
        store.close()
