"""Which requests the console answers at all: those of its own page, from its own origin.

Any page that the user visits, an object of a bucket opened through a presigned URL among them, can make the
browser send requests to 127.0.0.1 with the console's cookie. Browsers say where a request comes from (Fetch
Metadata: https://www.w3.org/TR/fetch-metadata/): another port of this machine is "same-site", not "same-origin".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
API = "/api/"


class Guard:
    """Refuses what does not come from the console's own page at this port."""

    def __init__(self, port: int) -> None:
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> str | None:
        """Why a request is refused, in a sentence; None: it is answered."""
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return "The console answers to 127.0.0.1 and localhost only."
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            return "The console answers its own page only."
        site = headers.get("sec-fetch-site")
        if path.startswith(API):
            return _refuse_call(method, origin, site, headers.get("content-type", ""))
        if site not in (None, "same-origin", "none") and not _is_led(method, path, headers):
            return "Open the console by its address or with `sagelab open`; a link from another page does not."
        return None if method in ("GET", "HEAD") else "The console's pages are for reading."


def _is_led(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether a page of this machine, such as the start page, leads a window (no frame) to the first page.

    That page shows nothing to whoever has not logged in.
    """
    sent = [headers.get(f"sec-fetch-{name}") for name in ("site", "mode", "dest")]
    return method == "GET" and path == "/" and sent == ["same-site", "navigate", "document"]


def _refuse_call(method: str, origin: str | None, site: str | None, content: str) -> str | None:
    if site != "same-origin":
        return "The console's calls come from its own page only."
    if method == "POST" and (origin is None or content.partition(";")[0].strip() != "application/json"):
        return "The console's calls are JSON from its own page."
    return None


class Guarded:
    """An ASGI application behind the guard: every answer carries the headers above."""

    def __init__(self, app: Any, port: int) -> None:
        self._app, self._guard = app, Guard(port)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":  # there are no web sockets here, and no lifespan
            return

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.lower().encode(), text.encode()) for name, text in HEADERS.items()]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        reason = self._guard.refusal(scope["method"], scope["path"], headers)
        if reason is None:
            await self._app(scope, receive, send_guarded)
            return
        plain = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        await send_guarded({"type": "http.response.start", "status": 403, "headers": plain})
        await send({"type": "http.response.body", "body": reason.encode()})
