"""Other pages in the same browser, while the user is logged in: none of them gets at the console."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser

from tests.cloud.console import browser
from tests.cloud.console.browser import Window
from tests.cloud.jobs import ROLE, Jobs
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow  # Chromium

# Tries every way that a page has; `tried` says how each of them went.
ATTACK = """
<!doctype html><title>attack</title><iframe name="target" src="CONSOLE/"></iframe>
<form id="form" method="post" action="CONSOLE/api/call" enctype="text/plain" target="target">
<input name='BODY' value=''></form>
<script>
const tried = {};
const attempt = async (name, act) => {
  try { tried[name] = await act(); } catch (error) { tried[name] = "refused"; }
};
const body = 'BODY';
const read = async (answer) => [answer.status, await answer.text()];
const load = (kind, address) => new Promise((resolve) => {
  const element = document.createElement(kind);
  element.onload = () => resolve("loaded");
  element.onerror = () => resolve("refused");
  element.src = address;
  document.body.append(element);
});
const shown = async () => {  // until then there is an empty page of this one's own in the frame
  const frame = document.querySelector("iframe");
  while (frame.contentDocument?.URL === "about:blank") await new Promise((resume) => setTimeout(resume, 10));
  return frame;
};
(async () => {
  const options = { method: "POST", credentials: "include", body };
  await attempt("simple", async () => read(await fetch("CONSOLE/api/call", options)));
  const json = { ...options, headers: { "Content-Type": "application/json" } };
  await attempt("json", async () => read(await fetch("CONSOLE/api/call", json)));
  await attempt("blind", async () => (await fetch("CONSOLE/api/call", { ...options, mode: "no-cors" })).type);
  await attempt("read", async () => read(await fetch("CONSOLE/api/about", { credentials: "include" })));
  await attempt("events", async () => read(await fetch("CONSOLE/api/events", { credentials: "include" })));
  await attempt("script", () => load("script", "CONSOLE/static/js/console.js"));
  await attempt("picture", () => load("img", "CONSOLE/static/icon.svg"));
  await attempt("frame", async () => (await shown()).contentDocument.body.textContent);
  document.getElementById("form").submit();
  await new Promise((resolve) => { document.querySelector("iframe").onload = resolve; });
  window.tried = tried;
})();
</script>
"""
BLIND = {"opaque", "refused"}


@contextmanager
def site(content: str) -> Iterator[int]:
    """A web server of somebody else; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def model(jobs: Jobs, unique: Callable[[str], str]) -> str:
    """A model that every attack tries to delete."""
    name = unique("model")
    container = {
        "Image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.19-cpu",
        "ModelDataUrl": jobs.put("model.tar.gz", b"x"),
    }
    jobs.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    return name


def attack(console: str, model: str) -> str:
    call = {"service": "sagemaker", "operation": "DeleteModel", "params": {"ModelName": model}}
    return ATTACK.replace("CONSOLE", console).replace("BODY", json.dumps(call))


def assert_harmless(opened: Window, address: str) -> None:
    page = opened.context.new_page()
    page.goto(address)
    page.wait_for_function("window.tried")
    tried = page.evaluate("window.tried")
    assert tried.pop("blind") in BLIND
    assert set(tried.values()) == {"refused"}, tried


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "somewhere.localhost"])
def test_a_foreign_page_reads_and_changes_nothing(
    chromium: Browser, cloud: LocalCloud, jobs: Jobs, model: str, host: str
) -> None:
    with browser.window(chromium, cloud) as opened:
        opened.log_in()
        with site(attack(opened.url, model)) as port:
            assert_harmless(opened, f"http://{host}:{port}/")
    assert jobs.sagemaker.describe_model(ModelName=model)


def test_an_object_of_a_bucket_reads_and_changes_nothing(
    chromium: Browser, cloud: LocalCloud, jobs: Jobs, model: str
) -> None:
    with browser.window(chromium, cloud) as opened:
        opened.log_in()
        page = attack(opened.url, model).encode()
        jobs.s3.put_object(Bucket=jobs.bucket, Key="attack.html", Body=page, ContentType="text/html")
        address = jobs.s3.generate_presigned_url(
            "get_object", Params={"Bucket": jobs.bucket, "Key": "attack.html"}
        )
        assert_harmless(opened, address)
    assert jobs.sagemaker.describe_model(ModelName=model)


def test_another_port_gets_the_cookie_but_not_the_key(chromium: Browser, cloud: LocalCloud) -> None:
    """A browser sends cookies to every port of a host: what a job listens on may see it."""
    with browser.window(chromium, cloud) as opened, site("<p>a job's own server</p>") as port:
        opened.log_in()
        page = opened.context.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        assert page.evaluate("localStorage.length") == 0
        assert opened.page.evaluate("localStorage.length") > 0
