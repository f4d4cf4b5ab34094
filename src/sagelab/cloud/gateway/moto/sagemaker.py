"""SageMaker as moto's other services reach it: through the front door, with the rights of who asks them.

moto has a SageMaker of its own, which pretends. CloudFormation's resources (stacks.py) and the tags of the
Resource Groups Tagging API (tag_sources.py) are the local cloud's instead; what else would call it is refused
(targets.py, services.toml).
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from sagelab.cloud.context import STACKS
from sagelab.cloud.errors import AccessDenied
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.store import Change, Document, Missing
from sagelab.cloud.trail.marks import Mark

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

# By the name that a service signs with: the module that teaches moto's of it where SageMaker is.
LESSONS = {"cloudformation": "stacks", "tagging": "tag_sources", "states": "state_tasks"}
LONGEST_WAIT = 50.0  # seconds; boto3 waits 60 for an answer


class SageMakerAccess:
    """The way to the one SageMaker of this process. find: the key of an access key id, or None."""

    current: ClassVar[SageMakerAccess]

    def __init__(self, cloud: Cloud, find: Callable[[str], Key | None]) -> None:
        self._cloud, self._find = cloud, find
        self._thread = threading.local()
        self._waiting: set[threading.Event] = set()
        cloud.store.listen(self._on_change)
        SageMakerAccess.current = self

    @contextmanager
    def asked_by(self, context: Context) -> Iterator[None]:
        """For the block, in this thread, `client` has the rights of who sent a request."""
        self._thread.access_key, self._thread.form = context.caller.key.access_key, context.request.form
        self._thread.mark = Mark(f"{context.service}.amazonaws.com")
        try:
            yield
        finally:
            self._thread.access_key, self._thread.form = None, {}

    @property
    def asked(self) -> dict[str, str]:
        """The parameters of the request of this thread, in the query protocol."""
        found: dict[str, str] = getattr(self._thread, "form", {})
        return found

    def client(self, region: str, role: str | None = None, service: str = "sagemaker") -> Any:
        """A client with the rights of who asks, or of a role that was passed on."""
        key = self.holder(role)
        mark = getattr(self._thread, "mark", Mark(STACKS))
        return self._cloud.client_with((key.access_key, key.secret, key.token), service, region, mark)

    def holder(self, role: str | None) -> Key:
        """The key of who asks, or of a session of a role that was passed on. ClientError: none can be had."""
        name = getattr(self._thread, "access_key", None) or ""
        if role is not None:
            session = self._cloud.assuming(STACKS).assume_role(RoleArn=role, RoleSessionName="AWSCloudFormation")
            name = session["Credentials"]["AccessKeyId"]
        key = self._find(name)
        if key is None:
            raise AccessDenied("Nobody asked for this.")
        return key

    def own(self, region: str, service: str = "sagemaker") -> Any:
        """A client with the local cloud's own rights."""
        keys = self._cloud.home.credentials()
        own = (keys.access_key_id, keys.secret_access_key, None)
        return self._cloud.client_with(own, service, region, Mark(STACKS))

    def look(self, arn: str) -> Document | None:
        """A resource as it is now; None where it is gone."""
        try:
            return self._cloud.store.get(arn)
        except Missing:
            return None

    def tagged(self, region: str) -> list[tuple[str, str, dict[str, str]]]:
        """(ARN, kind, tags) of every resource of a region that has tags."""
        return self._cloud.store.tagged(region)

    def wait(self, done: Callable[[], bool]) -> bool:
        """Whether `done` became true in time; it is asked again after each change of a resource."""
        changed, end = threading.Event(), time.monotonic() + LONGEST_WAIT
        self._waiting.add(changed)
        try:
            while not done():
                if not changed.wait(max(0.0, end - time.monotonic())):
                    return False
                changed.clear()
            return True
        finally:
            self._waiting.discard(changed)

    def _on_change(self, _: Change) -> None:
        for waiting in list(self._waiting):
            waiting.set()


def teach(service: str) -> Any:
    """The module that SageMaker's part in a service of moto's is in, loaded; None where it has none."""
    return importlib.import_module(f"{__package__}.{LESSONS[service]}") if service in LESSONS else None
