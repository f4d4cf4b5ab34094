"""EMR Serverless: applications, started and stopped by request, by a job run, or once they have been idle.

    CREATING -> CREATED -> STARTING -> STARTED -> STOPPING -> STOPPED; TERMINATED

https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/applications.html
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.emr_serverless.places import Places
from sagelab.cloud.engine.images.environments import SPARK
from sagelab.cloud.engine.images.runtimes import ready
from sagelab.cloud.errors import ClientError, JobError, ValidationException
from sagelab.cloud.resources import emr_application_rules as rules
from sagelab.cloud.resources import listing, vpc_rules
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.records import OWN, told
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND, TOKEN = "emr-serverless-application", "emr-serverless-token"
MOST, PAGE, MAX_TAGS = 100, 50, 200
IDLE = 15  # minutes, where nothing is said
WARM, LOOK = 120.0, 0.1  # seconds for a Python to be ready, and between two looks
TOLD = (
    *("name", "initialCapacity", "maximumCapacity", "networkConfiguration", "runtimeConfiguration"),
    *("monitoringConfiguration", "schedulerConfiguration", "interactiveConfiguration"),
)
SUMMARY = (
    "name",
    "arn",
    "releaseLabel",
    "type",
    "state",
    "stateDetails",
    "createdAt",
    "updatedAt",
    "architecture",
)
BETWEEN = {"CREATING": "CREATED", "STARTING": "STARTED", "STOPPING": "STOPPED"}
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
MUST = "Application {} must be in one of the following statuses [{}]. Current status: {}"
BUSY = (
    "Application {} has job runs: all scheduled and running jobs must be completed or cancelled before it stops."
)
MANY = "The local cloud has {} applications of EMR Serverless at the most; delete one first."


class Applications(Family):
    """The applications of one local cloud."""

    service = "emr-serverless"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.places = Places(cloud.clock)
        self.lock = threading.RLock()  # of what decides whether an application takes a run
        self._closed, self._changed = False, threading.Event()
        for arn, found in self.store.with_status(KIND, *BETWEEN):
            self._set(arn, BETWEEN[found["state"]])
        cloud.clock.listen(self._changed.set)
        threading.Thread(target=self._watch, name="idle applications", daemon=True).start()

    @operation("CreateApplication")
    def create(self, call: Call) -> Params:
        params = call.params
        rules.check_engine(params["type"])
        self._check(call, params)
        if self._count() >= MOST:
            raise ValidationException(MANY.format(MOST))
        key = new_id()
        arn = arn_of(call, key)
        made = _document(params, key, arn)
        with self.lock:
            if first := remember(self, call, f"arn:aws:emr-serverless:{call.region}:{call.account}:/tokens", arn):
                return _made(self.store.get(first))
            self.store.add(Resource(arn, KIND, call.region, key, "CREATING", made), params.get("tags") or {})
        self._then(arn, "CREATED")
        return _made(made)

    def _check(self, call: Call, asked: Params) -> None:
        rules.check_application(asked)
        if vpc := vpc_of(asked):
            vpc_rules.check(vpc, self.cloud, call.region)

    def _count(self) -> int:
        return len(self.store.with_status(KIND, *BETWEEN, *BETWEEN.values()))

    @operation("GetApplication")
    def get(self, call: Call) -> Params:
        return {"application": self._whole(self.find(call))}

    def _whole(self, found: Document) -> Params:
        return told(found) | {"tags": self.store.tags(found["arn"])}

    @operation("ListApplications")
    def list_all(self, call: Call) -> Params:
        states = call.params.get("states") or (*BETWEEN, *BETWEEN.values())
        rows = [
            {name: one[name] for name in SUMMARY if name in one} | {"id": one["applicationId"]}
            for one in self.store.documents(KIND, call.region)
            if one["state"] in states
        ]
        return page(call, "applications", rows)

    @operation("UpdateApplication")
    def update(self, call: Call) -> Params:
        arn, asked = self.find(call)["arn"], call.params
        changes = {
            name: asked[name]
            for name in (*TOLD, "releaseLabel", "architecture", "autoStartConfiguration", "autoStopConfiguration")
            if asked.get(name) is not None
        }
        with self.lock:
            self._must(arn, "CREATED", "STOPPED")
            self._check(call, self.store.get(arn) | asked)
            found = self.store.change(arn, lambda one: one.update(changes | {"updatedAt": datetime.now(UTC)}))
        return {"application": self._whole(found)}

    @operation("StartApplication")
    def start(self, call: Call) -> Params:
        self.begin(self.find(call)["arn"])
        return {}

    @operation("StopApplication")
    def stop(self, call: Call) -> Params:
        arn = self.find(call)["arn"]
        with self.lock:
            if self._must(arn, "STARTED", "STOPPING", "STOPPED")["state"] == "STARTED":
                if self.places.count(arn):
                    raise ValidationException(BUSY.format(call.params["applicationId"]))
                self._stop(arn)
        return {}

    @operation("DeleteApplication")
    def delete(self, call: Call) -> Params:
        arn = self.find(call)["arn"]
        with self.lock:
            self._must(arn, "CREATED", "STOPPED")
            self._set(arn, "TERMINATED")
        return {}

    # Tags, of applications and of their job runs

    @operation("TagResource")
    def tag(self, call: Call) -> Params:
        arn, tags = self._tagged(call), call.params["tags"]
        if len(self.store.tags(arn) | tags) > MAX_TAGS:
            raise ValidationException(f"A resource has {MAX_TAGS} tags at most.")
        self.store.tag(arn, tags)
        return {}

    @operation("UntagResource")
    def untag(self, call: Call) -> Params:
        self.store.untag(self._tagged(call), call.params["tagKeys"])
        return {}

    @operation("ListTagsForResource")
    def tags(self, call: Call) -> Params:
        return {"tags": self.store.tags(self._tagged(call))}

    def _tagged(self, call: Call) -> str:
        arn: str = call.params["resourceArn"]
        if ":/applications/" not in arn or not self.store.has(arn):
            raise missing("Resource", arn)
        return arn

    # For its neighbours

    def find(self, call: Call) -> Document:
        """The application that a request names. Beside: there is none such."""
        try:
            return self.store.get(arn_of(call, call.params["applicationId"]))
        except Missing:
            raise missing("Application", call.params["applicationId"]) from None

    def take(self, arn: str) -> None:
        """A job run is about to be: its application is started, or starts. ValidationException: it does not."""
        found = self._must(arn, "CREATED", "STOPPED", "STARTING", "STARTED")
        if not found["autoStartConfiguration"].get("enabled", True):
            self._must(arn, "STARTED")
        self.begin(arn)

    def takes(self, arn: str) -> bool:
        """Whether an application runs what it has taken. JobError: it could not be started."""
        found = self.store.get(arn)
        if found["state"] in ("STOPPED", "TERMINATED"):
            raise ClientError(found.get("stateDetails") or f"Application {found['applicationId']} was stopped.")
        return bool(found["state"] == "STARTED")

    def rest(self, arn: str) -> None:
        """A job run is over: from now on the application may be idle."""
        with suppress(Missing):
            self.store.change(arn, _idle)
        self._changed.set()

    # From state to state

    def begin(self, arn: str) -> None:
        """Start an application, unless it is."""
        with self.lock:
            if self._must(arn, "CREATED", "STOPPED", "STARTING", "STARTED")["state"] not in (
                "STARTING",
                "STARTED",
            ):
                self._set(arn, "STARTING")
                self._then(arn, "STARTED", self._provision)

    def _provision(self, arn: str) -> None:
        """What stands for an initial capacity: the image's packages, and a Python that has imported them.

        JobError: they are not to be had.
        """
        if not self.store.get(arn).get("initialCapacity"):
            return
        runtime, limit = ready(SPARK), time.monotonic() + WARM
        self.cloud.launcher.warm(runtime)
        while not self.cloud.launcher.is_warm(runtime) and time.monotonic() < limit and not self._closed:
            time.sleep(LOOK)

    def _stop(self, arn: str) -> None:
        self._set(arn, "STOPPING")
        self._then(arn, "STOPPED")

    def _then(self, arn: str, state: str, act: Callable[[str], None] = lambda _: None) -> None:
        """Come to a state in a thread of its own, once something is done; STOPPED where that fails."""

        def move() -> None:
            try:
                act(arn)
            except JobError as error:
                self._set(arn, "STOPPED", str(error).partition(": ")[2][:256])
            except Exception as error:
                self._set(arn, "STOPPED", f"The local cloud failed: {error!r}"[:256])
            else:
                self._set(arn, state)

        threading.Thread(target=move, daemon=True, name=f"{state} {arn}").start()

    def _set(self, arn: str, state: str, details: str = "") -> None:
        def edit(found: Document) -> str:
            found |= {"state": state, "updatedAt": datetime.now(UTC)}
            found.pop("stateDetails", None)
            if details:
                found["stateDetails"] = details
            _idle(found)
            return state

        if self._closed:
            return  # the next start finds it between states
        with suppress(Missing):
            self.store.change(arn, edit)
        self.places.wake()
        self._changed.set()

    def _must(self, arn: str, *states: str) -> Document:
        """ValidationException: an application is in another state."""
        found = self.store.get(arn)
        if found["state"] not in states:
            wrong = found["applicationId"], ", ".join(states), found["state"]
            raise ValidationException(MUST.format(*wrong))
        return found

    def _watch(self) -> None:
        """Stop what has been idle for its time."""
        while not self._closed:
            self._changed.clear()
            due = self._stop_idle()
            self._changed.wait(None if math.isinf(due) else due)

    def _stop_idle(self) -> float:
        """Seconds until the next is due."""
        clock, due = self.cloud.clock, math.inf
        with self.lock:
            for arn, found in [] if self._closed else self.store.with_status(KIND, "STARTED"):
                rule = found["autoStopConfiguration"]
                if not rule.get("enabled", True) or self.places.count(arn):
                    continue
                left = rule.get("idleTimeoutMinutes", IDLE) * 60 - clock.elapsed(found[OWN]["Idle"])
                if left <= 0:
                    self._stop(arn)
                else:
                    due = min(due, left / clock.speed)
        return due

    def close(self) -> None:
        self._closed = True
        self._changed.set()
        self.places.wake()


def _document(asked: Params, key: str, arn: str) -> Document:
    now = datetime.now(UTC)
    stop = {"enabled": True, "idleTimeoutMinutes": IDLE} | (asked.get("autoStopConfiguration") or {})
    return {name: asked[name] for name in TOLD if asked.get(name)} | {
        "applicationId": key,
        "arn": arn,
        "releaseLabel": asked["releaseLabel"],
        "type": "Spark",
        "state": "CREATING",
        "createdAt": now,
        "updatedAt": now,
        "architecture": asked.get("architecture", "X86_64"),
        "autoStartConfiguration": {"enabled": True} | (asked.get("autoStartConfiguration") or {}),
        "autoStopConfiguration": stop,
        OWN: {"Idle": 0.0},
    }


def _idle(found: Document) -> None:
    found[OWN]["Idle"] = time.time()


def _made(found: Document) -> Params:
    return {name: found[name] for name in ("applicationId", "name", "arn") if name in found}


def new_id() -> str:
    """Sixteen digits and letters, later ones behind earlier ones."""
    number, text = (time.time_ns() // 1_000_000 << 24) | secrets.randbits(24), ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        text = DIGITS[digit] + text
    return f"00{text}".rjust(16, "0")[:16]


def arn_of(call: Call, key: str) -> str:
    return f"arn:aws:emr-serverless:{call.region}:{call.account}:/applications/{key}"


def vpc_of(asked: Params) -> Params | None:
    """As a VpcConfig."""
    network = asked.get("networkConfiguration") or {}
    if not network.get("subnetIds"):
        return None
    return {"Subnets": network["subnetIds"], "SecurityGroupIds": network["securityGroupIds"]}


def missing(noun: str, name: str) -> Beside:
    return Beside("ResourceNotFoundException", f"{noun} {name} does not exist", 404)


def page(call: Call, member: str, rows: list[Params]) -> Params:
    """A page of fifty, unless fewer are asked for."""
    asked = {"NextToken": call.params.get("nextToken"), "MaxResults": call.params.get("maxResults", PAGE)}
    found = listing.page(replace(call, params=asked), member, rows)
    return {member: found[member], "nextToken": found["NextToken"]}


def remember(family: Family, call: Call, place: str, arn: str) -> str | None:
    """Keep what a client's token made; the ARN of what it made before. Beside: that was of another request."""
    asked = {name: value for name, value in call.params.items() if name != "clientToken"}
    token = f"{place}/{call.params['clientToken']}"
    kept: Document = {"Made": arn, "Asked": repr(sorted(asked.items()))}
    try:
        family.store.add(Resource(token, TOKEN, call.region, call.params["clientToken"], "there", kept))
    except Exists:
        before = family.store.get(token)
        if before["Asked"] != kept["Asked"]:
            words = "The client token was used with other parameters."
            raise Beside("ConflictException", words, 409) from None
        return str(before["Made"])
    return None
