"""InvokeEndpointAsync: answered at once and done in turn, from an input in S3 to an output or a failure there.

An invocation is a row of the store from before its caller is answered until its object is in S3, so that it
outlives the local cloud: one that was under way at its end is done again. No API names such a row.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections import defaultdict
from dataclasses import asdict
from functools import partial
from typing import Any

import botocore.exceptions

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.hosting.backlog import Backlog
from sagelab.cloud.errors import ServiceError, ValidationError
from sagelab.cloud.resources import invocations
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.endpoints import Endpoints
from sagelab.cloud.resources.invocations import Invocations
from sagelab.cloud.store import Document, Missing, Resource

logger = logging.getLogger("sagelab")

KIND, WAITING = "async-invocation", "Waiting"
PER_INSTANCE = 4  # invocations at a time where the configuration leaves it to the platform
PAUSE = 1.0  # seconds until S3 is asked again that could not answer
REFUSED = ("Filename", "S3OutputPathExtension", "RequestTTLSeconds", "InvocationTimeoutSeconds")
TROUBLE = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)


class AsyncInvocations(Family):
    """Asynchronous invocations of the endpoints of one local cloud. With an endpoint, its invocations go."""

    needs = (Endpoints, Invocations)

    def __init__(self, cloud: Cloud, endpoints: Endpoints, invocations: Invocations) -> None:
        super().__init__(cloud)
        self.endpoints, self.invocations = endpoints, invocations
        self._closing, self._lock = threading.Event(), threading.Lock()
        self._backlogs: dict[str, Backlog] = {}
        waiting = defaultdict[str, list[str]](list)
        for key, row in self.store.with_status(KIND, WAITING):
            waiting[row["EndpointArn"]].append(key)
        for arn, keys in waiting.items():
            self._backlog(arn).add(keys)

    @operation("InvokeEndpointAsync")
    def invoke(self, call: Call) -> Params:
        endpoint = self.invocations.find(call)
        document = self.endpoints.named(call, endpoint.name)
        _check(call.params, document)
        name = str(uuid.uuid4())
        call.params.pop("Body", None)  # an empty one
        row = {
            "Call": asdict(call),
            "EndpointArn": document["EndpointArn"],
            "EndpointCreationTime": document["CreationTime"],
            "RoleArn": endpoint.role,
            "Locations": _locations(document["AsyncInferenceConfig"]["OutputConfig"], name),
        }
        key = f"{KIND}/{name}"
        self.store.add(Resource(key, KIND, call.region, endpoint.name, WAITING, row))
        self._backlog(row["EndpointArn"]).add([key])
        return {"InferenceId": call.params.get("InferenceId", name), **row["Locations"]}

    def close(self) -> None:
        """Begin nothing more; what is not done is done after the next start."""
        self._closing.set()
        for backlog in list(self._backlogs.values()):
            backlog.close()

    # What happens behind an invocation, in a thread of its backlog

    def _answer(self, key: str) -> None:
        """Do one invocation; its row goes when its object is in S3, or can never be."""
        row = self.store.get(key)
        while not self._closing.is_set():
            try:
                done = self._finish(row)
            except TROUBLE as error:
                logger.warning("the answer of %s has no place in S3: %s", key, error)
                done = not _passes(error)
                self._closing.wait(0 if done else PAUSE)
            if done:
                self.store.remove(key)
                return

    def _finish(self, row: Document) -> bool:
        """Write an output or a failure; whether nothing is left to do. One of TROUBLE: S3 does not take it."""
        s3, locations = self.cloud.client_as(row["RoleArn"], "s3", _region_of(row)), row["Locations"]
        try:
            _put(s3, locations["OutputLocation"], self._ask(row, s3))
        except (ServiceError, ValueError, *TROUBLE) as error:
            if self._closing.is_set():
                return False
            if _passes(error):
                raise
            if self._is_wanted(row):
                logger.warning("asynchronous invocation of %s: %s", row["EndpointArn"], error)
                if "FailureLocation" in locations:
                    _put(s3, locations["FailureLocation"], str(error).encode())
        return True

    def _ask(self, row: Document, s3: Any) -> bytes:
        call, arn = Call(**row["Call"]), row["EndpointArn"]
        running = self.endpoints.running.get(arn)
        if running is None or not running.instances:
            self.endpoints.rest(arn, _answers)
        endpoint = self.invocations.find(call)
        if not self._is_wanted(row):
            raise ValidationError(f"Endpoint {endpoint.name} of account {call.account} not found.")
        source = channels.locate(call.params["InputLocation"])
        body = channels.read_whole(s3, source)
        return self.invocations.ask(call, endpoint, invocations.read(call.params, body))[1].body

    def _is_wanted(self, row: Document) -> bool:
        """Whether the endpoint is still the one that was invoked, and not one that took its name."""
        try:
            document = self.store.get(row["EndpointArn"])
        except Missing:
            return False
        is_it: bool = document["CreationTime"] == row["EndpointCreationTime"]
        return is_it and document["EndpointStatus"] != "Deleting"

    def _backlog(self, arn: str) -> Backlog:
        with self._lock:
            if arn not in self._backlogs:
                limit, tell = partial(self._limit, arn), partial(self._tell, arn)
                self._backlogs[arn] = Backlog(self._answer, limit, tell)
            return self._backlogs[arn]

    def _limit(self, arn: str) -> int:
        try:
            document = self.store.get(arn)
        except Missing:
            return PER_INSTANCE
        client = document.get("AsyncInferenceConfig", {}).get("ClientConfig", {})
        each: int = client.get("MaxConcurrentInvocationsPerInstance", PER_INSTANCE)
        return each * max(1, _instances(document))

    def _tell(self, arn: str, size: int) -> None:
        if endpoint := self.endpoints.running.get(arn):
            endpoint.measures.backlog(size, endpoint.instances)


def _check(params: Params, endpoint: Document) -> None:
    if "AsyncInferenceConfig" not in endpoint:
        raise ValidationError(f"Endpoint {endpoint['EndpointName']} is not an asynchronous endpoint.")
    if "InputLocation" not in params or params.get("Body"):
        raise ValidationError("InputLocation is required: the local cloud reads asynchronous input from S3.")
    for parameter in REFUSED:
        if parameter in params:
            raise ValidationError(f"{parameter}: the local cloud does not do this for asynchronous invocations.")


def _locations(output: Params, name: str) -> dict[str, str]:
    found = {"OutputLocation": f"{output['S3OutputPath'].rstrip('/')}/{name}.out"}
    if "S3FailurePath" in output:
        found["FailureLocation"] = f"{output['S3FailurePath'].rstrip('/')}/{name}-error.out"
    return found


def _instances(endpoint: Document) -> int:
    return sum(variant.get("DesiredInstanceCount", 0) for variant in endpoint.get("ProductionVariants", []))


def _answers(endpoint: Document) -> bool:
    """Whether an endpoint at rest has servers, or never will."""
    return endpoint["EndpointStatus"] == "Failed" or _instances(endpoint) > 0


def _put(s3: Any, uri: str, body: bytes) -> None:
    location = channels.locate(uri)
    s3.put_object(Bucket=location.bucket, Key=location.key, Body=body)


def _region_of(row: Document) -> str:
    """Where the endpoint is that was asked."""
    return str(row["EndpointArn"].split(":")[3])


def _passes(error: Exception) -> bool:
    """Whether S3 may do later what it did not do now: it does not answer, or has no room."""
    if isinstance(error, botocore.exceptions.ClientError):
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500)
    return isinstance(error, botocore.exceptions.HTTPClientError)
