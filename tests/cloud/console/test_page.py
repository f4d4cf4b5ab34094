"""The page in a real browser, with real jobs behind it."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable
from itertools import product

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Browser, expect

from sagelab.cloud import control
from sagelab.cloud.home import ROLE_NAME
from tests.cloud import processing
from tests.cloud.console import browser
from tests.cloud.console.browser import TIMEOUT, Window
from tests.cloud.instances import Instances
from tests.cloud.jobs import ROLE, Gate, Jobs
from tests.cloud.resources import test_transform_jobs as transform
from tests.cloud.tunings import Tunings
from tests.conftest import LocalCloud
from tests.trusts import TRUST

pytestmark = pytest.mark.slow  # Chromium

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.19-cpu"
LOSS = {"MetricDefinitions": [{"Name": name, "Regex": rf" {name}: ([0-9.]+)"} for name in ("loss", "val_loss")]}
EPOCHS = 'for e in 1 2 3; do echo "epoch $e loss: 0.$((9 - e)) val_loss: 0.$((10 - e))"; sleep 1; done'

expect.set_options(timeout=TIMEOUT)


def test_without_a_token_there_is_nothing_but_the_way_in(chromium: Browser, cloud: LocalCloud) -> None:
    with browser.window(chromium, cloud) as stranger:
        stranger.page.goto(f"{stranger.url}/training-jobs")
        stranger.see("sagelab open")
        assert not [url for url in stranger.asked if "/api/" in url]


def test_an_address_logs_in_once(chromium: Browser, cloud: LocalCloud) -> None:
    address = control.console(cloud.home)
    with browser.window(chromium, cloud) as first:
        first.page.goto(address)
        first.page.get_by_role("heading", name="Overview").wait_for()
        assert "token" not in first.page.url
    with browser.window(chromium, cloud) as second:
        second.page.goto(address)
        second.see("used already")


def test_a_new_address_logs_a_tab_in_that_waits_for_it(chromium: Browser, cloud: LocalCloud) -> None:
    with browser.window(chromium, cloud) as waiting:
        waiting.page.goto(f"{waiting.url}/")
        waiting.see("sagelab open")
        waiting.page.goto(control.console(cloud.home))  # only what is behind the # differs: nothing is loaded
        waiting.page.get_by_role("heading", name="Overview").wait_for()


def test_a_logout_closes_the_page(window: Window) -> None:
    window.open("/")
    window.page.get_by_role("button", name="Log out").click()
    window.see("sagelab open")


def test_a_job_appears_and_completes_without_a_reload(window: Window, jobs: Jobs, gate: Gate) -> None:
    window.open("/training-jobs")
    window.page.evaluate("window.mark = 1")
    request = jobs.shell(gate.wait)
    jobs.sagemaker.create_training_job(**request)
    row = window.page.get_by_role("row").filter(has_text=request["TrainingJobName"])
    expect(row).to_contain_text("InProgress")
    gate.open()
    expect(row).to_contain_text("Completed")
    assert window.page.evaluate("window.mark") == 1


def test_the_overview_counts_what_runs_and_what_it_would_cost(window: Window, jobs: Jobs) -> None:
    window.open("/")
    compute = {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 2, "VolumeSizeInGB": 10}
    request = jobs.shell("sleep 600", ResourceConfig=compute)
    jobs.sagemaker.create_training_job(**request)
    row = window.page.get_by_role("table", name="Running now").get_by_role("row")
    row = row.filter(has_text=request["TrainingJobName"])
    expect(row).to_contain_text("2 × ml.p3.2xlarge")  # noqa: RUF001 - the sign of "times"
    expect(row).to_contain_text("$7.65")
    jobs.wait(request["TrainingJobName"], "Training")
    jobs.sagemaker.stop_training_job(TrainingJobName=request["TrainingJobName"])
    expect(row).to_have_count(0)


def test_a_jobs_page_shows_it_while_it_runs(window: Window, jobs: Jobs) -> None:
    uri = jobs.put("data/digits.txt", b"1 2 3")
    request = jobs.shell(
        EPOCHS,
        algorithm=LOSS,
        InputDataConfig=[jobs.channel("training", uri)],
        Tags=[{"Key": "team", "Value": "learners"}],
    )
    name, page = request["TrainingJobName"], window.page
    jobs.sagemaker.create_training_job(**request)
    window.open(f"/training-jobs/{name}")
    expect(page.get_by_role("log")).to_contain_text("epoch 3 loss: 0.6")
    expect(page.get_by_role("img", name=re.compile("loss: loss 0.6, val_loss 0.7"))).to_be_visible()
    expect(page.locator(".bar .status")).to_have_text("Completed")
    for stage in ("Starting", "Downloading", "Training", "Uploading", "Completed"):
        expect(page.locator(".timeline")).to_contain_text(stage)
    expect(page.locator(".facts").filter(has_text="team")).to_contain_text("learners")
    expect(page.get_by_text(f"aws sagemaker describe-training-job --training-job-name {name}")).to_be_visible()
    expect(page.locator("#configuration")).to_contain_text("ContainerEntrypoint")
    page.get_by_role("link", name=uri).first.click()
    expect(page.locator(".log")).to_have_text("1 2 3")


def test_a_failed_job_says_why(window: Window, jobs: Jobs) -> None:
    request = jobs.shell("echo the data is missing >&2; exit 3")
    jobs.run(request)
    window.open(f"/training-jobs/{request['TrainingJobName']}")
    expect(window.page.locator(".notice.bad")).to_contain_text("exit code: 3")


def test_a_stop_asks_first_and_says_what_it_will_do(window: Window, jobs: Jobs) -> None:
    request = jobs.shell("sleep 600")
    name, page = request["TrainingJobName"], window.page
    jobs.sagemaker.create_training_job(**request)
    jobs.wait(name, "Training")
    window.open(f"/training-jobs/{name}")
    page.get_by_role("button", name="Stop").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("SIGTERM")
    expect(question).to_contain_text(f"aws sagemaker stop-training-job --training-job-name {name}")
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    assert jobs.describe(name)["TrainingJobStatus"] == "InProgress"
    page.get_by_role("button", name="Stop").click()
    question.get_by_role("button", name="Stop").click()
    expect(page.locator(".bar .status")).to_have_text("Stopped")
    assert jobs.wait(name)["TrainingJobStatus"] == "Stopped"


def test_a_deletion_goes_back_to_the_list(window: Window, jobs: Jobs) -> None:
    request = jobs.shell("true")
    jobs.run(request)
    window.open(f"/training-jobs/{request['TrainingJobName']}")
    window.page.get_by_role("button", name="Delete").click()
    window.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(window.page.get_by_role("heading", name="Training jobs")).to_be_visible()
    expect(window.page.get_by_role("link", name=request["TrainingJobName"])).to_have_count(0)


def test_a_list_is_searched_filtered_and_sorted_by_the_api(window: Window, jobs: Jobs) -> None:
    stem = jobs.bucket[-12:]
    for letter, command in (("a", "true"), ("b", "exit 1"), ("c", "true")):
        jobs.run(jobs.shell(command, TrainingJobName=f"list-{stem}-{letter}"))
    page, names = window.page, window.page.locator("tbody th")
    window.open("/training-jobs")
    page.get_by_label("Search by name").fill(f"LIST-{stem}")
    expect(names).to_have_text([f"list-{stem}-{letter}" for letter in "cba"])
    page.get_by_role("button", name="Name").click()
    expect(names).to_have_text([f"list-{stem}-{letter}" for letter in "abc"])
    page.get_by_label("Status").select_option("Failed")
    expect(names).to_have_text([f"list-{stem}-b"])
    page.reload()  # the address has it all
    expect(names).to_have_text([f"list-{stem}-b"])


def test_a_list_has_pages(window: Window, jobs: Jobs) -> None:
    stem, container = jobs.bucket[-12:], {"Image": IMAGE, "ModelDataUrl": jobs.put("model.tar.gz", b"x")}
    for number in range(51):
        jobs.sagemaker.create_model(
            ModelName=f"page-{stem}-{number}", PrimaryContainer=container, ExecutionRoleArn=ROLE
        )
    window.open(f"/models?q=page-{stem}")
    rows = window.page.locator("tbody tr")
    expect(rows).to_have_count(50)
    window.page.get_by_role("button", name="Next").click()
    expect(rows).to_have_text([re.compile(f"page-{stem}-0")])
    window.page.get_by_role("button", name="Previous").click()
    expect(rows).to_have_count(50)


def test_models_and_configurations_have_pages(window: Window, jobs: Jobs, unique: Callable[[str], str]) -> None:
    model, config = unique("model"), unique("config")
    container = {"Image": IMAGE, "ModelDataUrl": jobs.put("model.tar.gz", b"x")}
    jobs.sagemaker.create_model(ModelName=model, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "one", "ModelName": model, "InstanceType": "ml.c5.large", "InitialInstanceCount": 2}
    jobs.sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
    window.open(f"/endpoint-configurations/{config}")
    expect(window.page.get_by_role("table", name="Variants")).to_contain_text("ml.c5.large")
    window.page.get_by_role("link", name=model).first.click()
    expect(window.page.get_by_role("heading", name=model)).to_be_visible()
    expect(window.page.locator(".facts").first).to_contain_text(f"s3://{jobs.bucket}/model.tar.gz")


def test_a_processing_job_has_a_page_with_its_log_and_can_be_stopped(window: Window, jobs: Jobs) -> None:
    job, page = processing.request("echo counted 7 rows; sleep 600", count=2), window.page
    jobs.sagemaker.create_processing_job(**job)
    window.open("/processing-jobs")
    page.get_by_role("link", name=job["ProcessingJobName"]).click()
    expect(page.locator(".log").first).to_contain_text("counted 7 rows")
    expect(page.locator(".facts").first).to_contain_text("ml.m5.large")
    expect(page.locator("#configuration")).to_contain_text("ContainerEntrypoint")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.locator(".bar .status")).to_have_text("Stopped")
    expect(page.locator(".timeline")).to_contain_text("Stopped")


def test_a_batch_transform_job_has_a_page_that_leads_to_its_model(window: Window, jobs: Jobs) -> None:
    job = transform.request(jobs)
    jobs.sagemaker.create_transform_job(**job)
    window.open("/transform-jobs")
    window.page.get_by_role("link", name=job["TransformJobName"]).click()
    expect(window.page.locator(".notice.bad")).to_contain_text("FailureReason")
    window.page.get_by_role("link", name=job["ModelName"]).first.click()
    expect(window.page.get_by_role("heading", name=job["ModelName"])).to_be_visible()


def test_a_lifecycle_configuration_shows_its_scripts(window: Window, cloud: LocalCloud) -> None:
    name = Instances(cloud).config(OnStart="#!/bin/bash\necho 'größer > kleiner'\n")
    window.open("/lifecycle-configurations")
    window.page.get_by_role("link", name=name).click()
    expect(window.page.locator("pre").first).to_have_text("#!/bin/bash\necho 'größer > kleiner'\n")
    window.see("Nothing is run.")
    window.page.get_by_role("button", name="Delete").click()
    window.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(window.page.get_by_role("link", name=name)).to_have_count(0)


@pytest.mark.parametrize("path", ["notebook-instances", "tuning-jobs", "compilation-jobs", "endpoints"])
def test_every_kind_has_a_list_or_the_reason_why_not(window: Window, path: str) -> None:
    window.open(f"/{path}")
    expect(window.page.locator("main table, main .empty, main .notice").first).to_be_visible()


def test_roles_show_their_policies(window: Window) -> None:
    window.open("/roles")
    window.page.get_by_role("link", name=ROLE_NAME).click()
    window.see("sagemaker:*")
    window.see("sts:AssumeRole")


def test_who_did_what_is_told_with_what_was_refused(
    window: Window, cloud: LocalCloud, unique: Callable[[str], str]
) -> None:
    role = unique("told")
    cloud.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
    cloud.client("iam").delete_role(RoleName=role)
    with pytest.raises(ClientError):
        cloud.client("iam").delete_role(RoleName=role)
    window.open("/trail?q=DeleteRole")
    first = window.page.locator("tbody tr").first
    expect(first).to_contain_text("iam DeleteRole")
    expect(first).to_contain_text("NoSuchEntity")


def test_objects_are_browsed_shown_and_never_run(window: Window, jobs: Jobs) -> None:
    jobs.put("deep/folder/report.json", b'{"accuracy": 0.97}')
    jobs.put("deep/folder/page.html", b"<script>window.run = 1</script><h1>no heading</h1>")
    page = window.page
    window.open(f"/s3/{jobs.bucket}/")
    page.get_by_role("link", name="deep/").click()
    page.get_by_role("link", name="folder/").click()
    page.get_by_role("link", name="report.json").click()
    expect(page.locator(".log")).to_contain_text('"accuracy": 0.97')
    page.go_back()
    page.get_by_role("link", name="page.html").click()
    expect(page.locator(".log")).to_contain_text("<script>")
    assert page.evaluate("window.run") is None


def test_what_changes_in_s3_and_iam_is_on_the_page_without_a_reload(
    window: Window, jobs: Jobs, unique: Callable[[str], str]
) -> None:
    jobs.put("live/first.txt", b"1")
    window.open(f"/s3/{jobs.bucket}/live/")
    window.see("first.txt")
    jobs.put("live/second.txt", b"2")
    window.see("second.txt")
    jobs.s3.delete_object(Bucket=jobs.bucket, Key="live/first.txt")
    expect(window.page.get_by_text("first.txt")).to_have_count(0)
    iam, role = jobs.cloud.client("iam"), unique("shown")
    window.open("/roles")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
    window.see(role)
    iam.delete_role(RoleName=role)
    expect(window.page.get_by_text(role)).to_have_count(0)


def test_a_prefix_that_a_job_names_leads_to_its_folder(window: Window, jobs: Jobs) -> None:
    jobs.put("prefix/training/data.txt", b"x")
    window.page.goto(f"{window.url}/s3/{jobs.bucket}/prefix/training")
    window.see("data.txt")


def test_a_download_comes_from_the_gateway(chromium: Browser, cloud: LocalCloud, jobs: Jobs) -> None:
    jobs.put("weights.bin", b"\0" * 1000)
    with browser.window(chromium, cloud) as opened:
        opened.log_in()
        opened.open(f"/s3/{jobs.bucket}/weights.bin")
        with opened.page.expect_download() as downloading:
            opened.page.get_by_role("button", name="Download").click()
        assert downloading.value.url.startswith(cloud.url)
        assert downloading.value.path().read_bytes() == b"\0" * 1000


def test_no_page_is_wider_than_the_window(window: Window, jobs: Jobs) -> None:
    request = jobs.shell("echo a long line " + "x" * 200, algorithm=LOSS)
    jobs.run(request)
    paths = ["/", "/training-jobs", f"/training-jobs/{request['TrainingJobName']}", "/s3", f"/roles/{ROLE_NAME}"]
    for path in paths:
        window.page.set_viewport_size({"width": 390, "height": 800})
        window.open(path)
        window.page.locator("main .card, main .empty").first.wait_for()
        for width, theme in product((390, 640, 1280), ("light", "dark")):  # 640: 1280 at 200 %
            window.page.set_viewport_size({"width": width, "height": 800})
            window.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            assert window.page.evaluate("document.documentElement.scrollWidth") <= width, (path, width, theme)


def test_the_theme_is_kept(window: Window) -> None:
    window.open("/")
    for _ in range(2):  # from the system's to light to dark
        window.page.get_by_role("button", name="Theme").click()
    window.page.reload()
    expect(window.page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_keyboard_reaches_everything(window: Window, jobs: Jobs) -> None:
    request = jobs.shell("true")
    jobs.run(request)
    page = window.page
    window.open(f"/training-jobs?q={request['TrainingJobName']}")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    seen = []
    while request["TrainingJobName"] not in seen:
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent || document.activeElement.type"))
        assert len(seen) < 20, seen
    assert {"Refresh", "search"} <= set(seen)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_be_focused()


@pytest.mark.parametrize("events", [100, pytest.param(500, marks=pytest.mark.long)])
def test_an_hours_worth_of_events_leaves_the_page_light(window: Window, jobs: Jobs, events: int) -> None:
    request = jobs.shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done; sleep 600")
    name, page = request["TrainingJobName"], window.page
    jobs.sagemaker.create_training_job(**request)
    arn = jobs.describe(name)["TrainingJobArn"]
    window.open(f"/training-jobs/{name}")
    expect(page.get_by_role("log")).to_contain_text("line 20000")
    before, asked = weigh(window), len(window.asked)
    began = time.monotonic()
    for number in range(events):
        jobs.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "turn", "Value": str(number)}])
    expect(page.locator(".facts").filter(has_text="turn")).to_contain_text(str(events - 1))
    after, took = weigh(window), time.monotonic() - began
    assert after["nodes"] < before["nodes"] + 100
    assert after["heap"] < before["heap"] + 20e6
    assert page.evaluate("document.querySelector('.log').textContent.split('\\n').length") <= 5000
    assert len(window.asked) - asked < 20 + 10 * took  # two looks a change, each at most four times a second
    jobs.sagemaker.stop_training_job(TrainingJobName=name)


def weigh(window: Window) -> dict[str, float]:
    """Nodes of the document and bytes of the page's heap, after a collection."""
    session = window.context.new_cdp_session(window.page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    return {"heap": heap, "nodes": window.page.evaluate("document.querySelectorAll('*').length")}


def test_spot_capacity_is_taken_away_by_hand(window: Window, jobs: Jobs) -> None:
    stop = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 600}
    request = jobs.shell("sleep 600", EnableManagedSpotTraining=True, StoppingCondition=stop)
    name = request["TrainingJobName"]
    jobs.sagemaker.create_training_job(**request)
    jobs.wait(name, "Training")
    window.open(f"/training-jobs/{name}")
    window.page.get_by_role("button", name="Take spot capacity away").click()
    question = window.page.get_by_role("dialog")
    expect(question).to_contain_text("checkpoint")
    question.get_by_role("button", name="Take spot capacity away").click()
    expect(window.page.locator(".timeline")).to_contain_text("Interrupted")
    jobs.wait(name, "Training")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)


def test_a_search_marks_its_best_job(window: Window, jobs: Jobs) -> None:
    tunings = Tunings(jobs)
    name = tunings.create(tunings.request(tunings.config(4, 2)))
    window.open(f"/tuning-jobs/{name}")
    dots = window.page.locator(".scatter a")
    expect(dots).to_have_count(4)
    expect(window.page.locator(".bar .status")).to_have_text("Completed")
    best = tunings.describe(name)["BestTrainingJob"]["TrainingJobName"]
    expect(window.page.locator(".scatter a:has(.star)")).to_have_attribute("href", f"/training-jobs/{best}")
    row = window.page.get_by_role("row").filter(has=window.page.locator(".best"))
    expect(row.get_by_role("link")).to_have_attribute("href", f"/training-jobs/{best}")


def test_a_notebook_instance_is_created_and_opens(
    window: Window, cloud: LocalCloud, unique: Callable[[str], str]
) -> None:
    name, page, sagemaker = unique("notebook"), window.page, cloud.client("sagemaker")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    other = f"A-{name}"  # the first by its name, of which SageMaker can make nothing
    cloud.client("iam").create_role(RoleName=other, AssumeRolePolicyDocument=policy)
    window.open("/notebook-instances")
    page.get_by_role("link", name="Create notebook instance").click()
    page.get_by_role("textbox", name="Name", exact=True).fill(name)
    expect(page.locator(".command")).to_contain_text(f"--notebook-instance-name {name}")
    expect(page.get_by_role("combobox", name="Execution role")).to_contain_text("SageMakerLabRole")
    expect(page.get_by_role("combobox", name="Execution role")).not_to_contain_text(other)
    cloud.client("iam").delete_role(RoleName=other)
    page.get_by_role("button", name="Create").click()
    expect(page.locator(".bar .status")).to_have_text("InService", timeout=4 * TIMEOUT)
    page.get_by_role("button", name="Open JupyterLab").click()
    with window.context.expect_page() as opening:
        page.get_by_role("dialog").get_by_role("button", name="Open JupyterLab").click()
    opening.value.wait_for_url(re.compile(r"^http://127\.0\.0\.1:\d+/"))
    asked = [url for url in window.asked if not url.startswith(window.url)]
    assert all(url.startswith(("http://127.0.0.1:", "blob:", "data:")) for url in asked)
    opening.value.close()
    window.asked.clear()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.locator(".bar .status")).to_have_text("Stopped", timeout=2 * TIMEOUT)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    sagemaker.get_waiter("notebook_instance_deleted").wait(
        NotebookInstanceName=name, WaiterConfig={"Delay": 1, "MaxAttempts": TIMEOUT // 1000}
    )
    expect(page.get_by_role("heading", name="Notebook instances")).to_be_visible()
    expect(page.get_by_role("link", name=name)).to_have_count(0)


def test_who_did_what_says_on_what_and_what_was_refused(window: Window, jobs: Jobs) -> None:
    name = f"nobody-{uuid.uuid4().hex[:8]}"
    with pytest.raises(ClientError, match="NoSuchEntity"):
        jobs.cloud.client("iam").put_user_policy(UserName=name, PolicyName="all", PolicyDocument="{}")
    window.open("/trail?q=PutUserPolicy")
    row = window.page.get_by_role("row").filter(has_text=name)
    expect(row.get_by_text(f"{ROLE_NAME}/sagelab")).to_be_visible()
    expect(row.get_by_text("NoSuchEntity")).to_have_class(re.compile("bad"))
    window.page.set_viewport_size({"width": 390, "height": 844})
    assert window.page.evaluate("document.documentElement.scrollWidth") == 390
    window.page.get_by_role("searchbox").fill("NoSuchCall")
    window.page.get_by_role("searchbox").press("Enter")
    window.see("CloudTrail has no such call")
    assert window.errors == []
