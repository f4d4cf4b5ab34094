"""The page of a Spark application: what its event log says, and nothing of it as anything but text."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.cloud.builds import make_role
from tests.cloud.console.browser import TIMEOUT, Window
from tests.cloud.console.conftest import Page
from tests.conftest import LocalCloud

expect.set_options(timeout=TIMEOUT)
RECORDED = Path(__file__).parents[2] / "data" / "spark-event-log.jsonl"


def logged(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def application(name: str) -> list[dict[str, Any]]:
    """The beginning of one that nobody wants."""
    executor = {"Executor ID": name, "Executor Info": {"Host": name, "Total Cores": 1}, "Timestamp": 1000}
    info = {"Task ID": 1, "Index": 0, "Attempt": 0, "Executor ID": name, "Launch Time": 1000, "Finish Time": 2000}
    stage = {
        "Stage ID": 0,
        "Stage Attempt ID": 0,
        "Stage Name": name,
        "Number of Tasks": 1,
        "Submission Time": 1000,
    }
    return [
        {
            "Event": "SparkListenerApplicationStart",
            "App Name": name,
            "App ID": name,
            "User": name,
            "Timestamp": 1000,
        },
        {"Event": "SparkListenerExecutorAdded", **executor},
        {"Event": "SparkListenerStageSubmitted", "Stage Info": stage},
        {
            "Event": "SparkListenerTaskEnd",
            "Stage ID": 0,
            "Stage Attempt ID": 0,
            "Task End Reason": {"Reason": "ExceptionFailure", "Description": name},
            "Task Info": info,
        },
        {"Event": "SparkListenerExecutorRemoved", **executor, "Removed Reason": name, "Timestamp": 2000},
        {"Event": "SparkListenerStageCompleted", "Stage Info": stage | {"Failure Reason": name}},
    ]


@pytest.fixture
def bucket(cloud: LocalCloud, unique: Callable[[str], str]) -> str:
    name = unique("events")
    cloud.client("s3").create_bucket(Bucket=name)
    return name


def test_an_application_is_read_from_s3_and_only_anew_when_it_has_changed(
    page: Page, cloud: LocalCloud, bucket: str
) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=bucket, Key="logs/app-1.gz", Body=gzip.compress(RECORDED.read_bytes()))
    found = page.request("POST", "/api/application", {"bucket": bucket, "key": "logs/app-1.gz"}).json
    assert found["told"]["work"]["done"] > 0
    again = {"bucket": bucket, "key": "logs/app-1.gz", "etag": found["etag"]}
    assert page.request("POST", "/api/application", again).json == {"etag": found["etag"]}
    content = RECORDED.read_bytes()
    half = content.index(b"\n", len(content) // 2) + 1
    for number, part in ((2, content[half:]), (1, content[:half])):
        s3.put_object(Bucket=bucket, Key=f"logs/eventlog_v2_app-1/events_{number}_app-1", Body=part)
    parts = page.request("POST", "/api/application", {"bucket": bucket, "key": "logs/eventlog_v2_app-1/"}).json
    assert parts["told"] == found["told"]


@pytest.mark.parametrize(
    ("bucket_of", "key", "code"),
    [
        ("no-such-bucket-here", "app-1", "NoSuchBucket"),
        (None, "app-1", "NoSuchKey"),
        (None, "app-1.zstd", "InvalidLog"),
    ],
)
def test_a_log_that_is_not_there_or_not_readable_is_refused(
    page: Page, cloud: LocalCloud, bucket: str, bucket_of: str | None, key: str, code: str
) -> None:
    cloud.client("s3").put_object(Bucket=bucket, Key="app-1.zstd", Body=b"x")
    answer = page.request("POST", "/api/application", {"bucket": bucket_of or bucket, "key": key})
    assert (answer.status, answer.json["error"]["code"]) == (400, code)


def test_strangers_read_no_application(stranger: Page) -> None:
    assert stranger.request("POST", "/api/application", {"bucket": "b", "key": "k"}).status == 401
    assert stranger.request("POST", "/api/dashboard", {"name": "d"}).status == 401


@pytest.mark.slow
def test_a_lost_executor_is_seen_with_its_reason_and_what_was_done_again(
    window: Window, cloud: LocalCloud, bucket: str
) -> None:
    cloud.client("s3").put_object(Bucket=bucket, Key="logs/app-1", Body=RECORDED.read_bytes())
    window.open(f"/spark?place=s3://{bucket}/logs/")
    page = window.page
    expect(page.locator(".bar .status")).to_contain_text("COMPLETED")
    lanes = page.get_by_role("img").filter(has=page.locator(".lost"))
    expect(lanes).to_have_count(1)
    expect(page.locator(".lane p")).to_contain_text("Lost at")
    assert page.locator(".lane rect.failed").count() > 0
    page.get_by_text("Query 1").click()
    expect(page.locator(".plan[open] pre")).to_contain_text("HashAggregate")


@pytest.mark.slow
def test_a_log_that_grows_is_followed_and_nothing_in_it_becomes_a_page(
    window: Window, cloud: LocalCloud, bucket: str
) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    s3, events = cloud.client("s3"), application(evil)
    window.open(f"/spark?place=s3://{bucket}/")
    expect(window.page.get_by_text("No event log is there yet")).to_be_visible()
    s3.put_object(Bucket=bucket, Key="app-1", Body=logged(*events[:3]))
    expect(window.page.get_by_role("heading", level=1)).to_have_text(evil)
    expect(window.page.locator(".bar .status")).to_contain_text("RUNNING")
    s3.put_object(
        Bucket=bucket,
        Key="app-1",
        Body=logged(*events, {"Event": "SparkListenerApplicationEnd", "Timestamp": 9000, "ExitCode": 1}),
    )
    expect(window.page.locator(".bar .status")).to_contain_text("FAILED")
    assert window.page.locator("main img, main script").count() == 0
    assert "owned" not in window.page.title()


@pytest.mark.slow
def test_what_runs_spark_leads_to_its_application(
    window: Window, cloud: LocalCloud, unique: Callable[[str], str]
) -> None:
    name = unique("nightly")
    command = {"Name": "glueetl", "ScriptLocation": "s3://scripts/nightly.py"}
    cloud.client("glue").create_job(Name=name, Role=make_role(cloud, "glue"), Command=command)
    window.open(f"/glue-jobs?q={name}")
    row = window.page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("glueetl")
    expect(row.get_by_role("link", name="s3://scripts/nightly.py")).to_be_visible()
    expect(window.page.get_by_role("heading", name=f"Runs of {name}")).to_be_visible()
    described = {
        "AppSpecification": {
            "ContainerEntrypoint": ["smspark-submit", "--local-spark-event-logs-dir", "/opt/ml/e/"]
        },
        "ProcessingOutputConfig": {"Outputs": [{"S3Output": {"S3Uri": "s3://b/log/", "LocalPath": "/opt/ml/e"}}]},
    }
    script = "async (job) => (await import('/static/js/kinds.js')).sparkPlace(job)"
    assert window.page.evaluate(script, described) == "s3://b/log/"
    described["AppSpecification"] = {"ContainerArguments": ["--spark-event-logs-s3-uri", "s3://c/"]}
    assert window.page.evaluate(script, described) == "s3://c/"
    assert not window.page.evaluate(script, {"AppSpecification": {}})
