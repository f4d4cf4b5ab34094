"""What the console shows of Athena's queries and Glue's crawlers: what each came to, and what it costs on AWS."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.cloud.builds import make_role
from tests.cloud.console.browser import TIMEOUT, Window
from tests.cloud.lake import Lake
from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = pytest.mark.slow  # Chromium

expect.set_options(timeout=TIMEOUT)


@pytest.fixture(scope="module")
def lake(cloud: LocalCloud) -> Lake:
    found = Lake(cloud)
    found.put("shown/a.csv", "id,name\n1,x\n2,y\n")
    return found


def test_queries_of_a_workgroup_show_their_state_and_price_as_they_come(
    window: Window, lake: Lake, unique: Callable[[str], str]
) -> None:
    group = unique("group")
    place = {"ResultConfiguration": {"OutputLocation": lake.uri("seen/")}}
    lake.athena.create_work_group(Name=group, Configuration=place)
    window.open(f"/queries?q={group}")
    page = window.page
    expect(page.get_by_text("Athena has had no query in this workgroup.")).to_be_visible()
    lake.rows("SELECT 7 AS seen", WorkGroup=group)
    row = page.get_by_role("row").filter(has_text="SELECT 7 AS seen")
    expect(row).to_contain_text("SUCCEEDED")
    expect(row).to_contain_text("$0.000048")  # 10 MB at least
    drawn = row.get_by_role("link", name="Draw it").get_attribute("href")
    assert drawn == f"/dashboards?create=yes&sql=SELECT+7+AS+seen&workgroup={group}"
    reason = lake.reason("SELECT * FROM nope", WorkGroup=group)
    failed = page.get_by_role("row").filter(has_text="SELECT * FROM nope")
    expect(failed).to_contain_text("FAILED")
    expect(failed).to_contain_text("$0.000000")
    expect(failed).to_contain_text(reason)
    box = page.get_by_role("searchbox", name="Workgroup")
    box.fill("nobody-has-this")
    box.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("WorkGroup nobody-has-this is not found.")


def test_crawlers_show_what_their_last_crawl_came_to_as_it_ends(
    window: Window, lake: Lake, unique: Callable[[str], str]
) -> None:
    name = unique("crawler")
    target = {"S3Targets": [{"Path": lake.uri("shown/")}]}
    role = make_role(lake.cloud, "glue")
    lake.glue.create_crawler(Name=name, Role=role, DatabaseName=lake.database, Targets=target)
    window.open("/crawlers")
    row = window.page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("READY")
    expect(row).to_contain_text(lake.uri("shown/"))
    lake.glue.start_crawler(Name=name)
    until(lambda: lake.glue.get_crawler(Name=name)["Crawler"]["State"], lambda state: state == "READY")
    expect(row).to_contain_text("SUCCEEDED")
    expect(row).to_contain_text("1 made")
    lake.glue.delete_crawler(Name=name)
