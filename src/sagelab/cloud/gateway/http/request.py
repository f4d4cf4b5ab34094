"""One HTTP request as the gateway sees it: the bytes as they came, and a body that is read once.

A signature covers the path and the query as they were sent, so neither is decoded here. Bodies live in
memory up to 64 MB and in a file of the local cloud's own folder above that.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO
from urllib.parse import parse_qsl, unquote

from sagelab.cloud.errors import BadLength, EntityTooLarge
from sagelab.http1 import HungUp, Message, Refused

MEMORY_LIMIT = 64 << 20
# S3's limit of one PUT: https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
BODY_LIMIT = 5 << 30
_TOO_SHORT = "You did not provide the number of bytes specified by the Content-Length HTTP header."
_TOO_LARGE = "Your proposed upload exceeds the maximum allowed size of 5 GB."
_PIECE = 1 << 20
_SMALL_FORM = 1 << 20
_CLAIM = re.compile(r"/([\w.-]+)/aws4_request")
_ABSOLUTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://([^/?]*)")


class Request:
    """message: its head. receive: gives the parts of its body. folder: where bodies above 64 MB go.

    method: "POST". uri: path and query exactly as they were sent, without scheme and host. headers: by lower-case
    name. size: bytes of the body, once it is read.
    """

    def __init__(self, message: Message, receive: Callable[[], Iterable[bytes]], folder: Path) -> None:
        self.method, self.uri, self.headers = message.method, message.target, message.fields
        if self.uri.startswith("//"):  # else it would be taken for the name of a host
            self.uri = "/" + self.uri.lstrip("/")
        elif found := _ABSOLUTE.match(self.uri):
            self.uri = self.uri[found.end() :] or "/"
            self.headers["host"] = found[1]
        self._receive, self.folder, self.size = receive, folder, 0
        self._body: IO[bytes] = io.BytesIO()

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

    def settle(self, uri: str, headers: dict[str, str]) -> None:
        """Take this path and query, and these headers, for those that came; the signature was checked before."""
        self.uri, self.headers = uri, headers
        for read in ("path", "query", "query_pairs", "parameters", "form", "operation", "place"):
            self.__dict__.pop(read, None)

    def write(self, content: bytes) -> None:
        """Take this for the body that came; its hash was checked before."""
        self._body.close()
        self._body, self.size = io.BytesIO(content), len(content)

    def header(self, name: str) -> str | None:
        """One header by its name, in whatever case, or None."""
        return self.headers.get(name.lower())

    @property
    def claimed_service(self) -> str | None:
        """The service of the credential scope, whether or not the signature holds."""
        scope = self.header("authorization") or self.parameters.get("X-Amz-Credential", "")
        found = _CLAIM.search(scope)
        return found[1] if found else None

    @property
    def target(self) -> str:
        """X-Amz-Target, "SageMaker.CreateTrainingJob", or ""."""
        return self.headers.get("x-amz-target", "")

    @cached_property
    def form(self) -> dict[str, str]:
        """The query protocol's parameters: from a form body, else from the query string."""
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return self.parameters
        text = self.content(_SMALL_FORM).decode("utf-8", "replace")
        try:
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=10_000)) or self.parameters
        except ValueError:
            return {}

    @cached_property
    def operation(self) -> str:
        """What the caller asks for, as well as the request tells."""
        if self.target:
            return self.target.rpartition(".")[2]
        if "/operation/" in self.path:
            return self.path.rpartition("/")[2]
        return self.form.get("Action") or f"{self.method} {self.path}"

    @cached_property
    def place(self) -> tuple[str, str]:
        """(bucket, key) that a request to S3 names, "" for what it does not."""
        bucket, _, key = unquote(self.path).lstrip("/").partition("/")
        return bucket, key

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 of the body."""
        if self.size <= _PIECE:
            return hashlib.sha256(self.content()).hexdigest()
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()

    def content(self, limit: int = -1) -> bytes:
        """The body, or at most its first `limit` bytes."""
        self._body.seek(0)
        found = self._body.read(limit)
        self._body.seek(0)
        return found

    def pieces(self) -> Iterator[bytes]:
        """The body, a megabyte at a time."""
        with self.rewound() as body:
            yield from iter(partial(body.read, _PIECE), b"")

    @contextlib.contextmanager
    def rewound(self) -> Iterator[IO[bytes]]:
        self._body.seek(0)
        yield self._body
        self._body.seek(0)

    def read(self) -> None:
        """Take the body off the wire. BadLength, EntityTooLarge: it is not what its headers say."""
        length = int(self.headers.get("content-length", 0))
        if length > BODY_LIMIT:
            raise EntityTooLarge(_TOO_LARGE)
        try:
            if length <= MEMORY_LIMIT and "transfer-encoding" not in self.headers:
                data = b"".join(self._receive())
                self._body, self.size = io.BytesIO(data), len(data)
            else:
                self._spool()
        except HungUp:
            raise BadLength(_TOO_SHORT) from None
        except Refused as error:
            raise BadLength(f"The chunked body cannot be read: {error}.") from None

    def close(self) -> None:
        self._body.close()

    def _spool(self) -> None:
        """Copy the body to a file; in memory while it is small."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._body = SpooledTemporaryFile(MEMORY_LIMIT, dir=str(self.folder))  # noqa: SIM115 - closed by close()
        for part in self._receive():
            self.size += len(part)
            if self.size > BODY_LIMIT:
                raise EntityTooLarge(_TOO_LARGE)
            self._body.write(part)
