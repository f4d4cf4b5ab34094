"""What the console shows of Glue's jobs and of EMR Serverless's applications: their runs, as they end."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.cloud.builds import make_role
from tests.cloud.console.browser import TIMEOUT, Window
from tests.cloud.emr_serverless import Serverless
from tests.cloud.glue import Glue
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow  # Chromium

expect.set_options(timeout=TIMEOUT)


def test_a_job_of_glue_shows_its_runs_as_they_end(window: Window, cloud: LocalCloud) -> None:
    glue = Glue(cloud)
    name = glue.make("raise ValueError('too few rows')")
    window.open("/glue-jobs")
    window.page.get_by_role("link", name=name, exact=True).click()
    expect(window.page.get_by_role("heading", name=f"Runs of {name}")).to_be_visible()
    glue.start(name)
    row = window.page.get_by_role("row").filter(has_text="too few rows")
    expect(row).to_contain_text("FAILED")


def test_an_application_shows_its_job_runs_and_why_they_failed(window: Window, cloud: LocalCloud) -> None:
    serverless = Serverless(cloud)
    key = serverless.make(name=serverless.bucket)
    window.open("/serverless")
    row = window.page.get_by_role("row").filter(has_text=key)
    expect(row).to_contain_text("CREATED")
    window.page.get_by_role("link", name=serverless.bucket).click()
    expect(window.page.get_by_role("heading", name=f"Runs of {serverless.bucket}")).to_be_visible()
    serverless.start(key, "print(1)", name="shown", executionRoleArn=make_role(cloud, "glue"))
    run = window.page.get_by_role("row").filter(has_text="shown")
    expect(run).to_contain_text("FAILED")
    expect(run).to_contain_text("Could not assume runtime role")
    expect(row).to_contain_text("STARTED")
