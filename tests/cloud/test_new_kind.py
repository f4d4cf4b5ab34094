"""A kind of resource is one row of the catalog and one module: everything else finds it.

A local cloud of its own has two kinds more (new_kind/): a job, and a record.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from playwright.sync_api import Browser, expect

from sagelab import catalog
from sagelab.catalog import Kind
from sagelab.cloud import control
from sagelab.cloud.home import ACCOUNT, ROLE_NAME, Home
from sagelab.lab import cleanup, spending, watch
from sagelab.lab.session import Lab
from tests.cloud.console import browser
from tests.cloud.console.browser import TIMEOUT
from tests.cloud.gateway.auth.test_permissions import Role, allow, refused
from tests.cloud.new_kind.rows import GROUP, JOB, ROWS
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).with_name("new_kind")
SRC = Path(__file__).parents[2] / "src"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"
ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:optimization-job"
PLACES = 4  # that a new kind may touch


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud with the two kinds."""
    home = Home(tmp_path_factory.mktemp("wide"))
    command = [sys.executable, str(FOLDER / "serve.py"), str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield LocalCloud(home, process.stdout.readline().strip())
        finally:
            process.terminate()


@pytest.fixture
def lab(wide: LocalCloud, monkeypatch: pytest.MonkeyPatch, unique: Callable[[str], str]) -> Lab:
    """A lab on it, in a process that knows the two kinds."""
    monkeypatch.setattr(catalog, "KINDS", catalog.KINDS + ROWS)
    monkeypatch.setenv("AWS_ENDPOINT_URL", wide.url)
    name = unique("lab")
    wide.client("s3").create_bucket(Bucket=name)
    return Lab(name, "local", wide.session, "us-east-1", ACCOUNT, ROLE, name, wide.url)


def request(name: str, seconds: int = 1, role: str = ROLE, instance: str = "ml.c5.large") -> dict[str, Any]:
    """A CreateOptimizationJob request."""
    return {
        "OptimizationJobName": name,
        "RoleArn": role,
        "ModelSource": {"SageMakerModel": {"ModelName": "digits"}},
        "DeploymentInstanceType": "ml.g5.xlarge",
        "OptimizationEnvironment": {"InstanceType": instance},
        "OptimizationConfigs": [{"ModelQuantizationConfig": {"OverrideEnvironment": {"bits": "8"}}}],
        "OutputConfig": {"S3OutputLocation": "s3://digits/out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
    }


def features(name: str) -> dict[str, Any]:
    """A CreateFeatureGroup request."""
    columns = [{"FeatureName": column, "FeatureType": "String"} for column in ("id", "time")]
    return {
        "FeatureGroupName": name,
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "time",
        "FeatureDefinitions": columns,
    }


def start(lab: Lab, seconds: int = 1) -> str:
    """The name of a new job of a lab."""
    name = f"{lab.name}-job"
    wanted = request(name, seconds) | {"Tags": lab.tags}
    lab.client("sagemaker").create_optimization_job(**wanted)
    return name


def test_it_is_listed_and_described(lab: Lab) -> None:
    name, sagemaker = start(lab), lab.client("sagemaker")
    (row,) = sagemaker.list_optimization_jobs(NameContains=name)["OptimizationJobSummaries"]
    assert (row["OptimizationJobName"], row["OptimizationJobArn"]) == (name, f"{ARN}/{name}")
    assert (
        sagemaker.describe_optimization_job(OptimizationJobName=name)["OptimizationJobArn"]
        == row["OptimizationJobArn"]
    )


def test_it_is_permitted_and_denied(wide: LocalCloud, unique: Callable[[str], str]) -> None:
    small = {"ForAllValues:StringLike": {"sagemaker:InstanceTypes": "ml.c5.*"}}
    mine = allow("sagemaker:CreateOptimizationJob", on=f"{ARN}/mine-*", Condition=small)
    someone = Role(wide, unique("role"), mine, allow("iam:PassRole", on=ROLE))
    create = someone.client("sagemaker").create_optimization_job
    create(**request(unique("mine")))
    assert f"on resource: {ARN}/other-" in refused(create, **request(unique("other")))
    assert "iam:PassRole" in refused(create, **request(unique("mine"), role=someone.arn))
    refused(create, **request(unique("mine"), instance="ml.p3.2xlarge"))


def test_it_is_tagged(lab: Lab) -> None:
    arn, sagemaker = f"{ARN}/{start(lab)}", lab.client("sagemaker")
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "a"}])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [*lab.tags, {"Key": "team", "Value": "a"}]


def test_it_is_cleaned_up(lab: Lab) -> None:
    name, group, sagemaker = start(lab, seconds=600), f"{lab.name}-group", lab.client("sagemaker")
    sagemaker.create_feature_group(**features(group), Tags=lab.tags)
    assert set(cleanup.leftovers(lab)["kind"]) == {"optimization job", "feature group"}
    assert lab.name in cleanup.labs(lab)
    assert cleanup.clean(lab) == [f"stopped optimization job {name}", f"deleted feature group {group}"]
    cleanup.assert_clean(lab)
    assert sagemaker.describe_optimization_job(OptimizationJobName=name)["OptimizationJobStatus"] == "STOPPED"


@pytest.mark.usefixtures("lab")
def test_it_is_priced() -> None:
    def describe(kind: Kind, name: str) -> dict[str, Any]:
        raise AssertionError(f"{kind.noun} {name} is not needed")

    uses = spending.uses_of("CreateOptimizationJob", request("one"), describe)
    assert [str(use) for use in uses] == ["1 x ml.c5.large, $0.10 an hour, until it has found the best"]


def test_it_is_searched(lab: Lab) -> None:
    group, sagemaker = f"{lab.name}-group", lab.client("sagemaker")
    sagemaker.create_feature_group(**features(group), Tags=lab.tags)
    tagged = {"Name": "Tags.sagelab:lab", "Operator": "Equals", "Value": lab.name}
    (found,) = sagemaker.search(Resource=GROUP.stem, SearchExpression={"Filters": [tagged]})["Results"]
    assert found["FeatureGroup"]["FeatureGroupName"] == group


def test_it_is_counted_by_status(lab: Lab, wide: LocalCloud) -> None:
    name = start(lab, seconds=600)
    found = control.status(wide.home)
    assert found is not None
    assert found.runs["optimization jobs"] >= 1
    lab.client("sagemaker").stop_optimization_job(OptimizationJobName=name)


def test_it_is_followed_to_its_end_with_its_log(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    name = start(lab)
    assert watch.follow(lab, "optimization job", name)["OptimizationJobStatus"] == "COMPLETED"
    assert capsys.readouterr().out.startswith("COMPLETED · ")
    assert watch.wait(lab, JOB, name)["OptimizationJobName"] == name
    assert watch.log(lab, name, JOB) == "trying ml.c5.large"


def test_what_nobody_knows_is_not_followed(lab: Lab) -> None:
    with pytest.raises(ValueError, match=r"there are .*optimization job, feature group"):
        watch.follow(lab, "wish", "one")
    with pytest.raises(botocore.exceptions.ClientError, match="Could not find optimization job"):
        watch.wait(lab, JOB, "nobody-made-it")


def test_it_is_shown_in_the_console(lab: Lab, wide: LocalCloud, chromium: Browser) -> None:
    """Its tile, its list, its page with facts, log and timeline, and its Stop."""
    name = start(lab, seconds=600)
    expect.set_options(timeout=TIMEOUT)
    with browser.window(chromium, wide) as window:
        window.log_in()
        window.open("/")
        page = window.page
        expect(page.locator(".tile").filter(has_text="Optimization jobs")).to_contain_text("running")
        row = page.get_by_role("table", name="Running now").get_by_role("row").filter(has_text=name)
        expect(row).to_contain_text("ml.c5.large")
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Optimization jobs").click()
        page.get_by_label("Status").select_option("INPROGRESS")
        page.get_by_role("link", name=name).click()
        expect(page.locator(".facts").first).to_contain_text("ml.g5.xlarge")
        expect(page.locator(".facts").first).to_contain_text(ROLE_NAME)
        expect(page.locator(".log").first).to_contain_text("trying ml.c5.large")
        expect(page.locator("#configuration")).to_contain_text("OptimizationConfigs")
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("dialog").get_by_role("button", name="Stop").click()
        expect(page.locator(".bar .status")).to_have_text("STOPPED")
        expect(page.locator(".timeline")).to_contain_text("STOPPED")
        assert window.errors == []


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.stem)
def test_it_touches_few_places(kind: Kind) -> None:
    """A row and a module; nothing else names it, neither the package nor the page."""
    modules = [file for file in (FOLDER / "families").glob("*.py") if kind.stem in file.read_text()]
    assert len(["the row", *modules]) <= PLACES
    files = [file for file in SRC.rglob("*") if file.suffix in (".py", ".js", ".html", ".json")]
    assert files
    assert not [file for file in files if kind.stem in file.read_text()]
