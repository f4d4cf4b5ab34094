from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from sagelab.cloud import control
from tests.cloud.console import browser
from tests.cloud.console.browser import Window
from tests.conftest import LocalCloud


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Page:
    """The console as its own page asks it: with the headers that a browser sends for it."""

    url: str
    cookie: str = ""
    key: str = ""

    def request(self, method: str, path: str, body: Any = None, **changes: str | None) -> Answer:
        """body: bytes as they are, else as JSON. changes: headers beside the page's own; None leaves one out."""
        content = body if isinstance(body, bytes | None) else json.dumps(body)
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request(method, path, content, self.headers(**changes))
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())
        finally:
            connection.close()

    def headers(self, **changes: str | None) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in changes.items()}
        headers = {
            "Sec-Fetch-Site": "same-origin",
            "Origin": self.url,
            "Content-Type": "application/json",
            "Cookie": self.cookie,
            "X-Sagelab-Key": self.key,
        }
        return {name: value for name, value in {**headers, **named}.items() if value}

    def log_in(self, token: str) -> Answer:
        answer = self.request("POST", "/api/login", {"token": token})
        if answer.status == 200:
            self.cookie, self.key = answer.headers["set-cookie"].partition(";")[0], answer.json["key"]
        return answer

    def call(self, service: str, operation: str, /, **params: Any) -> Answer:
        return self.request("POST", "/api/call", {"service": service, "operation": operation, "params": params})


def token_of(cloud: LocalCloud) -> str:
    """A token that nobody has used."""
    return control.console(cloud.home).partition("#token=")[2]


@pytest.fixture
def stranger(cloud: LocalCloud) -> Page:
    """Somebody who has not logged in."""
    running = cloud.home.server()
    assert running is not None
    return Page(running["console"])


@pytest.fixture
def page(cloud: LocalCloud, stranger: Page) -> Iterator[Page]:
    """Somebody who has."""
    assert stranger.log_in(token_of(cloud)).status == 200
    yield stranger
    stranger.request("POST", "/api/logout", {})


@pytest.fixture
def window(chromium: Browser, cloud: LocalCloud) -> Iterator[Window]:
    """A window that is logged in; nothing it asked for left this machine, and nothing in it failed."""
    with browser.window(chromium, cloud) as opened:
        opened.log_in()
        yield opened
        assert not [url for url in opened.asked if not url.startswith((opened.url, "blob:", "data:"))]
        assert opened.errors == []
