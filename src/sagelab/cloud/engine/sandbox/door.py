"""The one port of a host that leads further than the local cloud: a proxy to the internet, and its role's keys.

A host has a network of its own. In it a port listens whose socket the local cloud's process holds, as a proxy of
HTTP (CONNECT for TLS) does, for what of the internet a host may reach (internet.py). The same port answers
`GET /credentials` with the keys of the role, as the metadata endpoint of AWS's containers does:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from sagelab.cloud.engine.sandbox.internet import Address, Internet, Refused, authorization
from sagelab.relay import PART, Carrier, pump

logger = logging.getLogger("sagelab")

PATH = "/credentials"
HEAD_SECONDS, CONNECT_SECONDS = 30.0, 30.0
HOP = re.compile(r"(?i)(proxy-[a-z-]+|connection|keep-alive)\s*:")
EVERYWHERE = "0.0.0.0/0"
CONTROL, LENGTH = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]"), re.compile(r"[0-9]{1,15}")
TARGET = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):(\d{1,5})")


Permit = Callable[[str, int], None]


@dataclass(frozen=True)
class Keys:
    """token: what must come with a request for them. read: the keys, as JSON; renewed when they run out.

    end: is called when the host has ended.
    """

    token: str
    read: Callable[[], bytes]
    end: Callable[[], None] = lambda: None


class Door(Carrier):
    """Serves `listener` until it is closed. internet, keys: None where there are none for this host.

    permit: raises Refused where an address and port are not for this host: EVERYWHERE asks for all, "" for any.
    """

    def __init__(
        self,
        listener: socket.socket,
        internet: Internet | None,
        keys: Keys | None,
        permit: Permit = lambda _address, _port: None,
    ) -> None:
        self._internet, self._keys, self._permit = internet, keys, permit
        super().__init__(listener)

    async def carry(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(here.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
            request, *lines = head.decode("latin-1").split("\r\n")[:-2]
            method, target, _ = request.split(" ")
            if target == PATH:
                back.write(await self._credentials(method, lines))
            else:
                if CONTROL.search(head.replace(b"\r\n", b"")):
                    raise ValueError("control characters")
                await self._forward(method, target, lines, (here, back))
        except Refused as refusal:
            back.write(answer("403 Forbidden", str(refusal)))
        except (OSError, TimeoutError) as error:
            back.write(answer("502 Bad Gateway", f"The server cannot be reached: {error}"))
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            back.write(answer("400 Bad Request", "This is no request to a proxy."))

    async def _credentials(self, method: str, lines: list[str]) -> bytes:
        if self._keys is None or method != "GET":
            return answer("404 Not Found", "There are no keys here.")
        given = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("authorization:")]
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(), self._keys.token.encode()):
            return answer("401 Unauthorized", "AWS_CONTAINER_AUTHORIZATION_TOKEN is the token of these keys.")
        try:
            keys = await asyncio.get_running_loop().run_in_executor(None, self._keys.read)
        except Exception:
            logger.exception("the keys of a role could not be had")
            return answer("503 Service Unavailable", "The keys of the role cannot be had now.")
        return answer("200 OK", keys.decode(), "application/json")

    async def _forward(
        self, method: str, target: str, lines: list[str], ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        if self._internet is None:
            raise Refused("This host has no internet.")
        scheme, host, port = _read_target(method, target)
        length = _length(lines)
        proxy = self._internet.upstream(scheme, host)
        there, forth = await self._connect(self._internet, host, port, proxy)
        try:
            forth.write(_opening(method, target, lines, proxy))
            if method == "CONNECT" and proxy is None:
                ends[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            # What follows a plain request is no second one, for a server that was not looked at.
            sent = pump(*ends, forth) if method == "CONNECT" else _send_body(ends[0], forth, length)
            await asyncio.gather(sent, pump(there, forth, ends[1]))
        finally:
            forth.close()

    def _find(self, internet: Internet, host: str, port: int) -> list[Address]:
        """The addresses of a server that this host may reach. Refused: there are none. OSError: it is unknown."""
        self._permit("", port)
        found, refusal = list[Address](), Refused(f"{host} is not reached")
        for address in internet.find(host, port):
            try:
                self._permit(*address)
                found.append(address)
            except Refused as error:
                refusal = error
        if not found:
            raise refusal
        return found

    async def _connect(
        self, internet: Internet, host: str, port: int, proxy: SplitResult | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        if proxy:
            await loop.run_in_executor(None, self._permit, EVERYWHERE, port)
            await loop.run_in_executor(None, internet.check_name, host, port)
            addresses: list[Address] = [(proxy.hostname or "", proxy.port or 3128)]
        else:
            addresses = await loop.run_in_executor(None, self._find, internet, host, port)
        trouble: Exception = OSError("no address")
        for address in addresses:
            try:
                return await asyncio.wait_for(asyncio.open_connection(*address), CONNECT_SECONDS)
            except (OSError, TimeoutError) as error:
                trouble = error
        raise trouble


def _length(lines: list[str]) -> int:
    """Bytes of the body of a plain request. ValueError: it does not say, or says it twice."""
    fields = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    said = [value for name, value in fields if name == "content-length"]
    if len(said) > 1 or "transfer-encoding" in dict(fields) or not all(LENGTH.fullmatch(text) for text in said):
        raise ValueError("no length")
    return int(said[0]) if said else 0


async def _send_body(source: asyncio.StreamReader, target: asyncio.StreamWriter, length: int) -> None:
    while length and (part := await source.read(min(length, PART))):
        length -= len(part)
        target.write(part)
        await target.drain()


def _read_target(method: str, target: str) -> tuple[str, str, int]:
    """Scheme, host and port of a request to a proxy. ValueError: it is none."""
    if method == "CONNECT":
        found = TARGET.fullmatch(target)
        if not found or not 0 < int(found[2]) < 1 << 16:
            raise ValueError(target)
        return "https", found[1].strip("[]"), int(found[2])
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname or parts.username is not None:
        raise ValueError(target)
    return "http", parts.hostname, parts.port or 80


def _opening(method: str, target: str, lines: list[str], proxy: SplitResult | None) -> bytes:
    """What the other side hears first: nothing of a CONNECT, unless it is a proxy itself."""
    if method == "CONNECT":
        return (
            f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization(proxy)}\r\n".encode() if proxy else b""
        )
    kept = [line for line in lines if not HOP.match(line)]
    if proxy is None:
        parts = urlsplit(target)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *kept, "Connection: close"])
    return f"{head}\r\n{authorization(proxy) if proxy else ''}\r\n".encode("latin-1")


def answer(status: str, text: str, kind: str = "text/plain") -> bytes:
    """A whole answer."""
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
