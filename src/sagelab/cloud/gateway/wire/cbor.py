"""RPC v2 CBOR, in which newer SDKs speak to services that used to take JSON: what is sent, and what is answered.

botocore reads and writes it, as it does for clients: https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from __future__ import annotations

import io
import re
from typing import Any

from botocore.model import OperationModel
from botocore.parsers import RpcV2CBORParser
from botocore.serialize import RpcV2CBORSerializer

from sagelab.cloud.errors import SerializationException
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.wire.faults import Answer

PROTOCOL = "rpc-v2-cbor"
MOST = 100_000  # items of a body, each of which may have one byte and takes a microsecond
_PATH = re.compile(r"/service/(\w+)/operation/(\w+)", re.ASCII)


class _Parser(RpcV2CBORParser):  # type: ignore[misc]
    """Reads one body of a bounded number of items."""

    def __init__(self) -> None:
        super().__init__()
        self._left = MOST

    def _read_bytes_as_int(self, stream: Any, num_bytes: int) -> int:
        """Every item, and every piece of one that comes in pieces, begins so. ValueError: there are too many."""
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many items")
        return int(super()._read_bytes_as_int(stream, num_bytes))


def target(request: Request) -> str:
    """PREFIX.Operation, as X-Amz-Target has it; "" where the request is none in this protocol."""
    if request.header("smithy-protocol") != PROTOCOL:
        return ""
    found = _PATH.fullmatch(request.path)
    return f"{found[1]}.{found[2]}" if found else ""


def read(body: bytes) -> Any:
    """A request's body in Python's types. SerializationException: it is not well-formed, or endless."""
    if not body:
        return {}
    try:
        stream = io.BufferedReader(io.BytesIO(body))
        return _Parser().parse_data_item(stream)
    except Exception:
        raise SerializationException("The request body is not valid CBOR.") from None


def answer(model: OperationModel, output: dict[str, Any]) -> Answer:
    """The answer that carries `output`."""
    body = bytearray()
    if model.output_shape is not None:
        RpcV2CBORSerializer()._serialize_data_item(body, output, model.output_shape)
    blank = Answer(200, [("Content-Type", "application/cbor"), ("smithy-protocol", PROTOCOL)])
    headers = [*blank.headers, ("x-amzn-RequestId", blank.request_id)]
    return Answer(200, headers, bytes(body), blank.request_id)
