"""The process of one API server: its store, its certificate, its socket, and the operator beside it.

    python -m sagelab.k8s.server --home DIR [--port N] [--ready-fd FD] [--without-operator]

It ends with SIGTERM, or when the local cloud of its home does.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn

from sagelab import certificates
from sagelab.cloud.errors import ControlError, NotRunning, PortTaken
from sagelab.cloud.home import HOST, Home, write_private
from sagelab.k8s.app import App
from sagelab.k8s.control import place
from sagelab.k8s.kinds import DEFINITIONS
from sagelab.k8s.objects import Objects, Write
from sagelab.k8s.operators import Operator
from sagelab.k8s.sagemaker.kinds import definitions
from sagelab.k8s.store import Store

PORT = 8275
LAST_WORDS = 2  # seconds for requests that are under way

log = logging.getLogger("sagelab.k8s")


def serve(home: Home, port: int | None, operator: bool, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM, or until the local cloud ends; `ready` is called once it answers.

    BlockingIOError: another process serves it. NotRunning: there is no local cloud. PortTaken.
    """
    folder = place(home)
    held = folder.hold()
    cloud = home.server()
    if cloud is None:
        raise NotRunning(f"No local cloud runs on {home.path}; start it with: sagelab up --detach")
    store = Store(folder.path / "cluster.db")
    with held, _listen([port] if port else [folder.last_port() or PORT, PORT, 0]) as listener:
        address = f"{HOST}:{listener.getsockname()[1]}"
        token = prepare(folder.path, f"https://{address}")
        objects = Objects(store)
        if operator:
            install(objects)
        beside = Operator(home, folder.path) if operator else None
        server = _Server(App(objects, token, address), folder.path, int(cloud["pid"]), beside)

        def announce() -> None:
            started = datetime.now(UTC).isoformat()
            folder.announce(url=f"https://{address}", pid=os.getpid(), started=started, operator=operator)
            ready()

        server.run_until_end(listener, announce)
        store.close()


def install(objects: Objects) -> None:
    """Define the kinds of AWS's controller, or define them anew."""
    kind = next(one for one in objects.kinds if one.resource == DEFINITIONS)
    for definition in definitions():
        name = definition["metadata"]["name"]
        had = objects.store.get(DEFINITIONS, "", name)
        if had is None:
            objects.create(kind, "", definition, Write())
        elif not had["metadata"].get("deletionTimestamp"):
            version = had["metadata"]["resourceVersion"]
            metadata = {**definition["metadata"], "resourceVersion": version}
            objects.update(kind, "", name, {**definition, "metadata": metadata}, Write())


def prepare(folder: Path, url: str) -> str:
    """The token of this server; certificate, token and kubeconfig are made where they are not there yet."""
    if not (folder / "server.key").exists():
        certificates.make(folder, "sagelab-kubernetes")
    file = folder / "token"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32))
    token = file.read_text()
    write_private(folder / "kubeconfig", _kubeconfig(url, (folder / "ca.crt").read_bytes(), token))
    return token


def _kubeconfig(url: str, authority: bytes, token: str) -> dict[str, Any]:
    """In JSON, which is YAML too."""
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(authority).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sagelab",
        "clusters": [{"name": "sagelab", "cluster": cluster}],
        "users": [{"name": "sagelab", "user": {"token": token}}],
        "contexts": [
            {"name": "sagelab", "context": {"cluster": "sagelab", "user": "sagelab", "namespace": "default"}}
        ],
    }


class _Server(uvicorn.Server):
    """uvicorn's, which tells the application of the end, so that no watch holds it up."""

    def __init__(self, app: App, folder: Path, owner: int, operator: Operator | None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ssl_certfile=str(folder / "server.crt"),
                ssl_keyfile=str(folder / "server.key"),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=LAST_WORDS,
            )
        )
        self._app, self._owner, self._operator = app, owner, operator
        self._announce: Callable[[], None] = lambda: None

    def run_until_end(self, listener: socket.socket, announce: Callable[[], None]) -> None:
        self._announce = announce
        self.run([listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        try:
            owner = os.pidfd_open(self._owner)
        except ProcessLookupError:
            self.should_exit = True
            return
        loop.add_reader(owner, self._follow, owner)
        if self._operator:
            self._operator.start()
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._operator:
            await self._operator.stop()
        await super().shutdown(sockets)

    def _follow(self, owner: int) -> None:
        """The local cloud has ended."""
        asyncio.get_running_loop().remove_reader(owner)
        os.close(owner)
        self.handle_exit(signal.SIGTERM, None)

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        self._app.close()


def _listen(ports: list[int]) -> socket.socket:
    """A listening socket on the first of the ports that is free; 0 stands for any."""
    for port in ports:
        try:
            return socket.create_server((HOST, port))
        except OSError as error:
            taken = error
    raise PortTaken(f"Cannot listen on {HOST}:{ports[-1]} ({taken.strerror}); choose another with --port.")


def main() -> None:
    """Serve as the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--without-operator", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)

    def ready() -> None:
        if options.ready_fd is not None:
            with suppress(OSError):
                os.write(options.ready_fd, b"1")
            os.close(options.ready_fd)

    try:
        serve(Home(options.home), options.port, not options.without_operator, ready)
    except (ControlError, BlockingIOError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
