"""A real browser on a page that means harm: nothing it can send is served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cloud.chromium import REBOUND

pytestmark = pytest.mark.slow
FORM = """<form id="f" method="POST" enctype="{kind}" action="{url}/{path}">
<input name="Action" value="{action}"><input name="Version" value="2010-05-08">
<input name="RoleName" value="attacked"><input name="AssumeRolePolicyDocument" value="{{}}"></form>"""

# Whether something at a URL opens: 1, or 0.
SEEN = """url => new Promise(end => {{
  const it = "{kind}" === "Image" ? new Image() : new WebSocket(url);
  it.{opened} = () => end(1); it.onerror = () => end(0); it.src = url;
}})"""


class Page(BaseHTTPRequestHandler):
    """An empty page of the attacker's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>harmless</title><body></body>")

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def attacker() -> Iterator[str]:
    """The address of a foreign page."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page(chromium: Any, attacker: str) -> Iterator[Any]:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(attacker)
    yield page
    context.close()


def send(page: Any, url: str, **options: Any) -> Any:
    """What a script of the page sees of an answer: its status, or that it sees nothing."""
    code = "([url, options]) => fetch(url, options).then(a => a.status).catch(error => 'nothing')"
    return page.evaluate(code, [url, options])


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize(("path", "action"), [("", "CreateRole"), ("moto-api/reset", "Reset")])
def test_a_form_of_a_foreign_page_changes_nothing(
    gateway: Any, page: Any, kind: str, path: str, action: str
) -> None:
    page.set_content(FORM.format(kind=kind, url=gateway.url, path=path, action=action))
    with page.expect_navigation() as arrived:
        page.evaluate("document.getElementById('f').submit()")
    assert arrived.value.status == 403
    assert "attacked" not in [role["RoleName"] for role in gateway.client("iam").list_roles()["Roles"]]


@pytest.mark.parametrize("mode", ["cors", "no-cors"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_script_of_a_foreign_page_sees_nothing(gateway: Any, page: Any, mode: str, method: str) -> None:
    answers: list[int] = []
    page.on("response", lambda answer: answers.append(answer.status))
    assert send(page, f"{gateway.url}/", method=method, mode=mode) in ("nothing", 0)
    assert set(answers) <= {403}


def test_a_presigned_url_in_a_foreign_page_is_not_readable(gateway: Any, page: Any) -> None:
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="browsed")
    s3.put_object(Bucket="browsed", Key="k", Body=b"content", ContentType="text/plain")
    url = s3.generate_presigned_url("get_object", {"Bucket": "browsed", "Key": "k"})
    assert send(page, url) == "nothing"
    assert page.goto(url).text() == "content"  # the same URL, opened by the person who has it


def test_a_rebound_name_is_refused(gateway: Any, page: Any) -> None:
    port = urlsplit(gateway.url).port
    arrived = page.goto(f"http://{REBOUND}:{port}/")
    assert (arrived.status, "127.0.0.1 and localhost only" in arrived.text()) == (403, True)
    assert send(page, f"http://{REBOUND}:{port}/", method="POST", body="{}") == 403


def test_a_picture_in_a_foreign_page_is_not_shown(gateway: Any, page: Any) -> None:
    assert page.evaluate(SEEN.format(kind="Image", opened="onload"), f"{gateway.url}/bucket/key.png") == 0


def test_a_socket_of_a_foreign_page_is_not_opened(gateway: Any, page: Any) -> None:
    url = gateway.url.replace("http", "ws")
    assert page.evaluate(SEEN.format(kind="WebSocket", opened="onopen"), url) == 0


def test_a_signed_form_uploads_from_a_page_of_this_machine_alone(gateway: Any, page: Any) -> None:
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="formed")
    fields = {"success_action_status": "201"}
    form = s3.generate_presigned_post("formed", "up/${filename}", Fields=fields, Conditions=[fields])
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in form["fields"].items())
    html = f'<form method="POST" enctype="multipart/form-data" action="{form["url"]}">{inputs}'
    html += '<input type="file" name="file"><button>Upload</button></form>'
    s3.put_object(Bucket="formed", Key="form.html", Body=html.encode(), ContentType="text/html")
    chosen = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"of a browser"}

    def upload() -> int:
        page.set_input_files("input[type=file]", chosen)
        with page.expect_navigation() as arrived:
            page.click("button")
        return int(arrived.value.status)

    page.set_content(html)
    assert upload() == 403
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="formed")["Contents"]] == ["form.html"]
    page.goto(s3.generate_presigned_url("get_object", {"Bucket": "formed", "Key": "form.html"}))
    assert upload() == 201
    assert s3.get_object(Bucket="formed", Key="up/note.txt")["Body"].read() == b"of a browser"
