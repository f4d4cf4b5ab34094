"""The containers of one instance: a row that an invocation goes through, or each asked by its name.

In a row the answer of one, its body and its content type, is the request to the next:
https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipelines.html
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting import targets
from sagelab.cloud.engine.hosting.client import Hop, Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.instance import Instance, new_name
from sagelab.cloud.engine.hosting.many_models import ManyModels
from sagelab.cloud.engine.hosting.server import Server, VariantSpec, close_all

AT_ONCE = 4  # containers of an instance that start at a time
Part = Server | ManyModels
OF_THE_ENDS = ("Accept", "Content-Type")  # headers of the first request, and for the last answer


class Chain(Instance):
    """The containers of one instance, each a server of its own."""

    def __init__(self, endpoint: str, spec: VariantSpec, context: EngineContext) -> None:
        super().__init__(new_name())
        self.spec = spec
        self.servers = [_part(endpoint, spec, context, n, self.instance) for n in range(len(spec.containers))]

    @property
    def ready(self) -> bool:
        return all(server.ready for server in self.servers)

    def start(self) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for started in as_completed([pool.submit(server.start) for server in self.servers]):
                try:
                    started.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    close_all(self.servers)  # the others need not come up any more
                    raise

    def invoke(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        self._begin()
        try:
            row = self._row(headers)
            hops, headers, body, error = self._pass(row[:-1], path, headers, body)
            if error:
                return error
            reply = _ask(row[-1], path, headers, body)
            return _sum(reply, row[-1], hops)
        finally:
            self._end()

    def stream(self, headers: dict[str, str], body: bytes) -> tuple[Reply, Iterator[bytes]]:
        """Only the last answer comes in parts."""
        self._begin()
        try:
            row = self._row(headers)
            hops, headers, body, error = self._pass(row[:-1], "/invocations", headers, body)
            if error:
                return error, self._until_end(iter([error.body]))
            try:
                reply, parts = row[-1].stream(headers, body)
            except ServerUnavailable as trouble:
                raise _of(trouble, row[-1]) from None
        except BaseException:
            self._end()
            raise
        return _sum(reply, row[-1], hops), self._until_end(_named(parts, row[-1]))

    def processes(self) -> dict[str, list[int]]:
        return {name: pids for server in self.servers for name, pids in server.processes().items()}

    def kill(self) -> None:
        for server in self.servers:
            server.kill()

    def close(self) -> None:
        close_all(self.servers)

    def _row(self, headers: dict[str, str]) -> list[Part]:
        """The servers that an invocation goes through."""
        if not self.spec.direct:
            return self.servers
        return [server for server in self.servers if server.container.name == headers[targets.CONTAINER]]

    def _pass(
        self, row: list[Part], path: str, headers: dict[str, str], body: bytes
    ) -> tuple[tuple[Hop, ...], dict[str, str], bytes, Reply | None]:
        """What came of all but the last: hops, headers and body for the last one; or the answer that was an error.

        The client's Accept is for the last alone.
        """
        hops: tuple[Hop, ...] = ()
        accept = {name: value for name, value in headers.items() if name == "Accept"}
        common = {name: value for name, value in headers.items() if name not in OF_THE_ENDS}
        kind = {name: value for name, value in headers.items() if name == "Content-Type"}
        for server in row:
            reply = _ask(server, path, common | kind, body)
            whole = _sum(reply, server, hops)
            if reply.status >= 400:
                return whole.hops, {}, b"", whole
            hops, body = whole.hops, reply.body
            kind = {"Content-Type": reply.headers["content-type"]} if "content-type" in reply.headers else {}
        return hops, common | kind | accept, body, None


def make(endpoint: str, spec: VariantSpec, context: EngineContext) -> Instance:
    """A new instance of a variant, of one container or of several."""
    if len(spec.containers) > 1:
        return Chain(endpoint, spec, context)
    return ManyModels(endpoint, spec, context) if spec.containers[0].many else Server(endpoint, spec, context)


def _part(endpoint: str, spec: VariantSpec, context: EngineContext, number: int, instance: str) -> Part:
    if spec.containers[number].many:
        return ManyModels(endpoint, spec, context, number, instance)
    return Server(endpoint, spec, context, number, instance, f"-{number}")


def _ask(server: Part, path: str, headers: dict[str, str], body: bytes) -> Reply:
    try:
        return server.invoke(path, headers, body)
    except ServerUnavailable as trouble:
        raise _of(trouble, server) from None


def _of(trouble: ServerUnavailable, server: Part) -> ServerUnavailable:
    trouble.container = server.container.name
    return trouble


def _named(parts: Iterator[bytes], server: Part) -> Iterator[bytes]:
    try:
        yield from parts
    except ServerUnavailable as trouble:
        raise _of(trouble, server) from None


def _sum(reply: Reply, server: Part, before: tuple[Hop, ...]) -> Reply:
    """The answer of one container as that of the row up to it."""
    hops = (*before, Hop(server.container.name, reply.status, reply.seconds))
    return replace(reply, container=server.container.name, hops=hops, seconds=sum(hop.seconds for hop in hops))
