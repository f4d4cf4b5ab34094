"""What the console shows of an endpoint in operation: scaling and alarms on one axis, zones, advice."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.cloud.console.browser import TIMEOUT, Window
from tests.cloud.endpoints import Hosting
from tests.cloud.scaling import Scaling, add_image
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow  # Chromium

IMAGE = "paged:1"
ADVISED = """
async () => {
  const { Advice } = await import("/static/js/advice.js");
  const { h, render } = await import("/static/js/ui.js");
  const each = (InstanceType, ModelLatency, cost) => ({
    RecommendationId: InstanceType,
    EndpointConfiguration: { InstanceType },
    Metrics: { ModelLatency, CostPerInference: cost / 1e6, CostPerHour: 0.1, MaxInvocations: 2400 },
  });
  const rows = [each("ml.c5.xlarge", 10, 0.4), each("ml.c5.large", 20, 0.2), each("ml.m5.large", 30, 0.3)];
  const place = document.querySelector("main");
  render(h(Advice, { item: { InferenceRecommendations: rows } }), place);
}
"""

expect.set_options(timeout=TIMEOUT)


@pytest.fixture(scope="module")
def scaled(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An endpoint with a policy, which a limit has brought to two instances."""
    hosting = Hosting(cloud)
    scaling = Scaling(hosting, add_image(cloud, tmp_path_factory.mktemp("image"), IMAGE))
    name = scaling.endpoint()
    scaling.register(name)
    scaling.track(name, 120.0, "half-of-the-most")
    scaling.register(name, least=2)
    scaling.done(name)
    yield name
    hosting.close()


def test_instances_activities_and_alarms_stand_on_one_axis(window: Window, scaled: str) -> None:
    window.open(f"/endpoints/{scaled}")
    page = window.page
    expect(page.get_by_role("img", name="Instances: in service 2, wanted 2")).to_be_visible()
    for side in ("AlarmHigh", "AlarmLow"):
        expect(page.get_by_role("img", name=re.compile(rf"^{side}: (INSUFFICIENT_DATA|OK|ALARM)"))).to_be_visible()
    expect(page.get_by_role("table", name="Activities")).to_contain_text("Setting desired instance count to 2.")
    alarms = page.get_by_role("table", name="Alarms")
    expect(alarms).to_contain_text("Sum of InvocationsPerInstance over 120 in 3 of 3 periods of 1 min")
    expect(alarms).not_to_contain_text("TargetTracking-")
    expect(page.get_by_role("table", name="Zones")).to_contain_text("us-east-1a")
    expect(page.locator(".facts").filter(has_text="half-of-the-most")).to_contain_text(
        "InvocationsPerInstance at 120"
    )


def test_an_alarm_of_scaling_goes_by_its_endpoint(window: Window, scaled: str) -> None:
    window.open("/alarms")
    row = window.page.get_by_role("row").filter(has_text=f"AlarmHigh of {scaled}")
    row.get_by_role("link", name=scaled).click()
    expect(window.page.locator("h1")).to_have_text(scaled)


def test_the_page_of_a_scaled_endpoint_fits_a_phone(window: Window, scaled: str) -> None:
    window.page.set_viewport_size({"width": 390, "height": 800})
    window.open(f"/endpoints/{scaled}")
    expect(window.page.get_by_role("img", name=re.compile("^AlarmLow"))).to_be_visible()
    wide = window.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, f"the page is {wide} px wide"


def test_advice_is_drawn_with_its_frontier(window: Window) -> None:
    window.open("/alarms")
    window.page.evaluate(ADVISED)
    drawn = window.page.get_by_role("img", name=re.compile("ml.c5.xlarge 10 ms"))
    expect(drawn).to_be_visible()
    line = drawn.locator(".front").get_attribute("d") or ""
    assert line.count("H") == 1  # from one of two points to the other; the third is dearer and slower
    rows = window.page.get_by_role("table", name="Recommendations").locator("tbody tr")
    expect(rows.first).to_contain_text("ml.c5.large")
    points = window.page.evaluate(
        "import('/static/js/advice.js').then((all) => all.frontier([[3,1],[1,3],[2,2],[3,3]]))"
    )
    assert points == [[1, 3], [2, 2], [3, 1]]
