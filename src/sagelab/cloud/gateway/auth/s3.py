"""S3's requests have one reading, by botocore's model, and go on as that reading alone has them.

What the operation has no use for is left out of the request: whoever reads it next finds this operation on this
bucket and key, and nothing that names another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from sagelab.cloud.errors import AccessDenied, InvalidBucketName, InvalidUri, MalformedXml
from sagelab.cloud.gateway.http.request import CONTROL, Request

_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")
# What signs a request, and what any request may say of its body.
_SIGNS = frozenset({"awsaccesskeyid", "signature", "expires", "x-id"})
_ALWAYS = frozenset(
    f"x-amz-{name}" for name in "content-sha256 date decoded-content-length security-token trailer".split()
)
_OF_BODY = ("content-md5", "x-amz-checksum-", "x-amz-sdk-checksum", "x-amz-trailer", "x-amz-content-sha256")
_MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"
_MOST_DELETED, _LONGEST_LIST = 1000, 8 << 20  # objects, bytes
_SPACES = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
# Their place is the whole account; and the one that answers for a function of Lambda has no bucket.
_LEFT_OUT = frozenset({"WriteGetObjectResponse", "ListDirectoryBuckets"})


@dataclass(frozen=True)
class Route:
    """How a request of one operation looks.

    literals: of the query, with their values or "". required: of the query. taken: of the query, all that it may
    have. headers: by lower-case name, those that it may have; needed: those that it must have. prefix: of headers
    of any name, "x-amz-meta-" or "".
    """

    name: str
    method: str
    place: int
    literals: Mapping[str, str]
    required: frozenset[str]
    taken: frozenset[str]
    headers: frozenset[str]
    needed: frozenset[str]
    prefix: str

    def fits(self, request: Request, query: Mapping[str, str]) -> bool:
        """Whether a request of its method and place has all that it must have."""
        return (
            all(name in query and value in ("", query[name]) for name, value in self.literals.items())
            and all(query.get(name) for name in self.required)
            and all(request.header(name) for name in self.needed)
        )

    @property
    def weight(self) -> int:
        return len(self.literals) + len(self.required) + len(self.needed)

    def takes(self, header: str) -> bool:
        """Whether a header has a meaning for it, or for none in particular."""
        if header.startswith("x-amz-"):
            known = header in self.headers or header in _ALWAYS
            return known or bool(self.prefix and header.startswith(self.prefix))
        return header != "content-type" or header in self.headers


def settle(request: Request, signed: str) -> str:
    """The operation that a request is, which is made to say that alone.

    signed: an authorization header for one that was signed in its query.

    AccessDenied: it can be read in more than one way. InvalidUri, InvalidBucketName: nothing can have its path.
    """
    bucket, key = _place(request.path)
    query = {name: value for name, value in request.query_pairs if not _is_signature(name)}
    routes = _routes().get((request.method, bool(bucket) + bool(key)), [])
    fitting = [route for route in routes if route.fits(request, query)]
    if not fitting:
        raise AccessDenied("The specified method is not allowed against this resource.")
    route = max(fitting, key=lambda one: one.weight)
    if others := (_naming() & query.keys()) - route.literals.keys() - route.taken:
        raise AccessDenied(
            f"The query string names another operation than {route.name}: {', '.join(sorted(others))}."
        )
    rest = [f"{name}={quote(query[name], safe='')}" for name in sorted(route.taken & query.keys())]
    names = [f"{name}={value}" if value else name for name, value in route.literals.items()]
    path = quote("/".join(("", bucket, key)) if key else f"/{bucket}", safe="/~")
    headers = {name: value for name, value in request.headers.items() if route.takes(name)}
    if route.name == "DeleteObjects":
        headers = {name: value for name, value in headers.items() if not name.startswith(_OF_BODY)}
        request.write(_rewritten(request.content()))
    request.settle(
        path + ("?" + "&".join(names + rest) if names or rest else ""), {"authorization": signed} | headers
    )
    return route.name


def doomed(body: bytes) -> list[dict[str, str]]:
    """Key, and VersionId where there is one, of each object that the body of DeleteObjects names.

    MalformedXml: it is none.
    """
    return [_texts(one, ("Key", "VersionId", "ETag")) for one in _document(body) if one.tag == "Object"]


def _rewritten(body: bytes) -> bytes:
    """The body of DeleteObjects with what is judged of it, and no more: no parser finds another key in it."""
    objects = "".join(f"<Object>{_elements(one)}</Object>" for one in doomed(body))
    quiet = "".join(_elements({"Quiet": one.text or ""}) for one in _document(body) if one.tag == "Quiet")
    return f"<Delete>{quiet}{objects}</Delete>".encode()


def _document(body: bytes) -> list[ElementTree.Element]:
    """The elements of a <Delete>, their names without namespaces."""
    try:
        text = body.decode()
        if len(body) > _LONGEST_LIST or "<!DOCTYPE" in text:
            raise MalformedXml(_MALFORMED)
        root = ElementTree.fromstring(text)
    except (UnicodeDecodeError, ElementTree.ParseError, ValueError):
        raise MalformedXml(_MALFORMED) from None
    for one in root.iter():
        one.tag = one.tag.rpartition("}")[2]
    if root.tag != "Delete" or not 0 < sum(one.tag == "Object" for one in root) <= _MOST_DELETED:
        raise MalformedXml(_MALFORMED)
    return list(root)


def _texts(element: ElementTree.Element, names: tuple[str, ...]) -> dict[str, str]:
    """The texts of an element's parts by their names. MalformedXml: one is there twice, or there is no Key."""
    found = [(part.tag, part.text or "") for part in element if part.tag in names]
    if len({name for name, _ in found}) < len(found) or not dict(found).get("Key") or any(map(len, element)):
        raise MalformedXml(_MALFORMED)
    return dict(found)


def _elements(texts: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(text, _SPACES)}</{name}>" for name, text in texts.items())


def _place(path: str) -> tuple[str, str]:
    """(bucket, key) of a path that is still encoded, "" for what it does not name."""
    bucket, _, key = path.removeprefix("/").partition("/")
    try:
        bucket, key = (unquote(part, errors="strict") for part in (bucket, key))
    except UnicodeDecodeError:
        raise InvalidUri("Couldn't parse the specified URI.") from None
    if bucket and (not _NAME.fullmatch(bucket) or f"/{bucket}/" == CONTROL):
        raise InvalidBucketName("The specified bucket is not valid.")
    if "\0" in key or (key and not bucket):
        raise InvalidUri("Couldn't parse the specified URI.")
    return bucket, key


def _is_signature(name: str) -> bool:
    return name.lower() in _SIGNS or name.lower().startswith("x-amz-")


@cache
def _routes() -> dict[tuple[str, int], list[Route]]:
    """By method and place: 0 for the account, 1 for a bucket, 2 for an object."""
    from botocore.loaders import Loader

    model = Loader().load_service_model("s3", "service-2")
    table: dict[tuple[str, int], list[Route]] = {}
    for route in _read(model):
        table.setdefault((route.method, route.place), []).append(route)
    return table


def _read(model: dict[str, Any]) -> Iterator[Route]:
    for name, operation in model["operations"].items():
        if operation.get("deprecated") or name in _LEFT_OUT:
            continue
        path, _, query = operation["http"]["requestUri"].partition("?")
        literals = dict(parse_qsl(query, keep_blank_values=True))
        shape = model["shapes"].get(operation.get("input", {}).get("shape"), {})
        members = [(key in shape.get("required", ()), one) for key, one in shape.get("members", {}).items()]
        queries = [(must, one["locationName"]) for must, one in members if one.get("location") == "querystring"]
        headers = [(must, one["locationName"].lower()) for must, one in members if one.get("location") == "header"]
        prefix = [one["locationName"].lower() for _, one in members if one.get("location") == "headers"]
        yield Route(
            name,
            operation["http"]["method"],
            ("{Bucket}" in path) + ("{Key+}" in path),
            literals,
            frozenset(key for must, key in queries if must),
            frozenset(key for _, key in queries),
            frozenset(key for _, key in headers),
            frozenset(key for must, key in headers if must),
            "".join(prefix),
        )


@cache
def _naming() -> frozenset[str]:
    """The names of a query that tell operations apart."""
    routes = [route for each in _routes().values() for route in each]
    return frozenset(name for route in routes for name in (*route.literals, *route.required)) - {"id"}
