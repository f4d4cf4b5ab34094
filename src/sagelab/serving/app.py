"""The contract over HTTP: `/ping`, `/invocations`, and TensorFlow Serving's own `/v1/models/<name>`."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sagelab.serving import formats
from sagelab.serving.errors import BadRequest
from sagelab.serving.inference import Context, Inference
from sagelab.serving.model import Model

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
READ = {"application/json", "application/jsonlines", "application/jsons", "text/csv"}
WRITTEN = "application/json", "application/jsonlines"
GONE = 499  # as nginx notes a client that went away before its answer
HANDLERS = 16  # handlers wait for what they call more than they compute


@dataclass(frozen=True)
class Service:
    """What answers: a model, and the code around it where the archive brings some.

    rest_port: where TensorFlow Serving's REST API is found on this host, for that code.
    """

    model: Model
    inference: Inference | None = None
    rest_port: int = 8501
    threads: int = 2

    def app(self) -> ASGIApp:
        """The ASGI application. Handlers have a pool of their own: they wait for predictions."""
        endpoints = _Endpoints(self)
        version = "/v1/models/{name}/versions/{version}"
        return _AccessLog(
            Starlette(
                routes=[
                    Route("/ping", endpoints.ping),
                    Route("/invocations", endpoints.invoke, methods=["POST"]),
                    Route("/v1/models/{name}:{method}", endpoints.call, methods=["POST"]),
                    Route(version + ":{method}", endpoints.call, methods=["POST"]),
                    Route("/v1/models/{name}", endpoints.status),
                    Route(version, endpoints.status),
                ],
                exception_handlers={
                    BadRequest: _refuse,
                    HTTPException: _refuse_route,
                    ClientDisconnect: _note_gone,
                },
            )
        )


class _Endpoints:
    """One method a route."""

    def __init__(self, service: Service) -> None:
        self.service, self.model = service, service.model
        self._predictions = ThreadPoolExecutor(service.threads, "predict")
        self._handlers = ThreadPoolExecutor(HANDLERS, "handle")

    async def ping(self, _: Request) -> Response:
        """The server listens only when the model is loaded."""
        return Response(b"\n")

    async def invoke(self, request: Request) -> Response:
        wanted = _attributes(request)
        if self.service.inference:
            return await self._handle(request, wanted)
        _check_target(self.model, wanted)
        kind = _content_type(request)
        accept = _accept(request.headers.get("accept", ""))
        body = await request.body()
        return Response(
            await self._in(self._predictions, formats.answer, self.model, body, kind), media_type=accept
        )

    async def call(self, request: Request) -> Response:
        """TensorFlow Serving's REST API; it takes any content type for JSON."""
        path = request.path_params
        version = {"tfs-model-version": path["version"]} if "version" in path else {}
        _check_target(self.model, {"tfs-model-name": path["name"], "tfs-method": path["method"]} | version)
        body = await request.body()
        answer = await self._in(self._predictions, formats.answer, self.model, body, formats.JSON)
        return Response(answer, media_type=formats.JSON)

    async def status(self, request: Request) -> Response:
        path = request.path_params
        version = {"tfs-model-version": path["version"]} if "version" in path else {}
        _check_target(self.model, {"tfs-model-name": path["name"]} | version)
        state = {
            "version": self.model.version,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return Response(json.dumps({"model_version_status": [state]}), media_type=formats.JSON)

    async def _handle(self, request: Request, wanted: dict[str, str]) -> Response:
        body = await request.body()
        context = self._context(request, wanted, len(body))
        parts, kind = await self._in(self._handlers, self._run, body, context, wanted)
        if isinstance(parts, list):
            return Response(b"".join(parts), media_type=kind)
        return StreamingResponse(parts, media_type=kind)

    def _run(self, body: bytes, context: Context, wanted: dict[str, str]) -> tuple[Iterable[bytes], str]:
        assert self.service.inference
        try:
            return self.service.inference(body, context, lambda sent: self._predict(sent, wanted))
        except Exception as error:  # the learner's code: whatever it raises is its answer
            traceback.print_exc()
            sys.stderr.flush()
            raise BadRequest(str(error) or type(error).__name__, 500) from None

    def _predict(self, body: bytes, wanted: dict[str, str]) -> bytes:
        _check_target(self.model, wanted)
        return self._predictions.submit(formats.answer, self.model, body, formats.JSON).result()

    def _context(self, request: Request, wanted: dict[str, str], length: int) -> Context:
        name, version = wanted.get("tfs-model-name"), wanted.get("tfs-model-version")
        uri = f"http://localhost:{self.service.rest_port}/v1/models/{name or self.model.name}"
        uri += f"/versions/{version}" if version else ""
        return Context(
            model_name=name,
            model_version=version,
            method=wanted.get("tfs-method"),
            rest_uri=f"{uri}:{wanted.get('tfs-method', 'predict')}",
            grpc_port=None,
            channel=None,
            custom_attributes=request.headers.get(ATTRIBUTES),
            request_content_type=request.headers.get("content-type") or formats.JSON,
            accept_header=request.headers.get("accept") or formats.JSON,
            content_length=length,
        )

    async def _in(self, pool: ThreadPoolExecutor, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)


# What a request's headers say


def _attributes(request: Request) -> dict[str, str]:
    """The tfs-... pairs of X-Amzn-SageMaker-Custom-Attributes."""
    found = request.headers.get(ATTRIBUTES)
    return dict(re.findall(r"(tfs-[a-z-]+)=([^,]+)", found)) if found else {}


def _check_target(model: Model, wanted: dict[str, str]) -> None:
    """BadRequest: the request is for another model, version or method than what is served."""
    name, version = wanted.get("tfs-model-name", model.name), wanted.get("tfs-model-version", model.version)
    if name != model.name or version.lstrip("0") != model.version.lstrip("0"):
        asked = f"Specific({name}, {version})" if "tfs-model-version" in wanted else f"Latest({name})"
        raise BadRequest(
            f"Servable not found for request: {asked}. This server has {model.name}, version {model.version}.", 404
        )
    if (method := wanted.get("tfs-method", "predict")) != "predict":
        raise BadRequest(f'The method "{method}" is not served here; "predict" is.')


def _content_type(request: Request) -> str:
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind not in READ:
        raise BadRequest(f"Unsupported Media Type: {given or 'Unknown'}. Send {', '.join(sorted(READ))}.", 415)
    return kind


def _accept(header: str) -> str:
    """The content type of the answer: the first that is asked for and can be had."""
    if not header or header == formats.JSON:
        return formats.JSON
    for part in header.split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in WRITTEN:
            return kind
        if kind in ("*/*", "application/*", ""):
            return formats.JSON
    raise BadRequest(f"Not Acceptable: {header}. The answer can be {' or '.join(WRITTEN)}.", 406)


# Around every request


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, BadRequest)
    return Response(error.body, error.status, media_type=formats.JSON)


async def _refuse_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "Not Found", 405: f"{request.method} is not for this path"}.get(error.status_code, error.detail)
    return Response(BadRequest(words).body, error.status_code, error.headers, media_type=formats.JSON)


async def _note_gone(_: Request, __: Exception) -> Response:
    """Nobody reads it: it makes the line in the log."""
    return Response(status_code=GONE)


class _AccessLog:
    """A line a request on stdout, in the combined format that nginx prints in the container."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, size = GONE, 0

        async def note(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, note)
        except Exception:
            status = 500
            raise
        finally:
            _print_line(scope, status, size)


def _print_line(scope: Scope, status: int, size: int) -> None:
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    agent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"user-agent"), "-")
    host = (scope.get("client") or ("",))[0] or "localhost"
    line = f'{host} - - [{when}] "{scope["method"]} {scope["path"]} HTTP/{scope["http_version"]}" {status} {size}'
    sys.stdout.write(f'{line} "-" "{agent}"\n')
    sys.stdout.flush()
