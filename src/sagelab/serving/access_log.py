"""A line a request on stdout, in the combined format that nginx prints in the container.

Lines go out together, a tenth of a second after the first of them: each write wakes whoever reads the log, who has
an answer to carry just then.
"""

from __future__ import annotations

import sys
import threading
import time

from sagelab.serving.connections import Request

PAUSE = 0.1


class AccessLog:
    """Takes lines of any thread."""

    def __init__(self) -> None:
        self._lock, self._lines = threading.Lock(), list[str]()
        self._news, self._closed = threading.Event(), threading.Event()
        threading.Thread(target=self._run, daemon=True, name="access log").start()

    def note(self, request: Request, status: int, size: int) -> None:
        """size: bytes of the answer's body."""
        when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        agent = request.headers.get("user-agent", "-")
        what = f"{request.method} {request.path} HTTP/{request.version}"
        with self._lock:
            self._lines.append(f'localhost - - [{when}] "{what}" {status} {size} "-" "{agent}"\n')
        self._news.set()

    def close(self) -> None:
        """Write the rest."""
        self._closed.set()
        self._write()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._news.wait()
            self._closed.wait(PAUSE)
            self._news.clear()
            self._write()

    def _write(self) -> None:
        with self._lock:
            lines, self._lines = self._lines, []
            sys.stdout.write("".join(lines))
            sys.stdout.flush()
