"""What is known of one request on its way through the gateway's chain: each fact is found once, and kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING

from sagelab.cloud import resources
from sagelab.cloud.gateway.auth.guard import Caller
from sagelab.cloud.gateway.http.request import CONTROL, Request
from sagelab.cloud.gateway.wire.planes import BESIDE, SHARED, SIGNING, Operation
from sagelab.cloud.resources.call import Call
from sagelab.cloud.trail.marks import Mark

if TYPE_CHECKING:
    from sagelab.cloud.gateway.origins import Origin

# Operations that begin so leave everything as it was; KMS makes its own keys when they are first described.
_READS = ("Get", "List", "Describe", "BatchGet", "Lookup", "Filter", "Simulate", "Search", "Query", "Scan")


@dataclass
class Context:
    """caller: once it is identified. found, call: of what is ours alone, once found and once parsed. named:
    the operation of another service that is told by a request's method and path, once that is read. by: for which
    service of AWS's the local cloud asks itself. origin: of one that comes from a VPC, once its way is known.
    """

    request: Request
    caller: Caller = field(init=False)
    found: Operation | None = None
    call: Call | None = None
    named: str = ""
    by: Mark | None = None
    origin: Origin | None = None

    @cached_property
    def service(self) -> str:
        """The name that the request is signed for."""
        return self.caller.service.lower()

    @property
    def is_ours(self) -> bool:
        """Whether SageMaker or a service beside it is asked, and so the resources are; else it is moto that is."""
        if self.service in SHARED:
            return self.request.operation in _owned(self.service)
        return self.service in SIGNING or self.service in BESIDE

    @property
    def secure(self) -> bool:
        """Whether it came by TLS; what the local cloud asks itself counts as that."""
        return self.request.secure

    @property
    def region(self) -> str:
        return self.caller.region

    @property
    def where(self) -> str:
        """REGION:ACCOUNT, as ARNs have it."""
        return f"{self.caller.region}:{self.caller.key.account}"

    @property
    def operation(self) -> str:
        """The operation's name; of another service than SageMaker, as well as the request tells."""
        return self.found.name if self.found else self.named or self.request.operation

    @property
    def is_control(self) -> bool:
        """Whether a request signed for S3 is one of S3 Control's."""
        return self.service == "s3" and self.request.path.startswith(CONTROL)

    @cached_property
    def changes(self) -> bool:
        """Whether a request to another service than SageMaker may change something."""
        request = self.request
        if request.target or request.form.get("Action"):
            return self.service == "kms" or not self.operation.startswith(_READS)
        return request.method not in ("GET", "HEAD")


@cache
def _owned(service: str) -> frozenset[str]:
    return resources.operations(service)
