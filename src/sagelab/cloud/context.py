"""What every family of resources is given: the local cloud it belongs to."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagelab.cloud.engine.launcher import Launcher
    from sagelab.cloud.engine.surroundings import Surroundings
    from sagelab.cloud.home import Home
    from sagelab.cloud.store import Store


class Cloud:
    """One running local cloud: its home, its store, its own front door and its launcher of processes."""

    def __init__(self, home: Home, store: Store, launcher: Launcher, url: str, region: str) -> None:
        self.home, self.store, self.launcher = home, store, launcher
        self.url, self.region = url, region
        self.account = home.account
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """A boto3 client to this local cloud's own front door, made once a service."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session().client(service, endpoint_url=self.url)
            return self._clients[service]

    def surroundings(self, region: str) -> Surroundings:
        """What the engine needs to run something in a region."""
        from sagelab.cloud.engine.surroundings import Surroundings, machine_memory

        return Surroundings(self.launcher, self.client, self.url, region, machine_memory())

    def _session(self) -> Any:
        import boto3

        keys = self.home.credentials()
        return boto3.Session(
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            region_name=self.region,
        )
