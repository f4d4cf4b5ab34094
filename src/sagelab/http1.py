"""HTTP/1.1 on a socket, from either side: for the front door, a container's model server and the way to it.

It imports nothing of the rest, so that it can run inside a container. llhttp, under httptools, reads strictly, and
what is left open there is closed here: a message that two readers could understand in two ways is refused, so that
nobody smuggles a request past whoever stands before this one.

Rules: https://www.rfc-editor.org/rfc/rfc9112 (6.3: the length of a body, 11.2: smuggling).
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus

from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserUpgrade,
    HttpRequestParser,
    HttpResponseParser,
)

HEAD_LIMIT = 1 << 16  # bytes of a first line and its headers, or of what frames a body between two parts of it
HEADERS_LIMIT = 100
PIECE = 1 << 16  # bytes that are read at once
BODILESS = (204, 304)
# Seconds without a byte, seconds in all, and bytes, of who is hung up on: SDKs send a body before they listen.
LAST_READ, LAST_READS, DRAINED = 1.0, 5.0, 1 << 26
REASONS = {status.value: status.phrase for status in HTTPStatus}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Headers = Iterable[tuple[str, str]]
Parser = HttpRequestParser | HttpResponseParser


class Refused(ValueError):
    """What came is not HTTP/1.1, or more of it than is taken. status: what a client is told."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class HungUp(ConnectionError):
    """The other side ended the connection in the middle of a message."""


class Message:
    """The head of a request or of an answer, and what has come of its body.

    fields: the headers by lower-case name, several of one name joined by commas.
    version: "1.1" or "1.0". kept: the connection may carry another message after this one. whole: the body's end
    has come. endless: it ends where the connection does.
    """

    __slots__ = ("endless", "fields", "kept", "method", "parts", "status", "target", "version", "whole")

    def __init__(self) -> None:
        self.method = self.target = self.version = ""
        self.status = 0
        self.fields: dict[str, str] = {}
        self.parts: deque[bytes] = deque()
        self.kept = self.whole = self.endless = False


class Reader:
    """The messages of a connection, one after the other, however many come at once.

    receive: at most so many bytes of the connection; b"" at its end. kind: the parser, of requests or of answers.
    The methods on_... are httptools' to call.
    """

    def __init__(self, receive: Callable[[int], bytes], kind: type[Parser]) -> None:
        self._receive, self._kind = receive, kind
        self._parser = kind(self)
        self._ready: deque[Message] = deque()
        self._latest = Message()  # the one whose head or body is being read
        self._trouble: Refused | None = None
        self._in_head = False
        self._headers = self._head = 0  # how many have come of the latest head, and its bytes
        self._size = 0  # bytes since something new came: a head, or a part of a body

    @property
    def waiting(self) -> bool:
        """Whether something has come that `next` has not told yet."""
        return bool(self._ready or self._trouble)

    def next(self) -> Message | None:
        """The next message; its head is whole, its body may not be. None: the connection has ended.

        Refused: what comes is none. The body of the one before must have been read.
        """
        while not self._ready:
            if not self._more():
                return None
        return self._ready.popleft()

    def body(self, message: Message) -> Iterator[bytes]:
        """The parts of a message's body as they come. Refused, HungUp: it does not come to its end."""
        while True:
            while message.parts:
                yield message.parts.popleft()
            if message.whole:
                return
            if not self._more():
                message.whole = message.endless
                if not message.endless:
                    raise HungUp("the other side hung up in the middle of a message")

    def _more(self) -> bool:
        if self._trouble:
            raise self._trouble
        data = self._receive(PIECE)
        if data:
            self._feed(data)
        return bool(data)

    def _feed(self, data: bytes) -> None:
        latest, content = self._latest, len(self._latest.parts)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as offer:  # to speak another protocol, which nobody has to take
            self._parser = self._kind(self)
            if rest := data[offer.args[0] :]:
                self._feed(rest)
        except HttpParserCallbackError as error:
            cause = error.__context__
            self._trouble = cause if isinstance(cause, Refused) else Refused(400, str(cause))
        except HttpParserError as error:
            self._trouble = Refused(400, str(error))
        self._size = self._size + len(data) if self._latest is latest and len(latest.parts) == content else 0
        if self._size > HEAD_LIMIT and not self._trouble:  # a head without an end, or a chunk's extension
            self._trouble = Refused(431, "the head of a message is too long")

    def on_message_begin(self) -> None:
        self._latest, self._in_head, self._headers, self._head = Message(), True, 0, 0

    def on_url(self, part: bytes) -> None:
        self._head += len(part)
        self._latest.target += part.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        self._head += len(name) + len(value)
        if self._headers > HEADERS_LIMIT or self._head > HEAD_LIMIT:
            raise Refused(431, "there are too many headers")
        if self._in_head:  # else a trailer, which nobody here asks for
            fields, key = self._latest.fields, name.lower().decode("latin-1")
            text = value.rstrip(b" \t").decode("latin-1")
            fields[key] = f"{fields[key]},{text}" if key in fields else text

    def on_headers_complete(self) -> None:
        message, parser = self._latest, self._parser
        message.version = parser.get_http_version()
        if message.version not in ("1.1", "1.0"):
            raise Refused(400, f"HTTP/{message.version} is not spoken here")
        coding, length = message.fields.get("transfer-encoding"), message.fields.get("content-length")
        if coding is not None and (coding.lower() != "chunked" or message.version == "1.0"):
            raise Refused(400, f"a body in {coding!r} is not understood")
        if isinstance(parser, HttpResponseParser):
            message.status = parser.get_status_code()
            bodiless = message.status < 200 or message.status in BODILESS
            message.endless = coding is None and length is None and not bodiless
        else:
            message.method = parser.get_method().decode("latin-1")
            if parser.should_upgrade() and (coding is not None or length not in (None, "0")):
                raise Refused(400, "what follows the offer of another protocol could be two things")
        message.kept = parser.should_keep_alive()
        self._in_head = False
        self._ready.append(message)

    def on_body(self, part: bytes) -> None:
        self._latest.parts.append(part)

    def on_message_complete(self) -> None:
        self._latest.whole = True


class Served:
    """The server's side of a connection: requests in, answers out."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader = Reader(connection.recv, HttpRequestParser)

    @property
    def waiting(self) -> bool:
        """Whether a request, or what is none, has come already."""
        return self._reader.waiting

    def next(self) -> Message | None:
        """The next request's head; None where the client has hung up. Refused: what came is no request."""
        return self._reader.next()

    def body(self, request: Message) -> Iterator[bytes]:
        """The body's parts; a client that waits to be told to send it is told so first."""
        if request.fields.get("expect", "").lower() == "100-continue":
            self._socket.sendall(CONTINUE)
        return self._reader.body(request)

    def answer(self, request: Message, status: int, headers: Headers, body: bytes | Iterable[bytes]) -> int:
        """Send an answer; bytes of the body that went out. request.kept tells whether another one may follow.

        body: whole, or its parts as they come: then it goes out in chunks, or to the end of the connection.
        """
        headers, silent = list(headers), request.method == "HEAD" or status in BODILESS
        named = {name.lower() for name, _ in headers}
        chunked = False
        if "content-length" not in named and status not in BODILESS:
            if isinstance(body, bytes):
                headers.append(("Content-Length", str(len(body))))
            elif request.version == "1.1":
                chunked = True
                headers.append(("Transfer-Encoding", "chunked"))
            else:
                request.kept = False
        request.kept = request.kept and request.whole and "connection" not in named
        if not request.whole and "connection" not in named:
            headers.append(("Connection", "close"))
        start = head(f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}", headers)
        if isinstance(body, bytes):
            return self._write_whole(start, b"" if silent else body)
        self._socket.sendall(start)
        return 0 if silent else self._write_parts(body, chunked)

    def _write_whole(self, start: bytes, body: bytes) -> int:
        if len(body) <= PIECE:
            self._socket.sendall(start + body)
        else:
            self._socket.sendall(start)
            self._socket.sendall(body)
        return len(body)

    def _write_parts(self, parts: Iterable[bytes], chunked: bool) -> int:
        size = 0
        for part in filter(None, parts):
            self._socket.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            size += len(part)
        if chunked:
            self._socket.sendall(b"0\r\n\r\n")
        return size

    def refuse(self, status: int) -> None:
        """Say so and hang up: where the next request would begin is not known."""
        lines = [("Content-Length", "0"), ("Connection", "close")]
        self._socket.sendall(head(f"HTTP/1.1 {status} {REASONS[status]}", lines))
        self.hang_up()

    def hang_up(self) -> None:
        """Let a client that is still sending read its answer before the connection goes."""
        self._socket.shutdown(socket.SHUT_WR)
        self._socket.settimeout(LAST_READ)
        left, end = DRAINED, time.monotonic() + LAST_READS
        while left > 0 and time.monotonic() < end and (piece := self._socket.recv(PIECE)):
            left -= len(piece)


class Asked:
    """The client's side of a connection: a request out, its answer in, by GET or POST.

    heard: something of an answer to the last request has come.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket, self.heard = connection, False
        self._reader = Reader(self._receive, HttpResponseParser)

    def ask(self, method: str, target: str, headers: Headers, body: bytes) -> Message:
        """Send a request; the head of its answer. OSError, Refused: there is none that can be read."""
        start = head(f"{method} {target} HTTP/1.1", (*headers, ("Content-Length", str(len(body)))))
        self.heard = False
        self._socket.sendall(start + body)
        while (answer := self._reader.next()) and answer.status < 200:
            pass  # 100 Continue and its like
        if answer is None:
            raise HungUp("the server hung up")
        return answer

    def body(self, answer: Message) -> Iterator[bytes]:
        """The parts of an answer's body as they come. OSError, Refused: it breaks off."""
        return self._reader.body(answer)

    def _receive(self, size: int) -> bytes:
        data = self._socket.recv(size)
        self.heard = self.heard or bool(data)
        return data


def head(first: str, headers: Headers) -> bytes:
    """A first line and headers as bytes. ValueError: one has a line break, and would be two."""
    lines = [first, *[f"{name}: {value}" for name, value in headers], "", ""]
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise ValueError("a header has a line break")
    return text.encode("latin-1", "replace")
