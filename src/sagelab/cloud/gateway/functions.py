"""Lambda's calls in the chain: Invoke is the engine's, whatever of Lambda is a record is moto's.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from sagelab.cloud.engine.functions.events import Event
from sagelab.cloud.engine.functions.function import Call
from sagelab.cloud.engine.functions.pool import CannotStart, Throttled
from sagelab.cloud.errors import AccessDenied, GaveUp, InvalidFunctionValue, NotImplementedHere, ServiceError
from sagelab.cloud.gateway.auth import functions
from sagelab.cloud.gateway.auth.functions import Named
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.moto.functions import FunctionAccess
from sagelab.cloud.gateway.wire.faults import Answer

# Bytes of an event: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
SYNC, ASYNC = 6 << 20, 1 << 20
TYPES = ("RequestResponse", "Event", "DryRun")
_TOO_LARGE = "Request must be smaller than {} bytes for the InvokeFunction operation"
_NO_VERSIONS = "What becomes of a function's events is, here, one for all of its versions: leave out Qualifier."
_NO_STREAM = "InvokeWithResponseStream is not something the local cloud can do: Python answers at its end."


class InvalidRequestContent(ServiceError):
    code = "InvalidRequestContentException"


class EventTooLarge(ServiceError):
    code = "RequestTooLargeException"
    status = 413


class TooManyRequests(ServiceError):
    code = "TooManyRequestsException"
    status = 429


class Functions:
    """A handler of the chain. access: what is known of functions, and what runs them."""

    def __init__(self, access: FunctionAccess) -> None:
        self._access = access

    def answer(self, context: Context) -> Answer | None:
        """The answer to a call of a function; None where the request is none."""
        if context.service == "lambda" and "EventInvokeConfig" in context.operation:
            _check_whole(context.request)
        if context.service != "lambda" or not context.operation.startswith("Invoke"):
            return None
        if context.operation == "InvokeWithResponseStream":
            raise NotImplementedHere(_NO_STREAM)
        request, named = context.request, functions.of_request(context.request, context.where)
        if named is None:
            return None
        if context.operation == "InvokeAsync":
            return self._queue(named, _event(request, ASYNC >> 2), None)
        kind = request.header("x-amz-invocation-type") or TYPES[0]
        if kind not in TYPES:
            raise InvalidFunctionValue(f"Value '{kind}' at 'invocationType' is none of {', '.join(TYPES)}")
        if kind == "DryRun":
            self._access.find(named)
            return Answer(204, [])
        client = _client(request)
        if kind == "Event":
            return self._queue(named, _event(request, ASYNC), client)
        return self._call(named, Call(_event(request, SYNC), named.arn, client), request)

    def _queue(self, named: Named, event: bytes, client: dict[str, Any] | None) -> Answer:
        """Keep an event until its function has made something of it."""
        self._access.find(named)
        kept = Event(named.arn, event.decode(), client)
        self._access.events.add(kept)
        return Answer(202, [("x-amzn-RequestId", kept.request_id)], b"", kept.request_id)

    def _call(self, named: Named, call: Call, request: Request) -> Answer:
        """Call a function, and wait for what it makes of the event."""
        found = self._access.find(named)
        try:
            outcome = self._access.pool.call(found.function, call, found.reserved)
        except Throttled as error:
            raise TooManyRequests(str(error), Reason=error.reason, Type="User") from None
        except CannotStart as error:
            raise (AccessDenied if error.denied else GaveUp)(str(error)) from None
        headers = [("Content-Type", "application/json"), ("X-Amz-Executed-Version", found.function.version)]
        if outcome.error:
            headers.append(("X-Amz-Function-Error", outcome.error))
        if request.header("x-amz-log-type") == "Tail":
            headers.append(("X-Amz-Log-Result", base64.b64encode(outcome.log).decode()))
        headers.append(("x-amzn-RequestId", call.request_id))
        return Answer(200, headers, outcome.payload, call.request_id)


def _check_whole(request: Request) -> None:
    """moto has one setting for all versions of a function. NotImplementedHere: another one is asked for."""
    if request.parameters.get("Qualifier", "$LATEST") != "$LATEST":
        raise NotImplementedHere(_NO_VERSIONS)


def _event(request: Request, limit: int) -> bytes:
    """The event of a call; "{}" where it has none. EventTooLarge, InvalidRequestContent: it is none."""
    if request.size > limit:
        raise EventTooLarge(_TOO_LARGE.format(limit))
    event = request.content()
    if not event:
        return b"{}"
    try:
        json.loads(event)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestContent(
            f"Could not parse request body into json: Could not parse payload into json: {error}", Type="User"
        ) from None
    return event


def _client(request: Request) -> dict[str, Any] | None:
    """The client context. InvalidRequestContent: it is no JSON object in base64."""
    said = request.header("x-amz-client-context")
    if not said:
        return None
    try:
        found = json.loads(base64.b64decode(said, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or len(said) > 3583:
        raise InvalidRequestContent("Client context must be a valid Base64-encoded JSON object.", Type="User")
    return found
