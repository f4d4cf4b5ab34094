"""A local cloud that is killed."""

from __future__ import annotations

import signal

from sagelab.cloud import control
from sagelab.cloud.home import Home


def kill(home: Home) -> None:
    """Kill the running local cloud and wait until nothing of it is left."""
    running = home.server()
    assert running is not None
    wait_end(running["pid"])


def wait_end(pid: int) -> None:
    """Kill a process and wait for its end."""
    assert control.end(pid, signal.SIGKILL, 30)
