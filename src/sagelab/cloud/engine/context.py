"""What the engine needs of the local cloud around it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sagelab.cloud.engine.sandbox.launcher import Launcher

MEMORY_SHARE = 0.8
GRACE = 3600  # seconds that keys are good for after the time that a job may take


@dataclass(frozen=True)
class EngineContext:
    """client: service -> boto3 client to the front door at `url`. memory: bytes of this machine.

    client_as: role's ARN, service -> a client with the rights of that role.
    """

    launcher: Launcher
    client: Callable[[str], Any]
    client_as: Callable[[str, str], Any]
    url: str
    region: str
    memory: int

    @property
    def memory_limit(self) -> int:
        """Bytes of private memory that a process of a job or an endpoint may ask for."""
        return int(self.memory * MEMORY_SHARE)

    def access(self, role: str, seconds: int) -> dict[str, str]:
        """Keys of a role for what runs under it for so long, as the environment of a container has them."""
        session = {"RoleArn": role, "RoleSessionName": "SageMaker", "DurationSeconds": seconds + GRACE}
        keys = self.client("sts").assume_role(**session)["Credentials"]
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys["SessionToken"],
        }


def machine_memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
