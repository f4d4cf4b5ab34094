"""A real Chromium on the console, for tests that click."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from sagelab.cloud import control
from tests.conftest import LocalCloud

TIMEOUT = 60_000  # ms that the page may take, however slow the machine


@dataclass
class Window:
    """A browser window on the console of `cloud`, with all that it asked for and complained of."""

    cloud: LocalCloud
    context: BrowserContext
    page: Page = field(init=False)
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(TIMEOUT)
        self.context.on("request", self._ask)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._complain)

    @property
    def url(self) -> str:
        running = self.cloud.home.server()
        assert running is not None
        return str(running["console"])

    def log_in(self) -> None:
        """Without the two pages that a login by its address draws: a test opens the one that it is of."""
        token = control.console(self.cloud.home).partition("#token=")[2]
        headers = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        answer = self.context.request.post(f"{self.url}/api/login", data={"token": token}, headers=headers)
        self.page.goto(f"{self.url}/static/icon.svg")
        self.page.evaluate("key => localStorage.setItem('sagelab-console-key', key)", answer.json()["key"])

    def open(self, path: str) -> None:
        """Go to an address of the console and wait until the page is there and hears of changes."""
        self.page.goto(self.url + path)
        self.page.locator("main h1").wait_for()
        self.page.locator(".line.live").wait_for()

    def see(self, text: str) -> None:
        """Wait until the page shows a text."""
        self.page.get_by_text(text).first.wait_for()

    def close(self) -> None:
        """Close its pages; cookies and what the pages kept are gone from the context, which goes on."""
        self.context.remove_listener("request", self._ask)
        held, *opened = self.context.pages
        for page in opened:
            page.close()
        session = self.context.new_cdp_session(held)
        for origin in {"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in self.asked}:
            session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        session.detach()
        self.context.clear_cookies()

    def _ask(self, request: Request) -> None:
        self.asked.append(request.url)

    def _complain(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "status of 400" not in message.text:  # a refusal, which the page shows
            self.errors.append(message.text)


@contextmanager
def window(browser: Browser, cloud: LocalCloud) -> Iterator[Window]:
    """A new window that remembers nothing of those before it."""
    context = shared(browser)
    apart = len(context.pages) > 1  # another window is open
    opened = Window(cloud, browser.new_context() if apart else context)
    opened.page.set_viewport_size({"width": 1280, "height": 800})
    opened.page.emulate_media(color_scheme="light")
    try:
        yield opened
    finally:
        if apart:
            opened.context.close()
        else:
            opened.close()


@cache
def shared(browser: Browser) -> BrowserContext:
    """The context of all windows that are open alone, held by an empty page: a new one takes a second to draw."""
    context = browser.new_context()
    context.new_page()
    return context
