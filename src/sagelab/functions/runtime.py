"""The first process of a function's environment.

It takes one event after the other from the local cloud, over the socket that SAGELAB_FUNCTION names, and answers
with what the handler returns. What the handler prints goes to the log by standard output; what it logs, and its
errors, go over the socket, since one such event may have several lines.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import socket
import sys
import time
from decimal import Decimal
from typing import Any, NoReturn

from sagelab.functions import errors, handler, wire
from sagelab.functions.context import LambdaContext
from sagelab.functions.errors import FunctionFault

SOCKET, LAYERS = "SAGELAB_FUNCTION", "SAGELAB_FUNCTION_LAYERS"  # for this process alone
HANDLER, TASK = "_HANDLER", "LAMBDA_TASK_ROOT"
TOO_LARGE = {
    "errorMessage": f"Response payload size exceeded maximum allowed payload size ({wire.LARGEST_ANSWER} bytes).",
    "errorType": "Function.ResponseSizeTooLarge",
}
FORM = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"


class Encoder(json.JSONEncoder):
    def default(self, value: Any) -> Any:
        return float(value) if isinstance(value, Decimal) else super().default(value)


class Log(logging.Handler):
    """A record is one event of the log, however many lines it has."""

    request_id = ""

    def __init__(self, channel: socket.socket) -> None:
        super().__init__()
        self._channel = channel
        form = logging.Formatter(FORM, "%Y-%m-%dT%H:%M:%S")
        form.converter = time.gmtime
        self.setFormatter(form)

    def emit(self, record: logging.LogRecord) -> None:
        record.aws_request_id = self.request_id
        self.write(self.format(record))

    def write(self, text: str) -> None:
        _flush()
        wire.send(self._channel, {"kind": "log"}, text.encode("utf-8", "replace")[: wire.PART])


def main() -> NoReturn:
    """Serve until the local cloud closes the socket. Exit code 1: the handler could not be found."""
    channel = _connect(os.environ.pop(SOCKET))
    log = Log(channel)
    logging.getLogger().addHandler(log)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    task, layers = os.environ[TASK], os.environ.pop(LAYERS)
    os.chdir(task)
    try:
        act = handler.find(os.environ[HANDLER], task, layers)
    except MemoryError:
        _die()
    except Exception as error:
        described = errors.describe(error, "")
        log.write(errors.log_text(described))
        wire.send(channel, {"kind": "unusable", "memory": _memory()}, errors.encode(described))
        sys.exit(1)
    _flush()
    wire.send(channel, {"kind": "ready"})
    while True:
        try:
            call, payload = wire.receive(channel)
        except EOFError:
            sys.exit(0)
        head, answer = _answer(act, call, payload, log)
        _flush()
        wire.send(channel, head, answer)


def _connect(path: str) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    channel.connect(path)
    return channel


def _answer(act: handler.Handler, call: dict[str, Any], payload: bytes, log: Log) -> tuple[wire.Head, bytes]:
    """What one event comes to: ({"kind": "done" | "failed", "id", "memory": MB at most}, the answer)."""
    log.request_id = call["id"]
    os.environ["_X_AMZN_TRACE_ID"] = str(call.get("trace", ""))
    kind = "done"
    try:
        answer = _encode(act(_decode(payload), LambdaContext(call)))
    except MemoryError:
        _die()
    except Exception as error:
        described = errors.describe(error, call["id"])
        log.write(errors.log_text(described))
        kind, answer = "failed", errors.encode(described)
    if len(answer) > wire.LARGEST_ANSWER:
        kind, answer = "failed", errors.encode(TOO_LARGE)
    return {"kind": kind, "id": call["id"], "memory": _memory()}, answer


def _memory() -> int:
    """MB that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def _decode(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise FunctionFault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def _encode(result: Any) -> bytes:
    try:
        return json.dumps(result, cls=Encoder, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(result, cls=Encoder).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise FunctionFault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # the handler has closed it, or put something else in its place


def _die() -> NoReturn:
    """Memory is over: end as the kernel's own killer would have it."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed")
