"""The console's web application: its page, its login, the page's calls and its stream of events."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sagelab import catalog
from sagelab.catalog import Kind
from sagelab.cloud import zones
from sagelab.cloud.console import applications, calls, commands, dashboards, messages, overview
from sagelab.cloud.console.calls import CallRefused
from sagelab.cloud.console.events import Hub
from sagelab.cloud.console.guard import Guarded
from sagelab.cloud.console.tokens import SESSION_SECONDS, Logins
from sagelab.prices import prices

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

STATIC = Path(__file__).with_name("static")
REQUEST_LIMIT = 8 << 20  # bytes of a call: InvokeEndpoint takes 6 MiB
KEY_HEADER = "x-sagelab-key"
NO_STORE = {"Cache-Control": "no-store"}
REVALIDATE = {"Cache-Control": "no-cache"}


class Console:
    """The page of one local cloud, served at a port of its own."""

    def __init__(self, cloud: Cloud, logins: Logins, hub: Hub, port: int) -> None:
        self._cloud, self._logins, self._hub = cloud, logins, hub
        self._cookie = f"sagelab-console-{port}"  # a browser keeps one jar for all ports
        self._port = port
        self._client = partial(cloud.client, by="")  # what the page asks for, the user does

    def application(self) -> Guarded:
        routes = [
            Route("/api/login", self.login, methods=["POST"]),
            Route("/api/logout", self.logout, methods=["POST"]),
            Route("/api/about", self.about),
            Route("/api/call", self.call, methods=["POST"]),
            Route("/api/command", self.command, methods=["POST"]),
            Route("/api/sent", self.sent, methods=["POST"]),
            Route("/api/download", self.download, methods=["POST"]),
            Route("/api/application", self.application_of, methods=["POST"]),
            Route("/api/dashboard", self.dashboard, methods=["POST"]),
            Route("/api/overview", self.overview),
            Route("/api/local", self.local),
            Route("/api/events", self.events),
            Route("/static/js/catalog.js", kinds),
            Mount("/static", _Static(directory=STATIC)),
            Route("/{path:path}", page),
        ]
        return Guarded(Starlette(routes=routes, exception_handlers={CallRefused: refuse_call}), self._port)

    async def login(self, request: Request) -> Response:
        sent = await _read(request)
        session = self._logins.enter(str(sent.get("token", "")))
        if session is None:
            return _error(401, "LoginRefused", "This address was used already, or it is too old.")
        answer = JSONResponse({"key": session.key}, headers=NO_STORE)
        answer.set_cookie(
            self._cookie, session.cookie, max_age=SESSION_SECONDS, httponly=True, samesite="strict", path="/"
        )
        return answer

    async def logout(self, request: Request) -> Response:
        if refused := self._refuse(request):
            return refused
        self._logins.leave(request.cookies[self._cookie])
        answer = JSONResponse({}, headers=NO_STORE)
        answer.delete_cookie(self._cookie)
        return answer

    async def about(self, request: Request) -> Response:
        cloud = self._cloud
        facts = {"region": cloud.region, "account": cloud.account, "url": cloud.url, "prices": prices()}
        return self._refuse(request) or JSONResponse(facts, headers=NO_STORE)

    async def call(self, request: Request) -> Response:
        """One call: {service, operation, params} -> {result, command}."""
        if refused := self._refuse(request):
            return refused
        wanted = _wanted(await _read(request))
        result = await run_in_threadpool(calls.call, self._client, *wanted)
        return JSONResponse({"result": result, "command": commands.command(*wanted)}, headers=NO_STORE)

    async def command(self, request: Request) -> Response:
        """The same without the call: {service, operation, params} -> {command}."""
        if refused := self._refuse(request):
            return refused
        wanted = _wanted(await _read(request))
        return JSONResponse({"command": commands.command(*wanted)}, headers=NO_STORE)

    async def sent(self, request: Request) -> Response:
        """{operation, described} -> {params, command}: the Create request that made what is described."""
        if refused := self._refuse(request):
            return refused
        sent = await _read(request)
        operation, described = sent.get("operation"), sent.get("described")
        if not isinstance(operation, str) or operation not in CREATES or not isinstance(described, dict):
            return _error(400, "ValidationException", f"operation: one of {', '.join(sorted(CREATES))}.")
        params = await run_in_threadpool(commands.sent, self._cloud.client("sagemaker"), operation, described)
        command = commands.command("sagemaker", operation, params)
        return JSONResponse({"params": params, "command": command}, headers=NO_STORE)

    async def download(self, request: Request) -> Response:
        """{bucket, key} -> {url}: where to download an object."""
        if refused := self._refuse(request):
            return refused
        sent = await _read(request)
        bucket, key = str(sent.get("bucket", "")), str(sent.get("key", ""))
        url = await run_in_threadpool(calls.presign, self._client, bucket, key)
        return JSONResponse({"url": url}, headers=NO_STORE)

    async def application_of(self, request: Request) -> Response:
        """{bucket, key, etag} -> {etag, told}: a Spark application by its event log (applications.look)."""
        if refused := self._refuse(request):
            return refused
        sent = await _read(request)
        place = [str(sent.get(name, "")) for name in ("bucket", "key", "etag")]
        found = await run_in_threadpool(applications.look, self._client, *place)
        return Response(found, media_type="application/json", headers=NO_STORE)

    async def dashboard(self, request: Request) -> Response:
        """{name} -> a dashboard with what its visuals show (dashboards.draw)."""
        if refused := self._refuse(request):
            return refused
        name = str((await _read(request)).get("name", ""))
        found = await run_in_threadpool(dashboards.draw, self._cloud, name)
        return JSONResponse(found, headers=NO_STORE)

    async def overview(self, request: Request) -> Response:
        if refused := self._refuse(request):
            return refused
        found = await run_in_threadpool(overview.look, self._cloud.client, runs=self._runs)
        return JSONResponse(found, headers=NO_STORE)

    async def local(self, request: Request) -> Response:
        """What no API of AWS's tells: how fast the clock goes, and where servers of endpoints stand."""
        clock = self._cloud.clock
        places = [
            {"name": name, "up": up, "servers": servers}
            for name, up, servers in zones.spread(self._cloud.zones, self._cloud.region)
        ]
        facts = {"clock": {"speed": clock.speed, "words": clock.words}, "zones": places}
        return self._refuse(request) or JSONResponse(facts, headers=NO_STORE)

    def _runs(self, kind: Kind) -> bool:
        return bool(kind.running and self._cloud.store.with_status(kind.arn, *kind.running))

    async def events(self, request: Request) -> Response:
        if refused := self._refuse(request):
            return refused
        return StreamingResponse(self._hub.listen(), media_type="text/event-stream", headers=NO_STORE)

    def _refuse(self, request: Request) -> Response | None:
        cookie, key = request.cookies.get(self._cookie, ""), request.headers.get(KEY_HEADER, "")
        if self._logins.admits(cookie, key):
            return None
        return _error(401, "NotLoggedIn", "Run `sagelab open` for an address that logs you in.")


CREATES = frozenset(kind.operation("Create") for kind in catalog.KINDS if "Create" in kind.verbs)


async def refuse_call(_: Request, error: Exception) -> Response:
    """What is told of a call that was not made, or that AWS's API refused."""
    assert isinstance(error, CallRefused)
    return _error(403 if error.code == calls.NOT_ALLOWED else 400, error.code, error.message)


async def page(_: Request) -> Response:
    """The page itself, at every address of its own: it holds nothing that needs a login."""
    return FileResponse(STATIC / "index.html", headers=REVALIDATE)


async def kinds(_: Request) -> Response:
    """The catalog as a module of the page's, so that it is there before the first page is drawn."""
    rows = json.dumps([kind.plain() for kind in catalog.KINDS])
    return Response(f"export default {rows};\n", media_type="text/javascript", headers=REVALIDATE)


class _Static(StaticFiles):
    def file_response(self, *arguments: Any, **options: Any) -> Response:
        answer = super().file_response(*arguments, **options)
        answer.headers.update(REVALIDATE)
        return answer


async def _read(request: Request) -> dict[str, Any]:
    """The JSON object that was sent. CallRefused: it is too large, or no sound JSON."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > REQUEST_LIMIT:
            raise CallRefused(messages.INVALID, f"A request has at most {REQUEST_LIMIT >> 20} MiB.")
    return messages.parse(bytes(content))


def _wanted(sent: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """The service, operation and parameters of a call that the console makes. CallRefused: it is none."""
    service, operation, params = sent.get("service"), sent.get("operation"), sent.get("params")
    if not (isinstance(service, str) and isinstance(operation, str) and isinstance(params, dict)):
        raise CallRefused(calls.NOT_ALLOWED, "A call has a service, an operation and params.")
    calls.check(service, operation)
    return service, operation, params


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status, headers=NO_STORE)
