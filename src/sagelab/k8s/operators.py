"""The operator's process, beside the API server: started again when it dies, ended with the server."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

from sagelab.cloud import control
from sagelab.cloud.engine.images.environments import KUBERNETES, Environments
from sagelab.cloud.home import Home

PAUSE = 1.0  # seconds until one that has died is started again
GRACE = 5.0  # seconds until one that does not end is killed

log = logging.getLogger("sagelab.k8s")


class Operator:
    """The operator of one API server. folder: of the server, with its kubeconfig."""

    def __init__(self, home: Home, folder: Path) -> None:
        packages = Environments(home.environments).packages(KUBERNETES)
        self._env = control.surroundings(home) | {"KUBECONFIG": str(folder / "kubeconfig")}
        self._env["PYTHONPATH"] = os.pathsep.join([str(packages), self._env["PYTHONPATH"]])
        self._log = folder / "operator.log"
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it, and again whenever it ends, until `stop`."""
        self._log.unlink(missing_ok=True)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End it."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            with self._log.open("ab") as out:
                command = [sys.executable, "-P", "-m", "sagelab.k8s.sagemaker.operator"]
                process = await asyncio.create_subprocess_exec(
                    *command, env=self._env, stdin=asyncio.subprocess.PIPE, stdout=out, stderr=out
                )
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await _end(process)
                raise
            log.warning("the operator ended with %s; %s has what it said", code, self._log)
            await asyncio.sleep(PAUSE)


async def _end(process: asyncio.subprocess.Process) -> None:
    """It ends with its standard input."""
    if process.stdin:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), GRACE)
    except TimeoutError:
        process.kill()
        await process.wait()
