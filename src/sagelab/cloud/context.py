"""What every family of resources is given: the local cloud it belongs to."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagelab.cloud.engine.launcher import Launcher
    from sagelab.cloud.engine.surroundings import Surroundings
    from sagelab.cloud.home import Home
    from sagelab.cloud.store import Store

RENEWED = 1800.0  # seconds that a client of a role is used; its keys are good for an hour


class Cloud:
    """One running local cloud: its home, its store, its own front door and its launcher of processes."""

    def __init__(self, home: Home, store: Store, launcher: Launcher, url: str, region: str) -> None:
        self.home, self.store, self.launcher = home, store, launcher
        self.url, self.region = url, region
        self.account = home.account
        self._clients: dict[str, Any] = {}
        self._clients_as: dict[tuple[str, str], tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """A boto3 client to this local cloud's own front door, made once a service."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session().client(service, endpoint_url=self.url)
            return self._clients[service]

    def client_as(self, role: str, service: str) -> Any:
        """A boto3 client that acts with a role's rights, as SageMaker does when it moves a job's data."""
        with self._lock:
            until, client = self._clients_as.get((role, service), (0.0, None))
        if time.monotonic() > until:
            keys = self.client("sts").assume_role(RoleArn=role, RoleSessionName="SageMaker")["Credentials"]
            client = self._session().client(
                service,
                endpoint_url=self.url,
                aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"],
                aws_session_token=keys["SessionToken"],
            )
            with self._lock:
                self._clients_as[role, service] = (time.monotonic() + RENEWED, client)
        return client

    def surroundings(self, region: str) -> Surroundings:
        """What the engine needs to run something in a region."""
        from sagelab.cloud.engine.surroundings import Surroundings, machine_memory

        return Surroundings(self.launcher, self.client, self.client_as, self.url, region, machine_memory())

    def _session(self) -> Any:
        import boto3

        keys = self.home.credentials()
        return boto3.Session(
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            region_name=self.region,
        )
