"""What reads requests off a connection and writes answers to it.

werkzeug closes every connection after one answer and waits 10 ms before it does; a notebook makes
thousands of small calls. The gateway reads each body to its end, so the next request can follow on the same
connection. moto's handler, underneath, keeps the spelling of S3's metadata.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from sagelab.cloud.gateway.http.request import environ_key
from sagelab.cloud.gateway.moto.front import MotoRequestHandler

_IDLE_SECONDS = 60
_LINE, _HEADERS = 1 << 16, 100
_LAST_READ_SECONDS = 1
_LAST_READ_BYTES = 64 << 20


@lru_cache(maxsize=4)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


class Headers:
    """The headers of a request as they came: the standard library's class checks each as it does mail's."""

    def __init__(self) -> None:
        self._pairs: list[tuple[str, str]] = []

    def add(self, name: str, value: str) -> None:
        self._pairs.append((name, value))

    def items(self) -> list[tuple[str, str]]:
        return self._pairs

    def keys(self) -> list[str]:
        return [name for name, _ in self._pairs]

    def get(self, name: str, default: str = "") -> str:
        """The first header of that name, in whatever case."""
        wanted = name.lower()
        return next((value for each, value in self._pairs if each.lower() == wanted), default)


class RequestHandler(MotoRequestHandler):  # type: ignore[misc]
    """For `werkzeug.serving.make_server(..., request_handler=RequestHandler)`."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    headers_too_long = False

    def parse_request(self) -> bool:
        """The request line and the headers, read plainly: the standard library parses them as it does mail."""
        self.command, self.request_version, self.close_connection = "", "HTTP/1.1", True
        self.requestline = self.raw_requestline.decode("latin-1").rstrip("\r\n")
        words = self.requestline.split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.1", "HTTP/1.0"):
            self.send_error(400, "Bad request syntax")
            return False
        self.command, self.path, self.request_version = words
        if self.path.startswith("//"):  # else it would be taken for the name of a host
            self.path = "/" + self.path.lstrip("/")
        headers = self._read_headers()
        if headers is None:
            self.send_error(431 if self.headers_too_long else 400)
            return False
        self.headers = headers
        wish = headers.get("connection").lower()
        self.close_connection = wish != "keep-alive" if words[2] == "HTTP/1.0" else wish == "close"
        if headers.get("expect").lower() == "100-continue":
            return self.handle_expect_100()
        return True

    def _read_headers(self) -> Headers | None:
        """None where they are too many, too long or none."""
        headers, lines = Headers(), 0
        while (line := self.rfile.readline(_LINE + 1)) not in (b"\r\n", b"\n", b""):
            name, colon, value = line.decode("latin-1").partition(":")
            lines += 1
            self.headers_too_long = len(line) > _LINE or lines > _HEADERS
            if self.headers_too_long or not colon or not name or name != name.strip():
                return None
            headers.add(name, value.strip())
        return headers

    def handle_expect_100(self) -> bool:
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.wfile.flush()
        return True

    def make_environ(self) -> dict[str, Any]:
        """WSGI's facts of a plain request; any other's headers and body are for werkzeug and moto to read."""
        headers = self.headers.items()
        plain = self.path.startswith("/") and not any("_" in name for name, _ in headers)
        if not plain or self.headers.get("transfer-encoding"):
            environ: dict[str, Any] = super().make_environ()
            return environ
        path, _, query = self.path.partition("#")[0].partition("?")
        environ = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": self.rfile,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "werkzeug.socket": self.connection,
            "moto.preserved_header_names": {},
            "SERVER_SOFTWARE": self.server_version,
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path).encode().decode("latin-1"),
            "QUERY_STRING": query.encode().decode("latin-1"),
            "REQUEST_URI": self.path.encode().decode("latin-1"),
            "RAW_URI": self.path.encode().decode("latin-1"),
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_PORT": self.client_address[1],
            "SERVER_NAME": self.server.server_address[0],
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
        }
        for name, value in headers:
            key = environ_key(name)
            environ[key] = f"{environ[key]},{value}" if key in environ and key.startswith("HTTP_") else value
        return environ

    def run_wsgi(self) -> None:
        self.environ = environ = self.make_environ()
        said: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
            said[:] = [status, headers]

        try:
            parts = self.server.app(environ, start_response)
            try:
                self._answer(said[0], said[1], parts)
            finally:
                if close := getattr(parts, "close", None):
                    close()
        except (ConnectionError, TimeoutError) as gone:
            self.close_connection = True
            self.connection_dropped(gone, environ)

    def _answer(self, status: str, headers: list[tuple[str, str]], parts: Iterable[bytes]) -> None:
        code, _, reason = status.partition(" ")
        silent = self.command == "HEAD" or code in ("204", "304")
        names = {name.lower() for name, _ in headers}
        chunked = "content-length" not in names and not silent
        lines = [f"{self.protocol_version} {code} {reason}", *(f"{name}: {value}" for name, value in headers)]
        if "date" not in names:
            lines.append(f"Date: {_date(int(time.time()))}")
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1", "strict"))
        self._write(() if silent else parts, chunked)
        if "connection" in names:
            self._hang_up()

    def _write(self, parts: Iterable[bytes], chunked: bool) -> None:
        for part in filter(None, parts):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if chunked:
                self.wfile.flush()
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _hang_up(self) -> None:
        """Let a client that is still sending read its refusal before the connection goes."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(_LAST_READ_SECONDS)
        left = _LAST_READ_BYTES
        while left > 0 and (data := self.connection.recv(1 << 16)):
            left -= len(data)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Nothing: the answers are the record."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing: a malformed request line is the client's affair."""
