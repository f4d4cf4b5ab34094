"""The pages of a pipeline, of its executions with their graph, and of the registry."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.cloud.console import browser
from tests.cloud.console.browser import TIMEOUT
from tests.cloud.jobs import Gate, Jobs
from tests.cloud.pipelines import Pipelines, definition, shell, step
from tests.cloud.resources.test_model_packages import group, version
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow


def test_execution_is_drawn_as_it_runs(cloud: LocalCloud, jobs: Jobs, gate: Gate, chromium: Browser) -> None:
    pipelines, equal = Pipelines(jobs), {"Type": "Equals", "LeftValue": 1, "RightValue": 2}
    branches = {
        "Conditions": [equal],
        "IfSteps": [shell("Left", "true")],
        "ElseSteps": [step("Right", "Fail", {"ErrorMessage": "not equal"})],
    }
    made = pipelines.create(
        definition(shell("Prepare", gate.wait), step("Choose", "Condition", branches, DependsOn=["Prepare"]))
    )
    arn = pipelines.start(made, PipelineExecutionDisplayName="first-run")
    expect.set_options(timeout=TIMEOUT)
    with browser.window(chromium, cloud) as window:
        window.log_in()
        window.open("/")
        page = window.page
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Pipelines").click()
        page.get_by_role("link", name=made).click()
        page.get_by_role("link", name="first-run").click()
        drawn = page.locator("svg.graph")
        expect(drawn.locator(".step.running")).to_contain_text("Prepare")
        expect(drawn.locator(".step.none")).to_have_count(3)
        gate.open()
        pipelines.wait(arn)
        expect(drawn.locator(".step.good")).to_have_count(2)
        expect(drawn.locator(".step.bad")).to_contain_text("Right")
        expect(page.get_by_role("table", name="Steps")).to_contain_text("not equal")
        expect(page.locator(".bar .status")).to_have_text("Failed")
        drawn.get_by_role("link").first.click()
        expect(page.locator("h1")).to_contain_text("-Prepare-")
        assert window.errors == []


def test_versions_are_listed_with_their_group(cloud: LocalCloud, jobs: Jobs, chromium: Browser) -> None:
    of = group(jobs)
    version(jobs, of, ModelApprovalStatus="Rejected")
    with browser.window(chromium, cloud) as window:
        window.log_in()
        window.open(f"/model-package-groups/{of}")
        window.page.get_by_role("link", name="version 1").click()
        window.see("Rejected")
        window.page.get_by_role("link", name=of).first.click()
        window.see("version 1")
        assert window.errors == []
