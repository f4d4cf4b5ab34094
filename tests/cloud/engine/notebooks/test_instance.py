"""Notebook instances as processes: their network, their end, and what a restart of the local cloud leaves."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from sagelab.cloud.engine.sandbox import probes
from sagelab.cloud.home import Home
from sagelab.lab.jupyter import Jupyter
from tests import clouds
from tests.cloud import commands
from tests.cloud.engine.vpc.networks import Network
from tests.cloud.instances import Instances
from tests.cloud.kills import wait_end
from tests.conftest import LocalCloud
from tests.waiting import until
from tests.wheels import make_wheel

NEEDS_NAMESPACES = pytest.mark.skipif(probes.probe() is not None, reason="this machine forbids namespaces")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def instances(cloud: LocalCloud) -> Iterator[Instances]:
    made = Instances(cloud)
    yield made
    made.close()


def started(home: Home) -> Instances:
    return Instances(clouds.start(home))


ASK = """
import boto3
from botocore.config import Config
def ask(service, name):
    client = boto3.client(service, config=Config(retries={"total_max_attempts": 1}))
    try:
        return getattr(client, name)()["ResponseMetadata"]["HTTPStatusCode"]
    except Exception as error:
        return type(error).__name__
print(ask("s3", "list_buckets"), ask("sagemaker", "list_training_jobs"))
"""
ELSEWHERE = """
import socket, urllib.request
print(sorted(name for _, name in socket.if_nameindex()))
try:
    socket.create_connection(("192.0.2.1", 80), 5)
except OSError as error:
    print(error.strerror)
try:
    urllib.request.urlopen("http://192.0.2.1", timeout=20)
except OSError as error:
    print(error.read().decode())
"""


@NEEDS_NAMESPACES
def test_instance_without_internet_reaches_what_the_vpc_does_and_nothing_else(instances: Instances) -> None:
    network = Network(instances.cloud.client("ec2"))
    subnet = network.subnets[0]
    name = instances.create(DirectInternetAccess="Disabled", SubnetId=subnet)
    found = instances.describe(name)
    assert found["NotebookInstanceStatus"] == "InService", found.get("FailureReason")
    assert found["SubnetId"] == subnet
    jupyter = Jupyter(instances.url(name))
    assert jupyter.run(ASK) == "ConnectionClosedError ConnectionClosedError\n"
    said = jupyter.run(ELSEWHERE)
    assert said.startswith("['lo']\nNetwork is unreachable\nno way to the internet: the route table")
    network.add_gateway_endpoint()
    assert jupyter.run(ASK) == "200 ConnectionClosedError\n"
    network.add_interface_endpoint("sagemaker.api")
    assert jupyter.run(ASK) == "200 200\n"
    assert "no way to sagemaker.api" in instances.log(name, "jupyter.log")
    had = ended_keys(instances, name)
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        instances.cloud.client("sts", **had).get_caller_identity()


def ended_keys(instances: Instances, name: str) -> dict[str, str]:
    """The keys that a notebook had, in no file, of an instance that is stopped now."""
    said = Jupyter(instances.url(name)).run(
        "import boto3, glob, os\n"
        "found = boto3.Session().get_credentials()\n"
        "print(*found.get_frozen_credentials()[:3], found.method)\n"
        "print(os.path.exists('/run/sagelab/role.json'), [n for n in os.environ if 'SECRET' in n])\n"
    )
    *keys, method = said.splitlines()[0].split()
    assert (method, said.splitlines()[1]) == ("container-role", "False []")
    instances.act("stop", name)
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return dict(zip(names, keys, strict=True))


@NEEDS_NAMESPACES
def test_terminal_opens_with_the_rights_that_were_asked(instances: Instances) -> None:
    name = instances.create(RootAccess="Disabled")
    code = (
        "import os, pty, shutil\nm, s = pty.openpty()\nprint(os.ttyname(s)[:9], shutil.which('sudo', path=PATH))"
    )
    said = Jupyter(instances.url(name)).run(f"import os\nPATH = os.environ['PATH']\n{code}")
    assert said.startswith("/dev/pts/")
    assert "/run/sagelab/bin" not in said


def test_script_runs_as_root_with_the_roles_rights_and_its_users_home(
    instances: Instances, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path, "heard-of-never", "1.5")
    content = base64.b64encode(wheel.read_bytes()).decode()
    script = (
        "#!/bin/bash\nset -e\necho id $(id -u)\n"
        "sudo -u ec2-user -i <<'EOF'\necho mine > ~/SageMaker/made.txt\nEOF\n"
        "python3 -c \"import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])\"\n"
        f"echo {content} | base64 -d > /tmp/{wheel.name}\npip install --quiet --no-index /tmp/{wheel.name}\n"
    )
    name = instances.create(LifecycleConfigName=instances.config(OnStart=script))
    assert instances.describe(name)["NotebookInstanceStatus"] == "InService", instances.describe(name)
    assert "made.txt" in Jupyter(instances.url(name)).files()
    said = Jupyter(instances.url(name)).run("import heard_of_never\nheard_of_never.main()")
    assert said == "heard-of-never runs\n"
    log = instances.log(name, "LifecycleConfigOnStart")
    assert "id 0" in log
    assert "/SageMaker" in log
    instances.act("stop", name)


def test_jupyterlab_that_is_shut_down_from_its_menu_starts_again(instances: Instances) -> None:
    name = instances.create()
    jupyter = Jupyter(instances.url(name))
    jupyter._ask("POST", "/api/shutdown")
    said = retry(lambda: Jupyter(instances.url(name)).run("print('again')"))
    assert said == "again\n"
    assert instances.describe(name)["NotebookInstanceStatus"] == "InService"


def retry(act: Callable[[], str]) -> str:
    """What `act` returns once it does not fail to connect any more."""
    import requests

    def attempt() -> str | None:
        try:
            return act()
        except (requests.RequestException, OSError):
            return None

    said = until(attempt, lambda found: found is not None)
    assert said is not None
    return said


def test_where_namespaces_are_forbidden_it_is_a_plain_process_that_never_claims_to_be_cut_off(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGELAB_SANDBOX", "plain")
    made = started(home)
    script = "echo from the script > $HOME/../user/SageMaker.txt; pwd"
    name = made.create(LifecycleConfigName=made.config(OnStart=script))
    assert made.describe(name)["NotebookInstanceStatus"] == "InService", made.describe(name)
    jupyter = Jupyter(made.url(name))
    assert {"labs", "notebooks"} <= set(jupyter.files())
    assert jupyter.run("import boto3; print(len(boto3.client('s3').list_buckets()['Buckets']))").strip().isdigit()
    assert "jupyter-config-data" in jupyter.http.get(f"{jupyter.base}/lab").text
    assert "without namespaces of its own" in made.log(name, "jupyter.log")
    subnet = made.cloud.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    cut = made.create(DirectInternetAccess="Disabled", SubnetId=subnet)
    assert made.describe(cut)["NotebookInstanceStatus"] == "Failed"
    assert "cannot cut the network" in made.describe(cut)["FailureReason"]
    assert made.act("stop", name) == "Stopped"
    assert not any(home.jobs.iterdir())


def test_killed_cloud_leaves_no_process_and_its_instances_are_stopped(home: Home) -> None:
    before = started(home)
    name = before.create()
    Jupyter(before.url(name)).run("open('kept.txt', 'w').write('kept')")
    server = home.server()
    assert server is not None
    assert commands.running(str(home.notebooks)) or commands.running("sagelab.workbench")
    fork_servers = [
        pid
        for pid in commands.running("sagelab.cloud.engine.sandbox.fork_server")
        if home_of(pid) == str(home.python)
    ]
    assert fork_servers
    wait_end(server["pid"])
    for pid in fork_servers:
        wait_gone(pid)
    after = started(home)
    assert after.describe(name)["NotebookInstanceStatus"] == "Stopped"
    assert not any(home.jobs.iterdir())
    assert after.act("start", name) == "InService"
    assert Jupyter(after.url(name)).run("print(open('kept.txt').read())") == "kept\n"


def home_of(pid: int) -> str:
    """The HOME of a process, as it was started."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((v.removeprefix(b"HOME=").decode() for v in variables if v.startswith(b"HOME=")), "")


def wait_gone(pid: int) -> None:
    import select

    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 60)[0], f"{pid} outlives its local cloud"
    finally:
        os.close(descriptor)


def test_instance_whose_process_is_killed_is_failed(instances: Instances) -> None:
    name = instances.create()
    groups = [
        pid for pid in commands.running("sagelab.workbench") if "SAGELAB_INSTANCE" in environment_of(pid, name)
    ]
    for pid in groups:
        os.kill(pid, signal.SIGKILL)
    assert groups
    found = until(lambda: instances.describe(name), lambda one: one["NotebookInstanceStatus"] != "InService")
    assert found["NotebookInstanceStatus"] == "Failed"
    assert "JupyterLab ended with exit code 137" in found["FailureReason"]


def environment_of(pid: int, name: str) -> str:
    """The variables of a process that name an instance."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
    except OSError:
        return ""
    return " ".join(variable for variable in variables if variable.endswith(f"={name}"))
