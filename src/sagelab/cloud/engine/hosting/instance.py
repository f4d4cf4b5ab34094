"""What an instance of a variant is to those that ask it: one container, or a row of them."""

from __future__ import annotations

import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator

from sagelab.cloud.engine.hosting.client import Reply


class Instance(ABC):
    """One instance. `instance`: its name. `busy`: invocations under way."""

    def __init__(self, name: str) -> None:
        self.instance, self.busy = name, 0
        self._lock = threading.Lock()

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers."""

    @abstractmethod
    def start(self) -> None:
        """Start what it runs, and wait until that answers. JobError: why it does not."""

    @abstractmethod
    def invoke(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Send one request. headers: the client's, with its targets. ServerUnavailable: no answer."""

    @abstractmethod
    def stream(self, headers: dict[str, str], body: bytes) -> tuple[Reply, Iterator[bytes]]:
        """Invoke, and read the answer as it comes: the Reply has no body.

        ServerUnavailable: no answer, or no end of it.
        """

    @abstractmethod
    def processes(self) -> dict[str, list[int]]:
        """The pids on this machine of each container, by its name."""

    @abstractmethod
    def kill(self) -> None:
        """Lose it, as when a machine is lost: what it runs ends in the middle of what it does. `close` it then."""

    @abstractmethod
    def close(self) -> None:
        """End all that it runs and remove its folders."""

    def _begin(self) -> None:
        with self._lock:
            self.busy += 1

    def _end(self) -> None:
        with self._lock:
            self.busy -= 1

    def _until_end(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from parts
        finally:
            self._end()


def new_name() -> str:
    """A name as EC2 gives to instances."""
    return f"i-{secrets.token_hex(8)}"
