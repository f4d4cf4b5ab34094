"""Where a request comes from, in the chain: of a host in a VPC only what has a way there is answered.

What has none is dropped without an answer, as packets are that no route takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from sagelab.cloud.engine.vpc.reach import NAT, NoWay, Way
from sagelab.cloud.engine.vpc.sources import HEADER, Source, Sources
from sagelab.cloud.gateway.context import Context

# Services by the name that their requests are signed for, or by SageMaker's plane -> as their endpoints are named.
NAMES = {
    "sagemaker": "sagemaker.api",
    "sagemaker-runtime": "sagemaker.runtime",
    "sagemaker-metrics": "sagemaker.metrics",
    "sagemaker-featurestore-runtime": "sagemaker.featurestore-runtime",
    "ecr": "ecr.api",
    "git-codecommit": "git-codecommit",
}
GIT = "/v1/repos/"


class Dropped(ConnectionError):
    """Nobody answers."""


@dataclass(frozen=True)
class Origin:
    """A host in a VPC, and by which way its request came. address: of the host, or of the NAT gateway."""

    vpc: str
    way: Way
    address: str

    @property
    def endpoint(self) -> str:
        """The endpoint of the VPC that it came by; "" where it came through the internet."""
        return "" if self.way.kind == NAT else self.way.id


class Origins:
    """Two handlers of the chain."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def admit(self, context: Context) -> None:
        """Dropped: nothing comes here from where it is, or it is git's and CodeCommit is not reached."""
        if context.request.source and not context.request.source.leads_anywhere:
            raise Dropped("no way to any service")
        if context.request.path.startswith(GIT):
            self._hold(context, "git-codecommit", "")

    def check(self, context: Context) -> None:
        """Dropped: it does not come here."""
        name = context.found.plane if context.found else context.service
        self._hold(context, NAMES.get(name, name), context.region)

    def _hold(self, context: Context, service: str, region: str) -> None:
        source = self._source(context)
        if source is None:
            return
        try:
            way = source.way(service, region)
        except NoWay as why:
            raise Dropped(str(why)) from None
        context.origin = Origin(source.vpc, way, way.address or source.address)

    def _source(self, context: Context) -> Source | None:
        """By its connection; only of what comes by none of a host's, by its header, which goes no further."""
        word = context.request.headers.pop(HEADER, None)
        return context.request.source or self._sources.of_word(word)
