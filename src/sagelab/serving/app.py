"""The contract over HTTP: `/ping`, `/invocations`, and TensorFlow Serving's own `/v1/models/<name>`."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import traceback
from collections.abc import Iterable
from dataclasses import dataclass

from sagelab.serving import formats
from sagelab.serving.connections import Note, Request, Response, Workers
from sagelab.serving.errors import BadRequest
from sagelab.serving.inference import Context, Inference
from sagelab.serving.model import Model

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
READ = {"application/json", "application/jsonlines", "application/jsons", "text/csv"}
WRITTEN = "application/json", "application/jsonlines"
HANDLERS = 16  # the learner's code waits for what it calls more than it computes
KEYS = {"name": "model-name", "version": "model-version", "method": "method"}
REST = re.compile(r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[^/:]+))?(?::(?P<method>[^/:]+))?")


@dataclass(frozen=True)
class Service:
    """What answers: a model, and the code around it where the archive brings some.

    rest_port: where TensorFlow Serving's REST API is found on this host, for that code. threads: how many
    predictions are computed at once.
    """

    model: Model
    inference: Inference | None = None
    rest_port: int = 8501
    threads: int = 2

    def listen(self, listeners: list[socket.socket], rest: socket.socket | None, note: Note) -> list[Workers]:
        """Answer what comes. rest: has workers of its own, for the learner's code waits for its answers."""
        routes = _Routes(self)
        count = HANDLERS if self.inference else self.threads
        found = [Workers(listeners, routes.answer, note, count)]
        if rest:
            found.append(Workers([rest], routes.answer, note, self.threads))
        return found


class _Routes:
    """One method a path."""

    def __init__(self, service: Service) -> None:
        self.service, self.model = service, service.model
        self._turns = threading.BoundedSemaphore(service.threads)

    def answer(self, request: Request) -> Response:
        """The answer to any request; what is refused is told as TensorFlow Serving does, {"error": ...}."""
        try:
            return self._answer(request)
        except BadRequest as error:
            return Response(error.body, error.status)
        except Exception:  # a fault of this server's own: it goes on serving
            traceback.print_exc()
            return Response(BadRequest("The model server failed; its log has the traceback.").body, 500)

    def _answer(self, request: Request) -> Response:
        if request.path == "/invocations":
            return self._invoke(request) if request.method == "POST" else _not_for(request, "POST")
        if request.path == "/ping":
            return Response(b"\n") if request.method in ("GET", "HEAD") else _not_for(request, "GET")
        if found := REST.fullmatch(request.path):
            method = "POST" if found["method"] else "GET"
            return self._rest(request, found) if request.method == method else _not_for(request, method)
        raise BadRequest("Not Found", 404)

    def _invoke(self, request: Request) -> Response:
        wanted = _attributes(request)
        if self.service.inference:
            return self._handle(request, wanted)
        _check_target(self.model, wanted)
        kind, accept = _content_type(request), _accept(request.headers.get("accept", ""))
        return Response(self._predict(request.body, kind), kind=accept)

    def _rest(self, request: Request, found: re.Match[str]) -> Response:
        """TensorFlow Serving's REST API: a prediction, of JSON with any content type, or the model's state."""
        _check_target(self.model, {f"tfs-{KEYS[key]}": value for key, value in found.groupdict().items() if value})
        if found["method"]:
            return Response(self._predict(request.body, formats.JSON))
        status = {"error_code": "OK", "error_message": ""}
        state = {"version": self.model.version, "state": "AVAILABLE", "status": status}
        return Response(json.dumps({"model_version_status": [state]}).encode())

    def _predict(self, body: bytes, kind: str) -> bytes:
        """More at once than there are processors would only make all of them late."""
        question = formats.read(self.model, body, kind)
        with self._turns:
            outputs = question.signature.predict(question.arrays)
        return formats.write(question, outputs)

    def _handle(self, request: Request, wanted: dict[str, str]) -> Response:
        context = self._context(request, wanted)
        parts, kind = self._run(request.body, context, wanted)
        return Response(b"".join(parts) if isinstance(parts, list) else parts, kind=kind)

    def _run(self, body: bytes, context: Context, wanted: dict[str, str]) -> tuple[Iterable[bytes], str]:
        assert self.service.inference
        try:
            return self.service.inference(body, context, lambda sent: self._predict_for(sent, wanted))
        except Exception as error:  # the learner's code: whatever it raises is its answer
            traceback.print_exc()
            sys.stderr.flush()
            raise BadRequest(str(error) or type(error).__name__, 500) from None

    def _predict_for(self, body: bytes, wanted: dict[str, str]) -> bytes:
        _check_target(self.model, wanted)
        return self._predict(body, formats.JSON)

    def _context(self, request: Request, wanted: dict[str, str]) -> Context:
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
            content_length=len(request.body),
        )


def _not_for(request: Request, method: str) -> Response:
    return Response(BadRequest(f"{request.method} is not for this path").body, 405, headers={"Allow": method})


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
    """The container compares the whole header: one with a parameter or with other capitals is none of its own."""
    given = request.headers.get("content-type", "")
    if given not in READ:
        raise BadRequest(f"Unsupported Media Type: {given or 'Unknown'}. Send {', '.join(sorted(READ))}.", 415)
    return given


def _accept(header: str) -> str:
    """The content type of the answer: the first that is asked for and can be had, else JSON; never a refusal."""
    kinds = (part.partition(";")[0].strip().lower() for part in header.split(","))
    return next((kind for kind in kinds if kind in WRITTEN), formats.JSON)
