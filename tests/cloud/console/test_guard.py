from __future__ import annotations

import pytest

from tests.cloud.console.conftest import Page

API = ["/api/about", "/api/overview", "/api/events"]


@pytest.mark.parametrize("path", ["/", "/static/js/console.js", "/api/about"])
def test_every_answer_keeps_the_page_to_itself(page: Page, path: str) -> None:
    headers = page.request("GET", path, Origin=None).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/", "/api/about", "/static/js/console.js"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:80"])
def test_a_name_that_is_not_this_machines_is_refused(page: Page, path: str, host: str) -> None:
    assert page.request("GET", path, Host=host, Origin=None).status == 403


@pytest.mark.parametrize("path", API)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_calls_from_anywhere_but_the_page_are_refused(page: Page, path: str, site: str | None) -> None:
    assert page.request("GET", path, Sec_Fetch_Site=site, Origin=None).status == 403


def test_another_port_of_this_machine_is_foreign(page: Page) -> None:
    answer = page.request("POST", "/api/call", {}, Origin="http://127.0.0.1:1", Sec_Fetch_Site="same-site")
    assert answer.status == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", None])
def test_a_foreign_origin_changes_nothing(page: Page, origin: str | None) -> None:
    assert page.request("POST", "/api/call", {}, Origin=origin).status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_changes_nothing(page: Page, kind: str) -> None:
    assert page.request("POST", "/api/call", {}, Content_Type=kind).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_the_page_is_not_embedded_or_led_to_from_elsewhere(stranger: Page, site: str) -> None:
    answer = stranger.request("GET", "/training-jobs", Sec_Fetch_Site=site, Origin=None)
    assert answer.status == 403
    assert b"sagelab open" in answer.body


@pytest.mark.parametrize(
    ("path", "site", "mode", "dest", "status"),
    [
        ("/", "same-site", "navigate", "document", 200),
        ("/", "same-site", "navigate", "iframe", 403),
        ("/", "same-site", "no-cors", "document", 403),
        ("/", "cross-site", "navigate", "document", 403),
        ("/api/about", "same-site", "navigate", "document", 403),
    ],
)
def test_a_page_of_this_machine_leads_a_window_to_the_first_page_and_no_further(
    stranger: Page, path: str, site: str, mode: str, dest: str, status: int
) -> None:
    sent = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
    assert stranger.request("GET", path, Origin=None, **sent).status == status


def test_the_page_opens_by_its_address(stranger: Page) -> None:
    for path in ("/", "/training-jobs/a-job", "/s3/bucket/a/key.json"):
        answer = stranger.request("GET", path, Sec_Fetch_Site="none", Origin=None)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_pages_are_for_reading(page: Page) -> None:
    assert page.request("POST", "/", {}).status == 403
