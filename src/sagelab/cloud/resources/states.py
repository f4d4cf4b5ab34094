"""What is moved from state to state: resources that something runs for until they are deleted.

A family of such resources is a child of Stateful. Its table of moves says which status a verb takes a resource
from, and to which; `move` checks and sets as one, and what then has to happen happens in a thread of its own, at
whose end the resource is between states no more.
"""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import (
    FAILURE_REASON_LIMIT,
    ClientError,
    InternalServerError,
    JobError,
    ServiceError,
    ValidationException,
)
from sagelab.cloud.resources.call import Call, Params
from sagelab.cloud.resources.records import Records
from sagelab.cloud.store import Document, Missing

logger = logging.getLogger("sagelab")

Act = Callable[[str], None]  # what a status says is being done, on the ARN of a resource


@dataclass(frozen=True)
class Move:
    """A change of status that a verb asks for: from where it is allowed, and to what."""

    allowed: tuple[str, ...]
    status: str


class Runs(Protocol):
    """What the engine runs for a resource."""

    def close(self) -> None:
        """End it; it may have ended already."""


Running = TypeVar("Running", bound=Runs)


class _Changed(Exception):
    """The resource is not what was looked at any more."""


class Stateful(Records, Generic[Running]):
    """The resources of one kind, which are moved from state to state.

    moves: verb -> its move; "Create" has the first status. running: ARN -> what runs for a resource.
    A status that a move leads to is one between states: what was there when the local cloud ended is recovered.
    """

    moves: ClassVar[dict[str, Move]]

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.running: dict[str, Running] = {}
        self._closing, self._changed = False, threading.Condition()
        self._between = frozenset(move.status for move in self.moves.values())
        for arn, document in self.store.with_status(self.kind.arn, *self._between.union(self.kind.running)):
            if document[self.kind.status_member] == self.moves["Delete"].status:
                self.remove(arn)
            else:
                self.recover(arn, document)

    @abstractmethod
    def recover(self, arn: str, document: Document) -> None:
        """The local cloud ended while something ran for a resource, or was about to: take it on from there."""

    @abstractmethod
    def refusal(self, document: Document, move: Move) -> ValidationException:
        """AWS's words: the resource's status does not allow a move."""

    def begin(self, call: Call, document: Document, act: Act) -> str:
        """Keep a new resource and `act` on its ARN, which is returned. ValidationException: it exists."""
        status = self.moves["Create"].status
        arn = self.add(call, document | {self.kind.status_member: status}, status)
        self.work(arn, act)
        return arn

    def move(self, call: Call, verb: str, plan: Callable[[Document], tuple[Params, Act]]) -> str:
        """Take up a call's change of status, if it is allowed, and do what it says; the resource's ARN.

        plan: the document -> (facts to note, what is to be done). Of two calls at the same moment one is refused
        or planned anew: a plan is carried out only on the document that it was made for. ServiceError: refused.
        """
        arn, wanted = self.arn(call), self.moves[verb]
        while True:
            seen = self.find(arn)
            if seen[self.kind.status_member] not in wanted.allowed:
                raise self.refusal(seen, wanted)
            facts, act = plan(seen)
            try:
                self.store.change(arn, partial(self._edit, status=wanted.status, facts=facts, seen=seen))
            except (_Changed, Missing):
                continue
            self.work(arn, act)
            return arn

    def delete(self, call: Call) -> Params:
        """End what runs for a resource, then forget it."""
        self.move(call, "Delete", lambda _: ({}, self.remove))
        return {}

    def remove(self, arn: str) -> None:
        """End what there is of a resource and forget it."""
        self.end(arn)
        if not self._closing:
            self.store.remove(arn)
            self._tell()

    def work(self, arn: str, act: Act) -> None:
        """Do what a status says, in a thread of its own. An error that ends it is why the resource is Failed."""
        threading.Thread(target=self._guarded, args=(arn, act), daemon=True, name=f"change {arn}").start()

    def change(self, arn: str, status: str, **facts: Any) -> None:
        """Note a status and facts; None takes a fact away. While the local cloud ends, nothing is noted."""
        if self._closing:
            return
        try:
            self.store.change(arn, partial(self._edit, status=status, facts=facts))
        except Missing:
            logger.warning("%s is gone; that it is %s is not recorded", arn, status)
        self._tell()

    def end(self, arn: str) -> None:
        """End what runs for a resource, if anything does."""
        if running := self.running.pop(arn, None):
            running.close()

    def fail(self, arn: str, reason: str, **facts: Any) -> None:
        """A resource is Failed, and nothing runs for it any more. facts: as `change` has them."""
        self.end(arn)
        self.change(arn, "Failed", FailureReason=reason[:FAILURE_REASON_LIMIT], **facts)

    def rest(self, arn: str, fits: Callable[[Document], bool] = lambda _: True) -> Document | None:
        """Wait until a resource is between states no more, and fits; its document.

        None: it is gone, or the local cloud ends.
        """
        with self._changed:
            while not self._closing:
                try:
                    document = self.store.get(arn)
                except Missing:
                    return None
                if document[self.kind.status_member] not in self._between and fits(document):
                    return document
                self._changed.wait()
        return None

    def close(self) -> None:
        """End all that runs, at once; what it leads to is told at the next start, by `recover`."""
        self._closing = True
        self._tell()
        if running := list(self.running.values()):
            with ThreadPoolExecutor(len(running)) as pool:
                for ended in [pool.submit(each.close) for each in running]:
                    ended.result()

    def _guarded(self, arn: str, act: Act) -> None:
        try:
            act(arn)
        except JobError as error:
            self.fail(arn, str(error))
        except ServiceError as error:
            self.fail(arn, str(ClientError(error.message)))
        except Exception as error:
            if not self._closing:
                logger.exception("a change of %s", arn)
            self.fail(arn, str(InternalServerError(f"The local cloud failed: {error!r}")))

    def _edit(self, document: Document, status: str, facts: Params, seen: Document | None = None) -> str:
        if seen not in (None, document):
            raise _Changed
        document |= facts | {self.kind.status_member: status, "LastModifiedTime": datetime.now(UTC)}
        for name in [name for name, value in document.items() if value is None]:
            del document[name]
        return status

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()
