"""The way into a container of the learner's own: from a Unix socket to the port that its server listens on.

`python3 -m sagelab.workbench.port SOCKET PORT` runs beside `serve`. Such a container has a network of its own, so
that every one can have its port 8080; the socket is the only way in.
"""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

from sagelab.workbench.relay import Relay, listen


def main() -> None:
    """Carry until the host ends: SIGTERM is for `serve`, which may still answer after it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    path, port = Path(sys.argv[1]), int(sys.argv[2])
    Relay(listen(path), lambda: socket.create_connection(("127.0.0.1", port)))
    signal.pause()


if __name__ == "__main__":
    main()
