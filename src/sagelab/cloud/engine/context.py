"""What the engine needs of the local cloud around it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sagelab import credential_helper
from sagelab.cloud.clock import Clock
from sagelab.cloud.engine.data import encrypted
from sagelab.cloud.engine.filesystems.shares import Shares
from sagelab.cloud.engine.hosting.zones import Zones
from sagelab.cloud.engine.role_keys import RoleKeys
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.sandbox.network import Network, Trust
from sagelab.cloud.engine.vpc.reach import NoWay
from sagelab.cloud.engine.vpc.sources import Source, Sources
from sagelab.cloud.errors import ClientError

MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class EngineContext:
    """client: service -> boto3 client to the front door at `url`, in `region`. memory: bytes of this machine.

    client_as: role's ARN, service -> such a client with the rights of that role. end_key: makes an access key
    worth nothing, which would be good until then (epoch seconds). clock: of what waits for minutes. zones: of
    availability, which servers of endpoints stand in. trust: of hosts that speak TLS with the front door. sources:
    of requests from VPCs. shares: the folders behind file systems. source: of this job's, whose hosts are in one.
    """

    launcher: Launcher
    client: Callable[[str], Any]
    client_as: Callable[..., Any]
    url: str
    region: str
    memory: int
    end_key: Callable[[str, float], None]
    clock: Clock
    shares: Shares
    zones: Zones = field(default_factory=Zones)
    trust: Trust | None = None
    sources: Sources | None = None
    source: Source | None = None

    @property
    def memory_limit(self) -> int:
        """Bytes of private memory that a process of a job or an endpoint may ask for."""
        return int(self.memory * MEMORY_SHARE)

    def network(
        self, role: str | None = None, session: str = "SageMaker", limits: Mapping[str, Any] | None = None
    ) -> Network:
        """What is reached by what runs under a role, whose keys it has. botocore's ClientError: nobody may.

        limits: of the session, as AssumeRole has them: Policy, PolicyArns.
        """
        asked = {"RoleSessionName": session} | dict(limits or {})
        keys = RoleKeys(self.client("sts"), role, self.end_key, asked).offer() if role else None
        return Network(self.url, keys, trust=self.trust, source=self.source, sources=self.sources)

    def inside(self, vpc: Mapping[str, Any] | None, zone: str = "") -> EngineContext:
        """What a job needs that has a VpcConfig. zone: of the subnet, of several. ClientError: they are gone.

        What SageMaker moves to and from S3 for the job goes the job's way.
        """
        if not vpc or self.sources is None or self.source:
            return self
        try:
            source = self.sources.attach(self.region, vpc["Subnets"], vpc["SecurityGroupIds"], zone)
        except NoWay as why:
            raise ClientError(str(why)) from None
        return replace(self, source=source, client_as=partial(self.client_as, source=source))

    def hear(self, tell: Callable[[str], None]) -> None:
        """Have it said, once for each thing, what the hosts try to reach from their subnet and why they do not."""
        if self.source:
            self.source.voice.tell = tell

    def require_s3(self, words: str) -> None:
        """ClientError, in these words: S3 is not reached from the job's subnet."""
        try:
            if self.source:
                self.source.way("s3")
        except NoWay:
            raise ClientError(words) from None

    def volume_passphrase(self, key: str | None, purpose: str) -> bytes | None:
        """A new one for a volume that lives no longer than its host; None where it has no key of KMS.

        ClientError: the key cannot be used.
        """
        return encrypted.new_key(self.client("kms"), key, purpose)[0] if key else None

    @property
    def surroundings(self) -> dict[str, str]:
        """What the environment of a container with a network has, for its SDKs and git to find it."""
        url = self.url.replace("http://", "https://", 1) if self.trust else self.url
        own = {"AWS_ENDPOINT_URL": url, "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
        return own | credential_helper.settings(self.url, "python3")


def machine_memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
