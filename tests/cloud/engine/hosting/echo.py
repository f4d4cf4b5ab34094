"""An image of one's own that answers at once, for tests of what happens around a server."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud.endpoints import Hosting
from tests.waiting import until

# It says the word of its environment and what it was asked. The word `fail` comes with a 500, `wait` never. Who
# asks it to wait is answered when there is no file `hold` beside the image.
ECHO = """#!/usr/bin/env python3
import http.server, os, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        word = os.environ["SAYS"]
        if word == "wait":
            threading.Event().wait()
        if body == b"wait":
            print("waits", flush=True)
            while os.path.exists("hold"):
                time.sleep(0.02)
        self.answer(500 if word == "fail" else 200, word.encode() + b" " + body)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
server = http.server.ThreadingHTTPServer
server.request_queue_size = 64
server(("0.0.0.0", port), Handler).serve_forever()
"""


def add(hosting: Hosting, folder: Path, name: str) -> str:
    """The name of a new image of that folder."""
    (folder / "serve").write_text(ECHO)
    (folder / "serve").chmod(0o755)
    return OwnImages(hosting.cloud.home.images).add(name, folder)


@dataclass
class Asked:
    """What clients heard: the first word of each answer, in order, and errors."""

    words: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.words)


@contextmanager
def asking(hosting: Hosting, name: str, clients: int = 3) -> Iterator[Asked]:
    """Clients that ask an endpoint without a pause for the block; the first answers have come when it begins."""
    heard, done = Asked(), threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                heard.words.append(say(hosting, name))
            except botocore.exceptions.ClientError as error:
                heard.errors.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(heard.words) + len(heard.errors), lambda count: count >= clients)
        yield heard
    finally:
        done.set()
        for thread in threads:
            thread.join()


def say(hosting: Hosting, name: str, body: bytes = b"?", **options: Any) -> str:
    """The first word of an answer."""
    answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType="text/plain", **options)
    return str(answer["Body"].read().split()[0].decode())
