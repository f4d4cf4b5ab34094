"""What is moved from state to state, in a kind of the test's own: doors, which something holds open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar

import pytest

from sagelab.catalog import Kind
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.errors import ClientError, ServiceError, ValidationException
from sagelab.cloud.home import Home
from sagelab.cloud.resources.call import Call, Params
from sagelab.cloud.resources.states import Act, Move, Stateful
from sagelab.cloud.store import Document, Store

TIMEOUT = 60
CALLERS = 32


class Wedge:
    """What holds a door open; all that are let go of are let go of at once, or never."""

    def __init__(self, together: threading.Barrier | None = None) -> None:
        self.together, self.closed = together, 0

    def close(self) -> None:
        if self.together:
            self.together.wait(TIMEOUT)
        self.closed += 1


class Doors(Stateful[Wedge]):
    kind = Kind("door", "Door", "door", running=("Open",), ended=("Failed",))
    summary = ("DoorName", "CreationTime", "LastModifiedTime")
    moves: ClassVar = {
        "Create": Move((), "Opening"),
        "Paint": Move(("Open",), "Drying"),
        "Delete": Move(("Open", "Failed"), "Closing"),
    }

    def recover(self, arn: str, document: Document) -> None:
        self.change(arn, "Failed", FailureReason=f"it was {document['DoorStatus']}")

    def refusal(self, document: Document, move: Move) -> ValidationException:
        return ValidationException(f"{document['DoorStatus']}, so not {move.status}")

    def open(self, arn: str) -> None:
        self.running[arn] = Wedge()
        self.change(arn, "Open", Colour="white")


@pytest.fixture
def cloud(home: Home) -> Iterator[Cloud]:
    store = Store(home.database)
    yield Cloud(home, store, Launcher(home), "http://127.0.0.1:1", "us-east-1")
    store.close()


def call(name: str) -> Call:
    return Call("PaintDoor", {"DoorName": name}, "us-east-1", "123456789012", "arn:aws:iam::123456789012:root")


def made(doors: Doors, name: str, act: Act | None = None) -> str:
    """The ARN of a door that has come to rest."""
    arn = doors.begin(call(name), {"DoorName": name}, act or doors.open)
    doors.rest(arn)
    return arn


def at_once(acts: list[Callable[[], Any]]) -> list[str]:
    """What calls at the same moment are refused with; "" for one that got through."""
    ready = threading.Barrier(len(acts))

    def one(act: Callable[[], Any]) -> str:
        ready.wait(TIMEOUT)
        try:
            act()
        except ServiceError as error:
            return error.message
        return ""

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(one, acts))


def test_of_many_calls_at_the_same_moment_one_gets_through(cloud: Cloud) -> None:
    doors, go, worked = Doors(cloud), threading.Event(), list[str]()
    arn = made(doors, "front")
    looked = threading.Barrier(CALLERS // 2)

    def plan(_: Document) -> tuple[Params, Act]:
        looked.wait(TIMEOUT)  # every painter has seen an open door
        return {}, paint

    def paint(arn: str) -> None:
        worked.append(arn)
        go.wait(TIMEOUT)
        doors.change(arn, "Open")

    paints: list[Callable[[], Any]] = [partial(doors.move, call("front"), "Paint", plan)] * (CALLERS // 2)
    said = at_once(paints)
    assert sorted(said) == ["", *["Drying, so not Drying"] * (CALLERS // 2 - 1)]
    assert at_once([partial(doors.delete, call("front"))] * 4) == ["Drying, so not Closing"] * 4
    go.set()
    doors.rest(arn)
    assert worked == [arn]


def test_a_plan_is_made_anew_where_the_resource_changed_meanwhile(cloud: Cloud) -> None:
    doors, seen = Doors(cloud), list[str]()
    arn = made(doors, "side")

    def plan(document: Document) -> tuple[Params, Act]:
        if not seen:
            doors.change(arn, "Open", Colour="green")
        seen.append(document["Colour"])
        return {"Under": document["Colour"]}, lambda arn: doors.change(arn, "Open", Colour="red")

    doors.move(call("side"), "Paint", plan)
    found = doors.rest(arn)
    assert seen == ["white", "green"]
    assert found is not None
    assert (found["Under"], found["Colour"]) == ("green", "red")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ClientError("no key"), "ClientError: no key"),
        (ValidationException("no hinge"), "ClientError: no hinge"),
        (KeyError("frame"), "InternalServerError: The local cloud failed: KeyError('frame')"),
    ],
    ids=["job-error", "service-error", "fault"],
)
def test_an_error_leaves_nothing_between_states_and_nothing_running(
    cloud: Cloud, error: Exception, reason: str
) -> None:
    doors, wedge = Doors(cloud), Wedge()

    def breaks(arn: str) -> None:
        doors.running[arn] = wedge
        raise error

    found = doors.find(made(doors, "broken", breaks))
    assert (found["DoorStatus"], found["FailureReason"]) == ("Failed", reason)
    assert (doors.running, wedge.closed) == ({}, 1)


def test_what_is_deleted_is_ended_and_gone(cloud: Cloud) -> None:
    doors = Doors(cloud)
    arn = made(doors, "back")
    wedge = doors.running[arn]
    doors.delete(call("back"))
    assert doors.rest(arn) is None
    assert wedge.closed == 1
    with pytest.raises(ValidationException, match='Could not find door "'):
        doors.delete(call("back"))


def test_what_was_between_states_at_the_end_is_recovered(cloud: Cloud) -> None:
    doors, go = Doors(cloud), threading.Event()
    arns = {name: made(doors, name) for name in ("open", "drying", "closing")}

    def hang(_: str) -> None:
        go.wait(TIMEOUT)

    arns["opening"] = doors.begin(call("opening"), {"DoorName": "opening"}, hang)
    doors.move(call("drying"), "Paint", lambda _: ({}, hang))
    doors.move(call("closing"), "Delete", lambda _: ({}, hang))
    after = Doors(cloud)
    go.set()
    reasons = {name: after.find(arn)["FailureReason"] for name, arn in arns.items() if name != "closing"}
    assert reasons == {"open": "it was Open", "drying": "it was Drying", "opening": "it was Opening"}
    assert not cloud.store.has(arns["closing"])


def test_all_that_runs_is_ended_at_once_and_nothing_is_noted_after_it(cloud: Cloud) -> None:
    doors, names = Doors(cloud), [f"d{number}" for number in range(8)]
    together = threading.Barrier(len(names))
    wedges = {made(doors, name): Wedge(together) for name in names}
    doors.running |= wedges
    doors.close()
    assert [wedge.closed for wedge in wedges.values()] == [1] * len(names)
    arn = next(iter(wedges))
    doors.change(arn, "Failed", FailureReason="its wedge is gone")
    assert doors.find(arn)["DoorStatus"] == "Open"
    assert doors.rest(arn) is None
