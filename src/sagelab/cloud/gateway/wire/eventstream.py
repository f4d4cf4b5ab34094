"""Amazon's event stream encoding, in which InvokeEndpointWithResponseStream answers.

A message is: total length, length of the headers, checksum of these two; the headers; the payload; checksum of
all. Numbers are 32 bits, big-endian; checksums are CRC-32.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Generator, Iterator

from sagelab.cloud.errors import StreamError

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7


def encode(parts: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Each part as an event PayloadPart; a StreamError of `parts` as the exception that ends the stream."""
    try:
        for part in parts:
            yield _message(
                {
                    ":message-type": "event",
                    ":event-type": "PayloadPart",
                    ":content-type": "application/octet-stream",
                },
                part,
            )
    except StreamError as error:
        headers = {
            ":message-type": "exception",
            ":exception-type": error.kind,
            ":content-type": "application/json",
        }
        yield _message(headers, json.dumps({"Message": str(error)}).encode())


def _message(headers: dict[str, str], payload: bytes) -> bytes:
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    prelude += struct.pack("!I", zlib.crc32(prelude))
    message = prelude + head + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING, len(text)) + text
