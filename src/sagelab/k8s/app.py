"""HTTP in, HTTP out: the paths of a Kubernetes API server, whoever has the token."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sagelab.k8s import discovery, lists, openapi, patches, protobufs, selectors, statuses
from sagelab.k8s.kinds import Kind
from sagelab.k8s.objects import Objects, Write
from sagelab.k8s.statuses import Document, StatusError
from sagelab.k8s.tables import table

BODY = 3 * 1024 * 1024  # bytes, as Kubernetes has it
OPEN = ("/healthz", "/livez", "/readyz")
TRUE = ("1", "t", "T", "true", "True", "TRUE")
CHANGES = ("POST", "PUT", "PATCH")
WATCH_SECONDS = 1800.0  # of a watch that names no time
JSON = "application/json"

log = logging.getLogger("sagelab.k8s")


@dataclass(frozen=True)
class Place:
    """What a path names. name: "" for the whole list. part: "status" or ""."""

    kind: Kind
    namespace: str
    name: str = ""
    part: str = ""


class App:
    """An ASGI application over the objects of a store. address: where it is reached, HOST:PORT."""

    def __init__(self, objects: Objects, token: str, address: str) -> None:
        self._objects, self._token, self._address = objects, token, address
        self.closing = asyncio.Event()

    def close(self) -> None:
        """End every watch."""
        self.closing.set()
        self._objects.store.wake()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await self._answer(Request(scope, receive))
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            if request.url.path in OPEN and request.method == "GET":
                return Response("ok", media_type="text/plain")
            self._authenticate(request)
            return await self._act(request)
        except StatusError as error:
            return _json(error.body, error.code)
        except (RecursionError, orjson.JSONEncodeError):
            return _json(statuses.bad_request("the body of the request is nested too deeply").body, 400)
        except Exception:
            log.exception("%s %s", request.method, request.url.path)
            return _json(StatusError(500, "InternalError", "Internal error occurred; the log has it").body, 500)

    def _authenticate(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self._token.encode()):
            raise StatusError(401, "Unauthorized", "Unauthorized")

    async def _act(self, request: Request) -> Response:
        parts = [part for part in request.url.path.split("/") if part]
        if parts and parts[0] == "openapi":
            return self._openapi(request, parts)
        place = self._place(parts)
        if place is None:
            return self._discover(request, parts)
        if place.kind.refused:
            raise statuses.not_allowed(statuses.NO_PODS.format(kind=place.kind.kind))
        query = request.query_params
        if place.name or request.method == "POST":
            body = await _read(request) if request.method in (*CHANGES, "DELETE") else None
            return self._one(request, place, body)
        if request.method == "GET" and query.get("watch") in TRUE:
            return self._watch(request, place)
        if request.method in ("GET", "DELETE"):
            await _read(request)
            return self._all(request, place)
        raise statuses.not_allowed("the server does not allow this method on the requested resource")

    def _place(self, parts: list[str]) -> Place | None:
        """What is named, if it is a resource. StatusError 404: there is none of that name."""
        if parts[:1] == ["api"] and len(parts) > 2:
            group, version, rest = "", parts[1], parts[2:]
        elif parts[:1] == ["apis"] and len(parts) > 3:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            return None
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and rest[2] != "status":
            namespace, rest = rest[1], rest[2:]
        kind = self._objects.kinds.find(group, version, rest[0])
        if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
            raise statuses.no_such_path()
        name, part = (*rest[1:], "", "")[:2]
        if (part and not (part == "status" and kind.status)) or (name and kind.namespaced and not namespace):
            raise statuses.no_such_path()
        return Place(kind, namespace, name, part)

    def _discover(self, request: Request, parts: list[str]) -> Response:
        found, kinds = None, list(self._objects.kinds)
        if request.method != "GET":
            raise statuses.not_allowed("the server does not allow this method on the requested resource")
        form = _form(request)
        if parts in (["api"], ["apis"]) and form:
            whole = discovery.aggregated(kinds, parts == ["api"], form)
            return _json(whole, media=discovery.AGGREGATED.format(form))
        if parts == ["version"]:
            found = discovery.VERSION
        elif parts == ["api"]:
            found = discovery.core(self._address)
        elif parts == ["apis"]:
            found = discovery.groups(kinds)
        elif parts[:1] == ["apis"] and len(parts) == 2:
            found = discovery.group(kinds, parts[1])
        elif parts == ["api", "v1"] or (parts[:1] == ["apis"] and len(parts) == 3):
            found = discovery.resources(kinds, *(("", "v1") if parts[0] == "api" else (parts[1], parts[2])))
        if found is None:
            raise statuses.no_such_path()
        return _json(found)

    def _openapi(self, request: Request, parts: list[str]) -> Response:
        kinds, found = list(self._objects.kinds), None
        if parts == ["openapi", "v3"]:
            found = openapi.index(kinds, self._objects.kinds.version)
        elif parts[:2] == ["openapi", "v3"]:
            found = openapi.document(kinds, "/".join(parts[2:]))
        elif parts == ["openapi", "v2"]:
            if JSON not in request.headers.get("accept", JSON) and "*/*" not in request.headers["accept"]:
                return Response(openapi.V2_MESSAGE, media_type=openapi.V2_MEDIA)
            found = openapi.swagger(kinds)
        if found is None:
            raise statuses.no_such_path()
        return _json(found)

    def _one(self, request: Request, place: Place, body: Any) -> Response:
        """A request that is about one object."""
        objects, kind, query = self._objects, place.kind, request.query_params
        how = Write(strict=query.get("fieldValidation") == "Strict", dry=query.get("dryRun") == "All")
        where = (kind, place.namespace, place.name)
        if request.method == "GET":
            return _json(_formed(request, kind, objects.get(*where)))
        if request.method == "DELETE":
            options = _options(body, query)
            return _json(objects.delete(*where, options, dry=how.dry or options.get("dryRun") == ["All"]))
        media = request.headers.get("content-type", JSON).split(";")[0].strip()
        if request.method == "PATCH":
            found = objects.patch(*where, media, body, how, place.part)
            return _warned(_json(found), query, how)
        if media not in (JSON, protobufs.MEDIA):
            raise statuses.not_taken(f"the body of the request must be {JSON}, not {media}")
        if not isinstance(body, dict):
            raise statuses.bad_request("the body of the request is no object")
        if request.method == "PUT":
            found = objects.update(*where, body, how, place.part)
            return _warned(_json(found), query, how)
        if request.method != "POST" or place.name or (kind.namespaced and not place.namespace):
            raise statuses.not_allowed("the server does not allow this method on the requested resource")
        return _warned(_json(objects.create(kind, place.namespace, body, how), 201), query, how)

    def _asked(self, request: Request, place: Place) -> lists.Asked:
        query = request.query_params
        selector = selectors.parse(place.kind, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        return lists.Asked(
            place.kind,
            place.namespace,
            selector,
            query.get("resourceVersion", ""),
            query.get("resourceVersionMatch", ""),
            _number(query, "limit"),
            query.get("continue", ""),
        )

    def _all(self, request: Request, place: Place) -> Response:
        """A list, or the deletion of all that is in it."""
        kind = place.kind
        page = lists.page(self._objects.store, self._asked(request, place))
        if request.method == "DELETE":
            dry = request.query_params.get("dryRun") == "All"
            for one in page.items:
                metadata = one["metadata"]
                self._objects.delete(kind, metadata.get("namespace", ""), metadata["name"], {}, dry)
        elif include := _table(request):
            return _json({**table(kind, page.items, include), "metadata": page.metadata})
        head = {"kind": kind.list_name, "apiVersion": kind.api_version, "metadata": page.metadata}
        return _json({**head, "items": page.items})

    def _watch(self, request: Request, place: Place) -> Response:
        query = request.query_params
        watch = lists.Watch(
            self._objects.store,
            self._asked(request, place),
            float(_number(query, "timeoutSeconds") or WATCH_SECONDS),
            query.get("allowWatchBookmarks") in TRUE,
            query.get("sendInitialEvents") in TRUE,
            self.closing,
        )
        version, first = watch.begin()
        include = _table(request)

        def line(event: lists.Event) -> bytes:
            what, one = event
            if include and what != "BOOKMARK":
                version = {"resourceVersion": one["metadata"]["resourceVersion"]}
                one = {**table(place.kind, [one], include), "metadata": version}
            return orjson.dumps({"type": what, "object": one}) + b"\n"

        async def lines() -> AsyncIterator[bytes]:
            try:
                yield b"".join(map(line, first))
                async for event in watch.events(version):
                    yield line(event)
            except StatusError as error:
                yield orjson.dumps({"type": "ERROR", "object": error.body}) + b"\n"

        return StreamingResponse(lines(), media_type=JSON)


def _json(content: Document, code: int = 200, media: str = JSON) -> Response:
    return Response(orjson.dumps(content), code, media_type=media)


def _warned(response: Response, query: Mapping[str, str], how: Write) -> Response:
    """Says which fields were dropped, to who wants to know."""
    if query.get("fieldValidation") != "Ignore":
        for one in how.unknown:
            response.headers.append("Warning", f'299 - "unknown field \\"{_header(one)}\\""')
    return response


def _header(text: str) -> str:
    return "".join(one if one.isascii() and one.isprintable() and one not in '"\\' else "?" for one in text)[:200]


async def _read(request: Request) -> Any:
    """The JSON of a body; None where there is none. StatusError: it is too large, or no JSON."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY:
            words = f"Request entity too large: limit is {BODY}"
            raise StatusError(413, "RequestEntityTooLarge", words)
        parts.append(part)
    if not size:
        return None
    media = request.headers.get("content-type", "")
    if media.startswith(patches.APPLY):
        raise statuses.not_taken(patches.NO_APPLY)
    if media.startswith(protobufs.MEDIA):
        return protobufs.read(b"".join(parts))
    try:
        return orjson.loads(b"".join(parts))
    except orjson.JSONDecodeError as error:
        raise statuses.bad_request(f"the body of the request is no JSON: {error}") from error


def _options(body: Any, query: Mapping[str, str]) -> Document:
    """How something is to be deleted. StatusError 400: these are no DeleteOptions."""
    found = {} if body is None else body
    policy = query.get("propagationPolicy")
    if not isinstance(found, dict) or not isinstance(found.get("preconditions") or {}, dict):
        raise statuses.bad_request("the body of the request is no DeleteOptions")
    found = {**found, **({"propagationPolicy": policy} if policy else {})}
    if found.get("propagationPolicy") not in (None, "", "Background", "Foreground", "Orphan"):
        words = f"unsupported propagationPolicy {found['propagationPolicy']!r}: Orphan, Background, Foreground"
        raise statuses.bad_request(words)
    return found


def _number(query: Mapping[str, str], name: str) -> int:
    said = query.get(name, "") or "0"
    if not said.isascii() or not said.isdigit() or len(said) > 9:
        raise statuses.bad_request(f"{name} must be a number, not {said!r}")
    return int(said)


def _form(request: Request) -> str:
    """Which form of the aggregated discovery is taken first; "" where none is."""
    for one in request.headers.get("accept", "").split(","):
        if "as=APIGroupDiscoveryList" in one:
            return "v2beta1" if "v=v2beta1" in one else "v2"
    return ""


def _table(request: Request) -> str:
    """How much of each object a table is to carry; "" where no table is asked for."""
    if "as=Table" not in request.headers.get("accept", ""):
        return ""
    include = request.query_params.get("includeObject", "Metadata")
    return include if include in ("None", "Metadata", "Object") else "Metadata"


def _formed(request: Request, kind: Kind, found: Document) -> Document:
    include = _table(request)
    if not include:
        return found
    return {**table(kind, [found], include), "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}}
