"""A request as moto takes it: the environment of a WSGI application."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import unquote

from moto.core.request import EnvironHeaders
from moto.moto_server.werkzeug_app import BackendRequest
from werkzeug.datastructures import ImmutableMultiDict

from sagelab.cloud.gateway.http import checksums
from sagelab.cloud.gateway.http.request import Request

Environ = dict[str, Any]

# The body is whole and plain when moto gets it; and whose account it is, the signature says.
_DROPPED = frozenset({"transfer-encoding", "x-moto-account-id", "content-length"}) | {
    *("x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer")
}
_METADATA = "x-amz-meta-"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_CONTENT = "sagelab.content"  # where the environment has an object's content
_NO_FIELDS: Any = ImmutableMultiDict()


class _Headers(EnvironHeaders):  # type: ignore[misc]
    """Headers whose names are made of WSGI's once; moto goes through all of them twice a request."""

    _all: list[tuple[str, str]] | None = None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        if self._all is None:
            self._all = list(super().__iter__())
        return iter(self._all)


class S3Request(BackendRequest):  # type: ignore[misc]
    """A request whose body, where that is an object's content, is not copied: a large one stays in its file.

    It has no form (what uploads by one comes as the put of its file), and its addresses are put together once:
    moto asks for them five times, and each time made all of it anew.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers = _Headers(self.environ)

    def get_data(self, *args: Any, **kwargs: Any) -> Any:
        content = self.environ.get(_CONTENT)
        return super().get_data(*args, **kwargs) if content is None else content

    def _load_form_data(self) -> None:
        self.__dict__.setdefault("form", _NO_FIELDS)
        self.__dict__.setdefault("files", _NO_FIELDS)

    @cached_property
    def root_url(self) -> str:
        return f"{self.scheme}://{self.environ['HTTP_HOST']}/"

    @cached_property
    def raw_path(self) -> str:
        return str(super().raw_path)

    @cached_property
    def raw_url(self) -> str:
        return str(super().raw_url)

    @property
    def url(self) -> str:
        return self.raw_url


def environ_of(request: Request) -> Environ:
    """A new environment, with the body at its beginning.

    A header with an underscore would stand for another in it. S3's metadata alone may have one: moto is told how
    it is spelt, unless the other one is there as well.
    """
    path, _, query = request.uri.partition("#")[0].partition("?")
    host, _, port = request.headers.get("host", "").rpartition(":")
    with request.rewound() as body:
        environ = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": request.scheme,
            "wsgi.input": body,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path).encode().decode("latin-1"),
            "QUERY_STRING": query,
            "REQUEST_URI": request.uri,
            "RAW_URI": request.uri,
            "REMOTE_ADDR": host,
            "SERVER_NAME": host,
            "SERVER_PORT": port,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(request.size),
        }
    spelt = environ["moto.preserved_header_names"] = {}
    for name, value in request.headers.items():
        if name in _DROPPED or ("_" in name and not _stands_alone(name, request)):
            continue
        environ[_key(name)] = value
        if "_" in name:
            spelt[_key(name)] = name
    return environ


def prepare(environ: Environ, request: Request) -> None:
    """Let moto find what it would look for in a body of S3.

    It takes an object sent as a form (what curl and urllib call any data) for fields, and loses it. It looks for a
    checksum among an object's own bytes. A large body it gets as the file that it is.
    """
    if request.method == "PUT" and environ.get("CONTENT_TYPE", "").lower().startswith(_FORMS):
        environ["CONTENT_TYPE"] = "binary/octet-stream"
    algorithm = request.header("x-amz-sdk-checksum-algorithm")
    content = request.file()
    if algorithm and request.header(f"x-amz-checksum-{algorithm}") is None:
        value = checksums.compute(request.content() if content is None else content, algorithm)
        environ[f"HTTP_X_AMZ_CHECKSUM_{algorithm.upper()}"] = value.decode()
    if request.is_upload:
        if content is not None:
            content.md5()  # while nobody waits for it
        environ[_CONTENT] = request.content() if content is None else content
    elif not request.size:
        environ[_CONTENT] = b""


def _stands_alone(name: str, request: Request) -> bool:
    return name.startswith(_METADATA) and name.replace("_", "-") not in request.headers


@lru_cache(maxsize=1024)
def _key(name: str) -> str:
    """Where WSGI has a header."""
    key = name.upper().replace("-", "_")
    return key if key == "CONTENT_TYPE" else f"HTTP_{key}"
