"""The thread that serves the console; it starts nothing before somebody opens the page."""

from __future__ import annotations

import asyncio
import importlib
import os
import select
import socket
import threading
from typing import TYPE_CHECKING

from sagelab.cloud.console.tokens import Logins

if TYPE_CHECKING:
    import uvicorn

    from sagelab.cloud.console.events import Hub
    from sagelab.cloud.context import Cloud

GRACE = 5.0  # seconds that calls under way get at the end


class ConsoleServer:
    """Serves the console of `cloud` on a listening socket from the first connection on, until it is closed."""

    def __init__(self, cloud: Cloud, listener: socket.socket, instance: str) -> None:
        """instance: names this start of the local cloud; tokens are good for one."""
        self._cloud, self._listener, self._instance = cloud, listener, instance
        self._port = listener.getsockname()[1]
        self.url = f"http://{listener.getsockname()[0]}:{self._port}"
        self._ending, self._end = os.pipe()
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)
        self._thread.start()

    def warm(self) -> None:
        """Load what the first page needs; for a thread of its own, just after the start."""
        for module in ("uvicorn", "sagelab.cloud.console.app"):
            importlib.import_module(module)

    def close(self) -> None:
        """End every stream and connection."""
        os.write(self._end, b".")
        self._thread.join(GRACE + 1)
        os.close(self._end)
        os.close(self._ending)

    def _run(self) -> None:
        ready = select.poll()
        for file in (self._listener.fileno(), self._ending):
            ready.register(file, select.POLLIN)
        if self._ending not in dict(ready.poll()):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        import uvicorn

        from sagelab.cloud.console.app import Console
        from sagelab.cloud.console.events import Hub, connect

        hub = Hub()
        connect(hub, self._cloud)
        logins = Logins(self._cloud.home.credentials().secret_access_key, self._instance)
        config = uvicorn.Config(
            Console(self._cloud, logins, hub, self._port).application(),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=int(GRACE),
        )
        server = uvicorn.Server(config)
        asyncio.get_running_loop().add_reader(self._ending, self._finish, server, hub)
        await server.serve([self._listener])

    def _finish(self, server: uvicorn.Server, hub: Hub) -> None:
        asyncio.get_running_loop().remove_reader(self._ending)
        hub.close()
        server.should_exit = True
