"""One HTTP request as the gateway sees it: the bytes as they came, and a body that is read once.

A signature covers the path and the query as they were sent, so neither is decoded here. A body is read when it is
known whose it is, or little of it has to be read to know. What may become an object is in a file from a megabyte
on, and so is whatever finds no room in the memory that all bodies share (spool.py).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import IO, TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from sagelab.cloud.errors import (
    BadLength,
    EntityTooLarge,
    RequestTooLarge,
    SerializationException,
    storage_unavailable,
)
from sagelab.cloud.gateway.http.spool import PIECE, SMALL, Content, Spool, Spooled
from sagelab.http1 import HungUp, Message, Refused

if TYPE_CHECKING:
    from sagelab.cloud.engine.vpc.sources import Source

# Whatever is no content of an object is in memory when it is worked on; InvokeEndpoint's own limit is 25 MB.
DOCUMENT_LIMIT = 32 << 20
# S3's limit of one PUT: https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
BODY_LIMIT = 5 << 30
_TOO_SHORT = "You did not provide the number of bytes specified by the Content-Length HTTP header."
_TOO_LARGE = "Your proposed upload exceeds the maximum allowed size of 5 GB."
_TOO_LONG = f"The request is larger than {DOCUMENT_LIMIT >> 20} MB, which is all that the local cloud takes."
# Of the query protocol, whose longest is a batch of messages of 1 MB, three characters a byte.
FORM_LIMIT = 4 << 20
FIELDS_LIMIT = 1000  # of a query string
_SMALL_PART = 1 << 12
# What S3 puts on an object that is a document, and not its content.
_DOCUMENTS = frozenset(("acl", "legal-hold", "retention", "tagging"))
_GZIP = 16 + zlib.MAX_WBITS
CONTROL = "/v20180820/"  # where S3 Control's paths begin
_CLAIM = re.compile(r"/([\w.-]+)/aws4_request")
_ABSOLUTE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://([^/?]*)")


class Request:
    """message: its head. receive: gives the parts of its body. spool: where large bodies go.

    method: "POST". uri: path and query exactly as they were sent, without scheme and host. headers: by lower-case
    name. size: bytes of the body, once it is read. scheme: "https" where it came by TLS. secure: whether nobody
    between could have read it, which is so within the local cloud as well. source: where its connection comes
    from, if from a VPC.
    """

    def __init__(
        self, message: Message, receive: Callable[[], Iterable[bytes]], spool: Spool, scheme: str = "http"
    ) -> None:
        self.method, self.uri, self.headers = message.method, message.target, message.fields
        if self.uri.startswith("//"):  # else it would be taken for the name of a host
            self.uri = "/" + self.uri.lstrip("/")
        elif found := _ABSOLUTE.match(self.uri):
            self.uri = self.uri[found.end() :] or "/"
            self.headers["host"] = found[1]
        self._receive, self.spool, self.size = receive, spool, 0
        self.scheme, self.secure = scheme, scheme == "https"
        self.source: Source | None = None
        self._taken = False
        self._parts: list[bytes | bytearray] = []  # of it in memory, while it comes
        self._held = 0  # bytes of them
        self._body: IO[bytes] = io.BytesIO()
        self._spooled: Spooled | None = None

    @cached_property
    def path(self) -> str:
        """Still percent-encoded."""
        return self.uri.partition("?")[0].partition("#")[0] or "/"

    @cached_property
    def query(self) -> str:
        """Still percent-encoded."""
        return self.uri.partition("#")[0].partition("?")[2]

    @property
    def fields(self) -> int:
        """How many its query string has."""
        return self.query.count("&") + 1

    @cached_property
    def query_pairs(self) -> list[tuple[str, str]]:
        """None of a query string with more than FIELDS_LIMIT, which is refused (auth/guard.py)."""
        if self.fields > FIELDS_LIMIT:
            return []
        return parse_qsl(self.query.replace("+", "%2B"), keep_blank_values=True)

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
        self.close()
        self._body, self._spooled, self.size = io.BytesIO(content), None, len(content)

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
        """The query protocol's parameters: from a form body, else from the query string.

        Of a longer one than FORM_LIMIT the beginning alone: it is refused (auth/readings.py).
        """
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return self.parameters
        text = self.content(FORM_LIMIT).decode("utf-8", "replace")
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

    @property
    def is_upload(self) -> bool:
        """Whether S3 takes its body for the content of an object, or of a part of one."""
        if self.method != "PUT" or "" in self.place or self.path.startswith(CONTROL):
            return False
        return not _DOCUMENTS & self.parameters.keys()

    def sha256(self) -> str:
        """Hex SHA-256 of the body; no cached_property, which is computed for one request after the other."""
        if self.size <= PIECE:
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
            yield from iter(partial(body.read, PIECE), b"")

    def file(self) -> Content | None:
        """The body where it is a file; None where it is small, and in memory."""
        return self._spooled.content() if self._spooled else None

    @contextlib.contextmanager
    def rewound(self) -> Iterator[IO[bytes]]:
        self._body.seek(0)
        yield self._body
        self._body.seek(0)

    def parts(self) -> Iterator[bytes]:
        """The body as it comes off the wire. BadLength: it is not what its headers say."""
        self._taken = True
        try:
            yield from self._receive()
        except HungUp:
            raise BadLength(_TOO_SHORT) from None
        except Refused as error:
            raise BadLength(f"The chunked body cannot be read: {error}.") from None

    def read(self, limit: int, parts: Iterable[bytes] | None = None) -> None:
        """Keep the body; only once. parts: what it is made of where that is not what comes off the wire.

        limit: bytes that it may have.
        BadLength, EntityTooLarge, RequestTooLarge, StorageUnavailable: it is not kept.
        """
        if self._taken and parts is None:
            return
        if parts is None:
            self.check_size(int(self.headers.get("content-length", 0)), limit)
            parts = self.parts()
        most = SMALL if self.is_upload else limit
        for part in parts:
            self.size += len(part)
            self.check_size(self.size, limit)
            self._keep(part, most)
        if self._spooled is not None:
            self._end(self._spooled)
        else:
            self._body = io.BytesIO(b"".join(self._parts))
            self._parts.clear()

    def unzip(self) -> None:
        """Take off `Content-Encoding: gzip`. RequestTooLarge, SerializationException: what is in it is refused."""
        inflater, content = zlib.decompressobj(_GZIP), b""
        try:
            content = inflater.decompress(self.content(), DOCUMENT_LIMIT + 1)
        except zlib.error:
            raise SerializationException("The body is not compressed as its Content-Encoding says.") from None
        self.check_size(len(content), DOCUMENT_LIMIT)
        if not inflater.eof or inflater.unused_data:
            raise SerializationException("The compressed body does not end where it says.")
        self.headers.pop("content-encoding")
        self._body, self.size = io.BytesIO(content), len(content)

    def close(self) -> None:
        self._let_go()
        if self._spooled:
            self._spooled.close()

    def _hold(self, part: bytes) -> None:
        """Small parts are held as one: a million objects of two bytes would be more than the body."""
        if self._parts and isinstance(last := self._parts[-1], bytearray) and len(last) < PIECE:
            last += part
        else:
            self._parts.append(part if len(part) > _SMALL_PART else bytearray(part))

    def _end(self, spooled: Spooled) -> None:
        try:
            self._body = spooled.end()
        except OSError as error:
            raise storage_unavailable(error) from None

    def _let_go(self) -> None:
        self.spool.memory.give(self._held)
        self._held = 0

    def check_size(self, size: int, limit: int) -> None:
        """EntityTooLarge, RequestTooLarge: so many bytes are more than `limit`."""
        if size > limit:
            raise EntityTooLarge(_TOO_LARGE) if limit == BODY_LIMIT else RequestTooLarge(_TOO_LONG)

    def _keep(self, part: bytes, most: int) -> None:
        """In memory while it has no more than `most` bytes and there is room; from then on in a file."""
        if self._spooled is None and self.size <= most and self.spool.memory.take(len(part)):
            self._held += len(part)
            self._hold(part)
            return
        try:
            if self._spooled is None:
                self._spooled = self.spool.file(sealed=self.is_upload)
                for kept in self._parts:
                    self._spooled.write(kept)
                self._parts.clear()
                self._let_go()
            self._spooled.write(part)
        except OSError as error:
            raise storage_unavailable(error) from None
