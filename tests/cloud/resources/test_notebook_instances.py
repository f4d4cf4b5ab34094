"""Notebook instances through boto3: what is refused, what is described, and one that really runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions
import pytest
import requests

from sagelab.lab.jupyter import Jupyter
from tests.cloud.instances import ROLE, Instances
from tests.conftest import LocalCloud


@pytest.fixture(scope="module")
def instances(cloud: LocalCloud) -> Iterator[Instances]:
    made = Instances(cloud)
    yield made
    made.close()


@pytest.fixture(scope="module")
def running(instances: Instances) -> str:
    """An instance in service."""
    name = instances.create(Tags=[{"Key": "k", "Value": "v"}], AcceleratorTypes=["ml.eia1.medium"])
    found = instances.describe(name)
    assert found["NotebookInstanceStatus"] == "InService", found.get("FailureReason")
    return name


@pytest.fixture(scope="module")
def failed(instances: Instances) -> str:
    """An instance that came up no further than its lifecycle script."""
    return instances.create(LifecycleConfigName=instances.config(OnStart="echo here; exit 7"))


def refused(act: Any, **options: Any) -> str:
    """The words with which a call is refused."""
    with pytest.raises(botocore.exceptions.ClientError) as error:
        act(**options)
    return str(error.value)


@pytest.mark.slow
def test_describe_shows_what_was_asked_and_what_is_default(instances: Instances, running: str) -> None:
    found = instances.describe(running)
    assert found["Url"].startswith("127.0.0.1:")
    assert found["AcceleratorTypes"] == ["ml.eia1.medium"]
    assert found["VolumeSizeInGB"] == 5
    assert found["DirectInternetAccess"] == found["RootAccess"] == "Enabled"
    assert found["PlatformIdentifier"] == "notebook-al2023-v1"
    tags = instances.sagemaker.list_tags(ResourceArn=found["NotebookInstanceArn"])["Tags"]
    assert tags == [{"Key": "k", "Value": "v"}]


@pytest.mark.slow
def test_what_is_not_done_here_stands_in_the_log(instances: Instances, running: str) -> None:
    assert "AcceleratorTypes: Elastic Inference is closed" in instances.log(running, "jupyter.log")


@pytest.mark.slow
def test_presigned_address_opens_jupyterlab(instances: Instances, running: str) -> None:
    answer = requests.get(instances.url(running), timeout=60)
    assert answer.status_code == 200
    assert "<title>JupyterLab</title>" in answer.text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # playwright's own event loop
def test_in_a_browser_a_notebook_runs_and_no_request_leaves_the_machine(
    instances: Instances, running: str, chromium: Any
) -> None:
    address = instances.url(running)
    asked: set[str] = set()
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.on("request", lambda request: asked.add(request.url))
    page.goto(address, timeout=120_000)
    page.wait_for_selector(".jp-Launcher", timeout=120_000)
    page.click(".jp-LauncherCard[data-category=Notebook]", timeout=60_000)
    page.click(".jp-Notebook .jp-CodeCell .cm-content", timeout=120_000)
    page.wait_for_selector("text=| Idle", timeout=120_000)
    page.keyboard.type("print(6 * 7)")
    page.keyboard.press("Shift+Enter")
    page.wait_for_selector(".jp-OutputArea-output >> text=42", timeout=120_000)
    assert page.locator("text=Jupyter news").count() == 0
    page.close()
    hosts = {urlsplit(url).netloc for url in asked if url.startswith(("http", "ws"))}
    assert hosts == {instances.describe(running)["Url"]}


@pytest.mark.slow
def test_without_a_presigned_address_nothing_opens(instances: Instances, running: str) -> None:
    base = f"http://{instances.describe(running)['Url']}"
    for path in ("/lab", "/lab?authToken=1.2.3", "/api/contents", "/api/kernels"):
        answer = requests.get(base + path, timeout=60)
        assert answer.status_code == 403, path
    assert "Ask for a new one" in requests.get(f"{base}/lab", timeout=60).text


@pytest.mark.slow
def test_address_of_one_instance_does_not_open_another(instances: Instances, running: str) -> None:
    token = instances.url(running).partition("authToken=")[2]
    until, session, seal = token.split(".")
    base = f"http://{instances.describe(running)['Url']}/lab?authToken="
    for forged in (f"{until}.{int(session) + 1}.{seal}", f"{int(until) + 1}.{session}.{seal}"):
        assert requests.get(base + forged, timeout=60).status_code == 403


@pytest.mark.slow
def test_foreign_page_cannot_start_a_kernel(instances: Instances, running: str) -> None:
    jupyter = Jupyter(instances.url(running))
    before = jupyter.http.get(f"{jupyter.base}/api/kernels").json()
    answer = jupyter.http.post(f"{jupyter.base}/api/kernels", headers={"Origin": "http://example.com"})
    assert answer.status_code in (403, 404)
    assert len(jupyter.http.get(f"{jupyter.base}/api/kernels").json()) == len(before)


@pytest.mark.slow
def test_instance_has_the_labs_and_its_kernel_speaks_to_the_local_cloud(
    instances: Instances, running: str
) -> None:
    jupyter = Jupyter(instances.url(running))
    assert {"labs", "notebooks"} <= set(jupyter.files())
    said = jupyter.run(
        "import boto3, os, sagelab\n"
        "print(boto3.client('sts').get_caller_identity()['Arn'])\n"
        "print(sagelab.connect('inside').bucket)\n"
        "print(os.getcwd())\n"
        "print(open('/opt/ml/metadata/resource-metadata.json').read())\n"
    )
    role = ROLE.rpartition("/")[2]
    assert f"assumed-role/{role}/SageMaker" in said
    assert "sagemaker-us-east-1-" in said
    assert "/home/ec2-user/SageMaker" in said
    assert f"notebook-instance/{running}" in said


@pytest.mark.slow
def test_kernel_sees_nothing_of_this_machine(instances: Instances, running: str) -> None:
    home = str(instances.cloud.home.path)
    said = Jupyter(instances.url(running)).run(
        "import os\n"
        f"print(os.path.exists({home!r}), 'SAGELAB_WORKBENCH_KEY' in os.environ)\n"
        "print(sum(name.isdigit() for name in os.listdir('/proc')) < 20)\n"
    )
    assert said == "False False\nTrue\n"


@pytest.mark.slow
def test_running_instance_is_neither_deleted_updated_nor_started(instances: Instances, running: str) -> None:
    sagemaker = instances.sagemaker
    for act in (
        sagemaker.delete_notebook_instance,
        sagemaker.update_notebook_instance,
        sagemaker.start_notebook_instance,
    ):
        assert "Status (InService) not in ([Stopped, Failed])" in refused(act, NotebookInstanceName=running)


@pytest.mark.slow
def test_list_filters(instances: Instances, running: str, failed: str) -> None:
    listing = instances.sagemaker.list_notebook_instances

    def names(**filters: Any) -> set[str]:
        return {item["NotebookInstanceName"] for item in listing(MaxResults=100, **filters)["NotebookInstances"]}

    config = instances.describe(failed)["NotebookInstanceLifecycleConfigName"]
    assert names(NameContains=running[9:]) == {running}
    assert names(NotebookInstanceLifecycleConfigNameContains=config) == {failed}
    assert running in names(StatusEquals="InService", SortBy="Status")
    assert failed in names(StatusEquals="Failed")
    assert failed not in names(StatusEquals="InService")
    assert names(DefaultCodeRepositoryContains="x") == set()


@pytest.mark.slow
def test_stopped_instance_keeps_its_files_and_its_port_and_runs_the_new_script(instances: Instances) -> None:
    config = instances.config(OnCreate="echo created >> /home/ec2-user/SageMaker/runs.txt")
    name = instances.create(LifecycleConfigName=config)
    before = Jupyter(instances.url(name))
    before.run("open('kept.txt', 'w').write('kept')\nopen('/home/ec2-user/lost.txt', 'w').write('lost')")
    port = instances.describe(name)["Url"]
    assert instances.act("stop", name) == "Stopped"
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{port}/", timeout=10)
    assert "Unable to create a presigned URL" in refused(
        instances.sagemaker.create_presigned_notebook_instance_url, NotebookInstanceName=name
    )
    update = {"InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 20}
    update["LifecycleConfigName"] = instances.config(OnStart="echo started >> /home/ec2-user/SageMaker/runs.txt")
    assert instances.act("update", name, **update) == "Stopped"
    assert instances.act("start", name) == "InService"
    found = instances.describe(name)
    assert (found["InstanceType"], found["VolumeSizeInGB"], found["Url"]) == ("ml.m5.xlarge", 20, port)
    after = Jupyter(instances.url(name))
    said = after.run(
        "import os\nprint(open('kept.txt').read(), os.path.exists('/home/ec2-user/lost.txt'))\n"
        "print(open('runs.txt').read().split())"
    )
    assert said == "kept False\n['created', 'started']\n"
    instances.act("stop", name)
    instances.delete(name)
    assert refused(instances.sagemaker.describe_notebook_instance, NotebookInstanceName=name).endswith(
        "RecordNotFound"
    )
    assert not list(instances.cloud.home.notebooks.glob(f"*/{name}"))


def test_failing_script_fails_the_instance_in_awss_words(instances: Instances, failed: str) -> None:
    found = instances.describe(failed)
    config = f"notebook-instance-lifecycle-config/{found['NotebookInstanceLifecycleConfigName']}"
    assert found["NotebookInstanceStatus"] == "Failed"
    assert f"{config}' for Notebook Instance '{found['NotebookInstanceArn']}' failed." in found["FailureReason"]
    log = instances.log(failed, "LifecycleConfigOnStart")
    assert log.splitlines() == ["here", "OnStart ended with exit code 7"]
    assert "Status (Failed) not in ([InService]). Unable to transition to (Stopping)" in refused(
        instances.sagemaker.stop_notebook_instance, NotebookInstanceName=failed
    )


def test_failed_instance_starts_once_its_script_is_mended_and_oncreate_runs_until_it_succeeds(
    instances: Instances,
) -> None:
    config = instances.config(OnCreate="echo tried; false")
    name = instances.create(LifecycleConfigName=config)
    assert instances.describe(name)["NotebookInstanceStatus"] == "Failed"
    assert instances.act("start", name) == "Failed"
    assert instances.log(name, "LifecycleConfigOnCreate").splitlines().count("tried") == 2
    instances.act("update", name, DisassociateLifecycleConfig=True)
    assert "NotebookInstanceLifecycleConfigName" not in instances.describe(name)
    instances.sagemaker.delete_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=config)


def test_configuration_in_use_is_not_deleted(instances: Instances, failed: str) -> None:
    config = instances.describe(failed)["NotebookInstanceLifecycleConfigName"]
    said = refused(
        instances.sagemaker.delete_notebook_instance_lifecycle_config, NotebookInstanceLifecycleConfigName=config
    )
    assert "is in use by" in said


def test_volume_never_shrinks(instances: Instances, failed: str) -> None:
    instances.act("update", failed, VolumeSizeInGB=30)
    said = refused(instances.sagemaker.update_notebook_instance, NotebookInstanceName=failed, VolumeSizeInGB=10)
    assert "can only be increased" in said


def test_name_is_taken_once(instances: Instances, failed: str) -> None:
    request = instances.request(NotebookInstanceName=failed)
    assert "Cannot create a duplicate Notebook Instance" in refused(
        instances.sagemaker.create_notebook_instance, **request
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
        ({"LifecycleConfigName": "nothing"}, "does not exist"),
        ({"DirectInternetAccess": "Disabled"}, "SubnetId"),
        ({"SubnetId": "subnet-12345678"}, "subnet-12345678"),
        ({"SecurityGroupIds": ["sg-12345678"]}, "only with a SubnetId"),
        ({"DefaultCodeRepository": "https://example.com/r.git"}, "does not clone"),
        ({"InstanceType": "ml.nothing"}, "ml.nothing"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "words",
)
def test_request_that_breaks_a_rule_is_refused(instances: Instances, changes: dict[str, Any], words: str) -> None:
    assert words in refused(instances.sagemaker.create_notebook_instance, **instances.request(**changes))


@pytest.mark.parametrize("operation", ["describe", "start", "stop", "delete", "update"])
def test_unknown_instance_is_not_found(instances: Instances, operation: str) -> None:
    act = getattr(instances.sagemaker, f"{operation}_notebook_instance")
    assert refused(act, NotebookInstanceName="nobody").endswith("RecordNotFound")
