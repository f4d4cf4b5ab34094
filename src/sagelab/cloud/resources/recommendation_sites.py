"""What a recommendations job makes: models, compilations, endpoints. It is remembered first, and removed.

Nothing of it outlives the job: not its failure, not a Stop, not a kill of the local cloud.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore import xform_name

from sagelab.cloud.engine.hosting.endpoint import Endpoint
from sagelab.cloud.engine.jobs.run import INTERRUPTED, JobRun, Stopped
from sagelab.cloud.errors import ClientError, ServiceError
from sagelab.cloud.resources.call import Call
from sagelab.cloud.resources.compilation_jobs import CompilationJobs
from sagelab.cloud.resources.endpoint_configs import EndpointConfigs
from sagelab.cloud.resources.endpoints import Endpoints
from sagelab.cloud.resources.models import Models
from sagelab.cloud.store import Document

Made = list[list[str]]  # [stem, name], in the order in which they were made


class Makers:
    """The families of what a job makes, by the stems of their kinds."""

    def __init__(
        self, endpoints: Endpoints, configs: EndpointConfigs, models: Models, compilations: CompilationJobs
    ) -> None:
        self.endpoints, self.compilations = endpoints, compilations
        self.families = {each.kind.stem: each for each in (endpoints, configs, models, compilations)}

    def arn(self, stem: str, name: str, where: str) -> str:
        """where: "REGION:ACCOUNT"."""
        return self.families[stem].kind.arn_of(name, where)

    def call(self, verb: str, stem: str, name: str, where: str) -> Call:
        """A call of the service itself about one of them."""
        kind, (region, account) = self.families[stem].kind, where.split(":")
        caller = f"arn:aws:iam::{account}:root"
        return Call(kind.operation(verb), {kind.name_member: name}, region, account, caller)

    def remove(self, made: Made, where: str) -> None:
        """Delete what was made, the last first, and wait until it is gone; what is gone already is passed over."""
        for stem, name in reversed(made):
            family, arn = self.families[stem], self.arn(stem, name, where)
            if stem == "CompilationJob":
                continue  # its record stays, for the artifact can be used
            if family is self.endpoints and self.endpoints.rest(arn) is None:
                continue
            try:
                family.delete(self.call("Delete", stem, name, where))
            except ServiceError:
                continue  # somebody else has deleted it, or nobody made it
            if family is self.endpoints:
                self.endpoints.rest(arn, lambda _: False)


class RecommendationSite:
    """Where one job makes what it tests. note: keeps what it has made. client: of SageMaker, as the job's role."""

    def __init__(
        self, makers: Makers, where: str, run: JobRun, client: Callable[[], Any], note: Callable[[Made], None]
    ) -> None:
        self._makers, self._where, self._run, self._client, self._note = makers, where, run, client, note
        self._made: Made = []
        self.awaited: str | None = None  # the ARN whose changes the job waits for
        self.changed = threading.Event()

    def create(self, operation: str, request: dict[str, Any]) -> None:
        """Make something with the rights of the job's role. botocore's ClientError: it is refused."""
        stem = operation.removeprefix("Create")
        kind = self._makers.families[stem].kind
        self._made.append([stem, request[kind.name_member]])
        self._note(self._made)
        getattr(self._client(), xform_name(operation))(**request)

    def rest(self, stem: str, name: str) -> Document:
        """The description of what was made, once it moves no more. Stopped: the local cloud ends."""
        family = self._makers.families[stem]
        self.awaited = self._makers.arn(stem, name, self._where)
        while True:
            self.changed.clear()
            found: Document = family.find(self.awaited)
            if found[family.kind.status_member] in family.kind.rests:
                return found
            if self._run.ending == INTERRUPTED:
                raise Stopped
            self.changed.wait()

    def serving(self, name: str) -> Endpoint:
        """An endpoint in service. ClientError: there is none."""
        found = self._makers.endpoints.running.get(self._makers.arn("Endpoint", name, self._where))
        if found is None or found.fleet is None:
            raise ClientError(f"The endpoint {name} is not in service.")
        return found

    def stop(self) -> None:
        """The job is asked to end: a compilation that it waits for ends, too; an endpoint must come first."""
        for stem, name in self._made[-1:]:
            if stem == "CompilationJob":
                with suppress(ServiceError):  # it has ended already
                    self._makers.compilations.stop(self._makers.call("Stop", stem, name, self._where))
        self.changed.set()

    def remove(self) -> None:
        """Delete all that the job has made, and wait until it is gone."""
        self._makers.remove(self._made, self._where)
        self._made = []
        self._note(self._made)
