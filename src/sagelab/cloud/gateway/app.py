"""The gateway: a WSGI application, a chain of small handlers.

A request passes the page check, has its body read, is identified, and is then answered by its owner: the
families of SageMaker resources, the local cloud's own operations, or moto.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from sagelab.cloud.errors import (
    AccessDenied,
    InternalFailure,
    ServiceError,
    UnknownOperation,
    is_unwritable,
    storage_unavailable,
)
from sagelab.cloud.gateway.auth.actions import of_others, of_sagemaker, place_of
from sagelab.cloud.gateway.auth.guard import Caller, Guard
from sagelab.cloud.gateway.auth.identity import Identities
from sagelab.cloud.gateway.auth.permissions import Permissions
from sagelab.cloud.gateway.auth.simulation import IAM_OPERATIONS, simulate
from sagelab.cloud.gateway.http.handler import RequestHandler
from sagelab.cloud.gateway.http.request import Environ, Request
from sagelab.cloud.gateway.moto.front import MotoFront, changes, operation
from sagelab.cloud.gateway.moto.statistics import percentiles
from sagelab.cloud.gateway.wire import faults, protocol, shapes, validation
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.gateway.wire.planes import SIGNING, Operation, Planes
from sagelab.cloud.resources.call import Call, Family, Handler

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

__all__ = ["Gateway", "RequestHandler"]

Internal = Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]

# The service name that the local cloud's own operations are signed for.
INTERNAL = "sagelab"
MANAGED = "arn:aws:iam::aws:policy/"
_REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

_log = logging.getLogger("sagelab")


class Gateway:
    """Serves `families` and moto at cloud.url. internal: the operations of service "sagelab", by name."""

    def __init__(self, cloud: Cloud, families: Iterable[Family], internal: Internal | None = None) -> None:
        self._cloud, self._internal = cloud, internal or {}
        self._folder = cloud.home.path / "tmp"
        self._handlers = _merged(families)
        self._moto, self._planes = MotoFront(cloud.home.path, cloud.home.limit), Planes()
        self._identities = Identities(cloud.home, self._moto)
        self._permissions = Permissions(self._moto, cloud.home.caller_arn)
        self._guard = Guard(cloud.url, self._identities.find)

    def warm(self) -> None:
        """Load what the labs call first; for a thread of its own, just after the start."""
        self._moto.warm(self._cloud.region)
        self._planes.warm()

    def close(self) -> None:
        """Nothing is answered any more."""
        self._moto.close()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        request = Request(environ, self._folder)
        try:
            answer = self._answer(request)
            names = {name.lower() for name, _ in answer.headers}
            headers = list(answer.headers)
            whole = answer.stream is None and answer.status not in (204, 304)
            if "content-length" not in names and whole:
                headers.append(("Content-Length", str(len(answer.body))))
            if not request.drained:
                headers.append(("Connection", "close"))
            start_response(_REASONS.get(answer.status, f"{answer.status} Unknown"), headers)
            return [answer.body] if answer.stream is None else answer.stream
        finally:
            request.close()

    def _answer(self, request: Request) -> Answer:
        """An answer in any case; an error in the form that the caller's protocol has for it."""
        try:
            self._guard.check_page(request)
            _hide(request)
            request.read()
            caller = self._guard.identify(request)
            return self._route(caller, request)
        except ServiceError as error:
            return faults.fault(error, faults.protocol_of(request), request.path)
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            _log.exception("the gateway failed on %s %s", request.method, request.path)
            failure = InternalFailure("The request processing has failed because of an unknown error.")
            return faults.fault(failure, faults.protocol_of(request), request.path)

    def _route(self, caller: Caller, request: Request) -> Answer:
        service = caller.service.lower()
        if service in SIGNING:
            return self._sagemaker(caller, request)
        if service == INTERNAL:
            return self._own(caller, request)
        where = f"{caller.region}:{caller.key.account}"
        needed = of_others(request, service, operation(request), where, self._moto)
        self._permissions.check(caller.key, needed)
        if service == "sts" and (answer := self._identities.answer(caller.key, request)) is not None:
            return answer
        if service == "iam" and request.form.get("Action") in IAM_OPERATIONS:
            return simulate(self._moto, request.form)
        if service == "iam" and request.form.get("PolicyArn", "").startswith(MANAGED):
            self._moto.provide_policy(request.form["PolicyArn"])
        if service == "monitoring" and (answer := percentiles(self._moto, request)) is not None:
            return answer
        answer = self._moto.answer(request, service, caller.region)
        if answer.status < 300 and changes(request, service):
            self._cloud.tell(service, place_of(request)[0] if service == "s3" else "")
        return answer

    def _sagemaker(self, caller: Caller, request: Request) -> Answer:
        operation = self._planes.find(request)
        handler = self._handlers.get(operation.name)
        if handler is None:
            raise UnknownOperation(
                f"{operation.name} is not something the local cloud runs yet; "
                "docs/operations.md lists what it does."
            )
        params = protocol.parse(operation, request)
        where = f"{caller.region}:{caller.key.account}"
        needed = of_sagemaker(operation.name, params, where, self._cloud.store.tags)
        self._permissions.check(caller.key, needed)
        if operation.model.input_shape is not None:
            validation.validate(operation.model.input_shape, params)
        call = Call(operation.name, params, caller.region, caller.key.account, caller.key.arn)
        return self._handled(operation, handler, call)

    def _handled(self, operation: Operation, handler: Handler, call: Call) -> Answer:
        try:
            with self._cloud.store.refusing():
                output = handler(call)
            return protocol.answer(operation, output)
        except ServiceError:
            raise
        except Exception as error:
            if is_unwritable(error):
                raise storage_unavailable(error) from None
            _log.exception("%s failed", operation.name)
            reason = f"{operation.name} failed inside the local cloud; its log has the traceback."
            raise InternalFailure(reason) from None

    def _own(self, caller: Caller, request: Request) -> Answer:
        prefix, _, name = request.target.partition(".")
        handler = self._internal.get(name) if prefix == "Sagelab" else None
        if not caller.key.owner:
            raise AccessDenied("Only the local cloud's own access key may do this.")
        if handler is None:
            raise UnknownOperation(f"{request.target} is not an operation of the local cloud.")
        output = handler(shapes.read_object(request.content()))
        return Answer(200, [("Content-Type", "application/x-amz-json-1.1")], json.dumps(output).encode())


def _hide(request: Request) -> None:
    """moto's own pages can reset everything; to a client they do not exist."""
    if request.path == "/moto-api" or request.path.startswith("/moto-api/"):
        raise NoSuchPath("The specified resource does not exist.")


class NoSuchPath(ServiceError):
    code = "NoSuchBucket"
    status = 404


def _merged(families: Iterable[Family]) -> dict[str, Handler]:
    """One table of all families. ValueError: an operation with two owners."""
    table: dict[str, Handler] = {}
    for family in families:
        for name, handler in family.operations().items():
            if name in table:
                raise ValueError(f"{name} has two owners.")
            table[name] = handler
    return table
