"""One HTTP request as the gateway sees it: the bytes as they came, and a body that is read once.

A signature covers the path and the query as they were sent, so neither is decoded here. Bodies live in
memory up to 64 MB and in a file of the local cloud's own folder above that.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import parse_qsl

from sagelab.cloud.errors import ServiceError

MEMORY_LIMIT = 64 << 20
# S3's limit of one PUT: https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
BODY_LIMIT = 5 << 30
_TOO_SHORT = "You did not provide the number of bytes specified by the Content-Length HTTP header."
_PIECE = 1 << 20
_SMALL_FORM = 1 << 20
_CLAIM = re.compile(r"/([\w.-]+)/aws4_request")
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)

Environ = dict[str, Any]


@lru_cache(maxsize=1024)
def environ_key(name: str) -> str:
    """Where WSGI has a header."""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


class BadLength(ServiceError):
    """The length of the body is missing, contradictory or not what arrived."""

    code = "BadRequest"


class EntityTooLarge(ServiceError):
    code = "EntityTooLarge"


@dataclass
class Request:
    """environ: WSGI's. folder: where bodies above 64 MB go."""

    environ: Environ
    folder: Path
    drained: bool = False
    _body: IO[bytes] = field(default_factory=io.BytesIO)

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @cached_property
    def uri(self) -> str:
        """Path and query exactly as they were sent, without scheme and host."""
        sent = str(self.environ.get("RAW_URI") or self.environ.get("REQUEST_URI") or "/")
        return re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?]*", "", sent) or "/"

    @cached_property
    def path(self) -> str:
        """Still percent-encoded."""
        return self.uri.partition("?")[0].partition("#")[0] or "/"

    @cached_property
    def query(self) -> str:
        """Still percent-encoded."""
        return self.uri.partition("#")[0].partition("?")[2]

    @cached_property
    def query_pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.query.replace("+", "%2B"), keep_blank_values=True, max_num_fields=1000)

    @cached_property
    def parameters(self) -> dict[str, str]:
        return dict(self.query_pairs)

    def header(self, name: str) -> str | None:
        """One header by its lower-case name, or None."""
        found = self.environ.get(environ_key(name))
        return None if found is None else str(found)

    @property
    def claimed_service(self) -> str | None:
        """The service of the credential scope, whether or not the signature holds."""
        scope = self.header("authorization") or self.parameters.get("X-Amz-Credential", "")
        found = _CLAIM.search(scope)
        return found[1] if found else None

    @property
    def target(self) -> str:
        """X-Amz-Target, "SageMaker.CreateTrainingJob", or ""."""
        return self.header("x-amz-target") or ""

    @cached_property
    def form(self) -> dict[str, str]:
        """The query protocol's parameters: from a form body, else from the query string."""
        if not (self.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
            return self.parameters
        text = self.content(_SMALL_FORM).decode("utf-8", "replace")
        try:
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=10_000)) or self.parameters
        except ValueError:
            return {}

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the body."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()

    def content(self, limit: int = -1) -> bytes:
        """The body, or at most its first `limit` bytes."""
        with self.rewound() as body:
            return body.read(limit)

    def pieces(self) -> Iterator[bytes]:
        """The body, a megabyte at a time."""
        with self.rewound() as body:
            while piece := body.read(_PIECE):
                yield piece

    @contextlib.contextmanager
    def rewound(self) -> Iterator[IO[bytes]]:
        self._body.seek(0)
        yield self._body
        self._body.seek(0)

    def read(self) -> None:
        """Take the body off the wire. BadLength, EntityTooLarge: it is not what its headers say."""
        length = self._length()
        if length is not None and length <= MEMORY_LIMIT:
            data = self.environ["wsgi.input"].read(length) if length else b""
            if len(data) < length:
                raise BadLength(_TOO_SHORT)
            self._body = io.BytesIO(data)
        else:
            length = self._spool(length)
        self.drained = True
        self.environ.pop("HTTP_TRANSFER_ENCODING", None)
        self.environ.update({"wsgi.input": self._body, "CONTENT_LENGTH": str(length)})

    def close(self) -> None:
        self._body.close()

    def _length(self) -> int | None:
        """Bytes to come, or None where the body is sent in chunks."""
        said, chunked = self.header("content-length"), self.header("transfer-encoding")
        if chunked is not None:
            if chunked.strip().lower() != "chunked" or said is not None:
                raise BadLength("Transfer-Encoding must be chunked, without a Content-Length beside it.")
            return None
        if said is None or said == "":
            return 0
        if not _DIGITS.fullmatch(said):
            raise BadLength("Content-Length must be one number, 0 or more.")
        if int(said) > BODY_LIMIT:
            raise EntityTooLarge("Your proposed upload exceeds the maximum allowed size of 5 GB.")
        return int(said)

    def _spool(self, length: int | None) -> int:
        """Copy the body to a file (in memory while it is small); its number of bytes."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._body = SpooledTemporaryFile(MEMORY_LIMIT, dir=str(self.folder))  # noqa: SIM115 - closed by close()
        done = 0
        while length is None or done < length:
            piece = self._piece(_PIECE if length is None else min(_PIECE, length - done))
            if not piece:
                break
            done += len(piece)
            if done > BODY_LIMIT:
                raise EntityTooLarge("Your proposed upload exceeds the maximum allowed size of 5 GB.")
            self._body.write(piece)
        if length is not None and done < length:
            raise BadLength(_TOO_SHORT)
        self._body.seek(0)
        return done

    def _piece(self, size: int) -> bytes:
        try:
            return bytes(self.environ["wsgi.input"].read(size))
        except (ConnectionError, TimeoutError):
            raise
        except OSError as broken:
            raise BadLength(f"The chunked body cannot be read: {broken}.") from None
