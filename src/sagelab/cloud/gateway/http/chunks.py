"""Bodies in S3's own chunks (aws-chunked): decoded and checked as they come, so that nobody else sees the chunks.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html (a signature a chunk),
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html (a checksum after the last one).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator

from sagelab.cloud.errors import (
    BadDigest,
    IncompleteBody,
    MalformedTrailer,
    MissingLength,
    SignatureMismatch,
)
from sagelab.cloud.gateway.auth.signature import Signed, sign_chunk, sign_trailer
from sagelab.cloud.gateway.http import checksums
from sagelab.cloud.gateway.http.request import Request

SIGNED = frozenset({"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"})
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
LINE = 1024  # bytes of a line at the most
TOLD = 1 << 16  # bytes that are handed on at once
_SIGNED_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16});chunk-signature=([0-9a-f]{64})")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})()")
_TRAILER = re.compile(rb"(x-amz-checksum-[a-z0-9]{1,16}|x-amz-trailer-signature):([!-~]{1,256})")
_SIGNATURE = "x-amz-trailer-signature"
_LAST_LINES = 8
_MALFORMED = (
    "The request contained trailing data that was not well-formed or did not conform to our published schema."
)
_OTHER_LENGTH = "The content of the chunks is not as long as x-amz-decoded-content-length says."
_OF_CHUNKS = ("x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer")


def read(request: Request, claim: Signed, secret: str, limit: int) -> None:
    """Read a body in chunks whose head has been checked; from then on the request is one with a plain body.

    BadDigest, IncompleteBody, MalformedTrailer, MissingLength, SignatureMismatch: it is not what it says.
    """
    length = request.header("x-amz-decoded-content-length") or ""
    if not re.fullmatch(r"[0-9]{1,15}", length):
        raise MissingLength("You must provide the Content-Length HTTP header.")
    request.check_size(int(length), limit)
    chunked = _Chunked(request, claim, secret, int(length))
    request.read(limit, chunked.decode())
    for name in _OF_CHUNKS:
        request.headers.pop(name, None)
    codings = [one.strip() for one in request.headers.pop("content-encoding", "").split(",")]
    if rest := [one for one in codings if one not in ("", "aws-chunked")]:
        request.headers["content-encoding"] = ",".join(rest)
    request.headers |= chunked.trailers


class _Chunked:
    """A body in chunks. length: of what is in them all. trailers: what came after them, once it is decoded."""

    def __init__(self, request: Request, claim: Signed, secret: str, length: int) -> None:
        self._source, self._left = _Source(request.parts()), length
        self._claim, self._secret, self._previous = claim, secret, claim.signature
        self._signed = request.header("x-amz-content-sha256") in SIGNED
        self._promised = (request.header("x-amz-trailer") or "").strip().lower()
        self._algorithm = self._promised.rpartition("-")[2].upper()
        # One that cannot be computed here is kept as it is said.
        self._checksum = checksums.begin(self._algorithm) if checksums.known(self._algorithm) else None
        self.trailers: dict[str, str] = {}

    def decode(self) -> Iterator[bytes]:
        """What is in the chunks, by as much as TOLD or a little more. It is good when all has been taken."""
        told = bytearray()
        while True:
            size, said = self._head()
            digest = hashlib.sha256()
            for piece in self._source.take(size):
                digest.update(piece)
                told += piece
                if len(told) >= TOLD:
                    yield self._tell(told)
            if self._signed:
                self._check_chunk(said, digest.hexdigest())
            if size == 0:
                break
            if self._source.line():
                raise IncompleteBody("A chunk of the body is longer than it says.")
        yield self._tell(told)
        self._end()

    def _head(self) -> tuple[int, str]:
        found = (_SIGNED_CHUNK if self._signed else _CHUNK).fullmatch(self._source.line() or b"")
        if found is None:
            raise IncompleteBody("The body is not in chunks with their signatures.")
        size = int(found[1], 16)
        self._left -= size
        if self._left < 0 or (size == 0 and self._left):
            raise IncompleteBody(_OTHER_LENGTH)
        return size, found[2].decode()

    def _tell(self, told: bytearray) -> bytes:
        data = bytes(told)
        told.clear()
        if self._checksum:
            self._checksum.update(data)
        return data

    def _check_chunk(self, said: str, sha256: str) -> None:
        if not hmac.compare_digest(said, sign_chunk(self._claim, self._secret, self._previous, sha256)):
            raise SignatureMismatch("The signature of a chunk does not match the one we calculated.")
        self._previous = said

    def _end(self) -> None:
        """Read what comes after the last chunk: the promised checksum, and its signature."""
        found: dict[str, str] = {}
        for line in filter(None, self._source.lines(_LAST_LINES)):
            trailer = _TRAILER.fullmatch(line)
            if trailer is None or trailer[1].decode() in found:
                raise MalformedTrailer(_MALFORMED)
            found[trailer[1].decode()] = trailer[2].decode()
        said = found.pop(_SIGNATURE, "")
        if "".join(found) != self._promised:
            raise MalformedTrailer(_MALFORMED)
        if self._signed and self._promised:
            text = "".join(f"{name}:{value}\n" for name, value in found.items())
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            expected = sign_trailer(self._claim, self._secret, self._previous, sha256)
            if not hmac.compare_digest(said, expected):
                raise SignatureMismatch("The signature of the trailer does not match the one we calculated.")
        if self._checksum and self._checksum.b64digest() != found[self._promised]:
            raise BadDigest(f"The {self._algorithm} you specified did not match the calculated checksum.")
        self.trailers = found


class _Source:
    """What comes, by lines and by numbers of bytes, each looked at once however small the chunks are."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._data, self._at = b"", 0

    def line(self) -> bytes | None:
        """A line without its end; None: nothing is left."""
        while (end := self._data.find(b"\n", self._at, self._at + LINE)) < 0:
            if len(self._data) - self._at >= LINE:
                raise IncompleteBody("The body is not in chunks with their signatures.")
            if not self._more():
                end = len(self._data)
                break
        if self._at == len(self._data):
            return None
        line = self._data[self._at : end]
        self._at = min(end + 1, len(self._data))
        return line.removesuffix(b"\r")

    def lines(self, count: int) -> Iterator[bytes]:
        """The lines that are left. MalformedTrailer: they are more than `count`."""
        while (line := self.line()) is not None:
            count -= 1
            if count < 0:
                raise MalformedTrailer(_MALFORMED)
            yield line

    def take(self, size: int) -> Iterator[bytes]:
        """So many bytes. IncompleteBody: there are fewer."""
        while size:
            if self._at == len(self._data) and not self._more():
                raise IncompleteBody("The body ends inside a chunk.")
            piece = self._data[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def _more(self) -> bool:
        part = next(self._parts, b"")
        self._data, self._at = self._data[self._at :] + part, 0
        return bool(part)
