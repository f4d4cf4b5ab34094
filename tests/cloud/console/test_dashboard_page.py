"""Dashboards in the console: drawn from what QuickSight's API keeps, refreshed by Athena, made by clicks."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.cloud.console.browser import TIMEOUT, Window
from tests.cloud.console.conftest import Page
from tests.cloud.dashboards import Desk, bar, field, kpi, line, measure, table
from tests.cloud.lake import Lake
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow  # Chromium

expect.set_options(timeout=TIMEOUT)
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def desk(cloud: LocalCloud) -> Desk:
    lake = Lake(cloud)
    lake.put("clicks/a.csv", f"sport,3\nmoney,4\n{EVIL},2\n")
    lake.run(
        "CREATE EXTERNAL TABLE clicks (topic string, clicks int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
        f" LOCATION '{lake.uri('clicks/')}'"
    )
    return Desk(lake)


def test_a_dashboard_is_drawn_and_refreshed(window: Window, desk: Desk) -> None:
    lake = desk.lake
    key, _ = desk.make(f"SELECT topic, clicks FROM {lake.database}.clicks", topic="STRING", clicks="INTEGER")
    topic, clicks = field("topic"), measure("clicks")
    name = desk.draw(
        key, bar(topic, clicks), line(topic, clicks), kpi(clicks), table("topic", "clicks"), name=EVIL
    )
    window.open(f"/dashboards/{name}")
    page = window.page
    expect(page.get_by_role("heading", level=1)).to_have_text(EVIL)
    pictures = page.locator("main [role=img]")
    expect(pictures).to_have_count(2)
    expect(pictures.first).to_have_attribute(
        "aria-label", f"topic, clicks (sum): 3 categories; clicks (sum) from 2 ({EVIL}) to 4 (money)"
    )
    expect(page.locator(".kpi")).to_contain_text("9")
    expect(page.get_by_role("row").filter(has_text="COMPLETED")).to_contain_text("$0.000048")
    lake.put("clicks/b.csv", "travel,10\n")
    page.get_by_role("button", name="Refresh data").click()
    expect(page.locator(".kpi")).to_contain_text("19")
    expect(page.get_by_role("region").get_by_text("travel").first).to_be_visible()
    lake.glue.delete_table(DatabaseName=lake.database, Name="clicks")
    page.get_by_role("button", name="Refresh data").click()
    expect(page.locator("tr", has=page.locator(".status.bad"))).to_contain_text("clicks")
    expect(page.locator(".kpi")).to_contain_text("19")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("main img").count() == 0


@pytest.mark.long
def test_a_dashboard_is_made_by_clicks(window: Window, desk: Desk) -> None:
    window.open(f"/dashboards?create=yes&workgroup={desk.name}&sql=SELECT+nope")
    page = window.page
    page.get_by_role("button", name="Run query").click()
    expect(page.get_by_role("alert")).to_contain_text("FAILED")
    page.get_by_label("Query").fill("SELECT * FROM (VALUES ('a', 1), ('b', 2)) AS t(name, n)")
    page.get_by_role("button", name="Run query").click()
    page.get_by_label("Name", exact=True).fill("By clicks")
    page.get_by_role("button", name="Add panel").click()
    page.get_by_label("Chart").last.select_option("number")
    page.get_by_role("button", name="Create dashboard").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("By clicks")
    expect(page.locator(".kpi")).to_contain_text("3")
    expect(page.locator("main [role=img]")).to_have_count(1)
    page.get_by_role("link", name="Dashboards").first.click()
    expect(page.get_by_role("link", name="By clicks")).to_be_visible()


def test_a_page_of_no_dashboard_says_so(page: Page) -> None:
    answer = page.request("POST", "/api/dashboard", {"name": "nobody-has-this"})
    assert (answer.status, answer.json["error"]["code"]) == (400, "ResourceNotFoundException")
    assert page.request("POST", "/api/dashboard", {"name": "no/such name"}).status == 400
