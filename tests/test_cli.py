from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from click.testing import CliRunner

from sagelab.cli import main
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.jobs import Jobs

COMMAND = str(Path(sys.executable).with_name("sagelab"))
SLOW = {"boto3", "botocore", "moto", "werkzeug", "numpy", "tensorflow", "sagemaker", "nbclient", "rich"}
ACCOUNT_BY_EXPLICIT_ENDPOINT = (
    "import boto3;"
    "sts = boto3.client('sts', endpoint_url='https://sts.us-east-1.amazonaws.com');"
    "print(sts.get_caller_identity()['Account'])"
)


def test_help_names_every_command(sagelab: Any) -> None:
    said = sagelab("--help").stdout
    for command in ("up", "down", "open", "status", "env", "tls", "reset", "doctor", "lab", "exec", "run"):
        assert f"\n  {command} " in said


def test_the_command_starts_without_anything_slow() -> None:
    code = "import sys, sagelab, sagelab.cli; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not [name for name in SLOW if f"'{name}'" in loaded]


def test_importing_the_package_imports_next_to_nothing() -> None:
    code = "import sys; before = set(sys.modules); import sagelab; print(*set(sys.modules) - before)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(loaded) <= {"sagelab", "__future__"}


def test_help_imports_few_modules() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom sagelab.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0; print(len(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert int(loaded) < 250


def test_status_of_none_is_exit_code_3(sagelab: Any, home: Home) -> None:
    done = sagelab("status", "--json", home=home.path)
    assert done.returncode == 3
    assert json.loads(done.stdout) == {"running": False, "home": str(home.path)}


def test_status_gives_url_pid_and_home(sagelab: Any, cloud: Any) -> None:
    found = json.loads(sagelab("status", "--json", home=cloud.home.path).stdout)
    assert found["url"] == cloud.url
    assert found["home"] == str(cloud.home.path)
    os.kill(found["pid"], 0)
    assert found["jobs"] == sum(count for kind, count in found["runs"].items() if kind.endswith("jobs"))
    said = sagelab("status", home=cloud.home.path).stdout
    assert cloud.url in said
    assert "running " in said


def test_open_prints_an_address_that_logs_in_once(sagelab: Any, cloud: Any) -> None:
    first, second = (sagelab("open", "--print", home=cloud.home.path).stdout for _ in range(2))
    console = json.loads(sagelab("status", "--json", home=cloud.home.path).stdout)["console"]
    assert first.startswith(f"{console}/#token=")
    assert first != second


def test_open_of_none_says_how_to_start_one(sagelab: Any, home: Home) -> None:
    done = sagelab("open", home=home.path)
    assert done.returncode == 1
    assert "sagelab up" in done.stderr


def test_up_on_a_running_one_says_where_and_is_no_error(sagelab: Any, cloud: Any) -> None:
    for arguments in (["up"], ["up", "--detach"]):
        done = sagelab(*arguments, home=cloud.home.path)
        assert done.returncode == 0
        assert cloud.url in done.stdout


def test_up_in_the_foreground_says_where_and_ends_on_a_signal(home: Home) -> None:
    """On SIGTERM; test_leftovers.py has the other ways to end it."""
    with subprocess.Popen(
        [COMMAND, "up", "--home", str(home.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("sagelab is up at http://127.0.0.1:")
        assert process.stdout.readline().startswith("console: http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
    assert home.server() is None


def test_down_of_none_is_no_error(sagelab: Any, home: Home) -> None:
    done = sagelab("down", home=home.path)
    assert (done.returncode, done.stdout) == (0, "sagelab is not running\n")


def test_a_failed_start_is_exit_code_1_with_the_reason(sagelab: Any, home: Home) -> None:
    home.database.write_text("this is no database, and that is why it cannot start")
    done = sagelab("up", "--detach", home=home.path)
    assert done.returncode == 1
    assert "file is not a database" in done.stderr
    assert "Traceback" not in done.stderr.partition("Its log says:")[0]


def test_env_points_a_shell_at_the_local_cloud(cloud: Any) -> None:
    script = f'eval "$({COMMAND} env)"; env | grep -c AWS_PROFILE; {sys.executable} -c "$CODE"'
    env = {**os.environ, "AWS_PROFILE": "production", "CODE": ACCOUNT_BY_EXPLICIT_ENDPOINT}
    env["SAGELAB_HOME"] = str(cloud.home.path)
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0", cloud.home.account]


def test_env_by_tls_points_a_shell_at_the_same_place(cloud: Any) -> None:
    again = "print(__import__('sagelab').connect('by-tls').url)"  # as the shell has it
    script = f'eval "$({COMMAND} env --tls)"; {sys.executable} -c "$CODE"; {sys.executable} -c "{again}"'
    script += f'; eval "$({COMMAND} env --plain)"; echo $AWS_ENDPOINT_URL'
    env = {**os.environ, "CODE": ACCOUNT_BY_EXPLICIT_ENDPOINT, "SAGELAB_HOME": str(cloud.home.path)}
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=60)
    secured = cloud.url.replace("http:", "https:")
    assert done.stdout.split() == [cloud.home.account, secured, cloud.url], done.stderr


def test_hosts_are_told_to_speak_tls(home: Home) -> None:
    for words, told in ([], "plain HTTP"), (["on"], "TLS (https)"), ([], "TLS (https)"), (["off"], "plain HTTP"):
        assert told in CliRunner().invoke(main, ["tls", *words, "--home", str(home.path)]).output


def test_env_of_none_says_how_to_start_one(sagelab: Any, home: Home) -> None:
    done = sagelab("env", home=home.path)
    assert done.returncode == 1
    assert "sagelab up" in done.stderr


def test_exec_runs_an_unmodified_script(sagelab: Any, cloud: Any) -> None:
    done = sagelab("exec", "--", sys.executable, "-c", ACCOUNT_BY_EXPLICIT_ENDPOINT, home=cloud.home.path)
    assert (done.returncode, done.stdout.strip()) == (0, cloud.home.account), done.stderr


@pytest.mark.slow
def test_exec_switches_the_sdks_telemetry_off(sagelab: Any, cloud: Any) -> None:
    code = (
        "from sagemaker.core.config.config import load_sagemaker_config;"
        "print(load_sagemaker_config()['SageMaker']['PythonSDK']['Modules']['TelemetryOptOut'])"
    )
    done = sagelab("exec", "--", sys.executable, "-c", code, home=cloud.home.path)
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.parametrize(
    ("code", "expected"), [("exit(0)", 0), ("exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_exec_hands_the_exit_code_on(sagelab: Any, cloud: Any, code: str, expected: int) -> None:
    assert sagelab("exec", "--", sys.executable, "-c", code, home=cloud.home.path).returncode == expected


def test_exec_of_no_such_command_says_so(sagelab: Any, cloud: Any) -> None:
    done = sagelab("exec", "--", "no-such-command-anywhere", home=cloud.home.path)
    assert done.returncode == 127
    assert "no-such-command-anywhere" in done.stderr


def test_exec_hands_signals_on(cloud: Any) -> None:
    code = (
        "import signal; signal.signal(signal.SIGTERM, lambda *_: exit(42));"
        "print('ready', flush=True); signal.pause()"
    )
    env = {**os.environ, "SAGELAB_HOME": str(cloud.home.path)}
    with subprocess.Popen(
        [COMMAND, "exec", "--", sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
    assert process.returncode == 42


@pytest.mark.slow
def test_exec_starts_a_local_cloud_for_the_command_and_ends_it(sagelab: Any, home: Home) -> None:
    code = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'])"
    done = sagelab("exec", "--", sys.executable, "-c", code, home=home.path)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert home.server() is None


def test_exec_fresh_leaves_the_home_alone(sagelab: Any, home: Home) -> None:
    done = sagelab("exec", "--fresh", "--", "printenv", "SAGELAB_HOME", home=home.path)
    assert done.returncode == 0
    assert done.stdout.strip() != str(home.path)
    assert not Path(done.stdout.strip()).exists()
    assert list(home.path.iterdir()) == []


def test_reset_asks_or_is_told(sagelab: Any, home: Home) -> None:
    home.database.write_text("")
    refused = sagelab("reset", home=home.path, stdin=subprocess.DEVNULL)
    assert refused.returncode == 1
    assert home.database.exists()
    assert sagelab("reset", "--yes", home=home.path).returncode == 0
    assert not home.database.exists()


def test_doctor_says_what_it_found(sagelab: Any, home: Home) -> None:
    done = sagelab("doctor", home=home.path)
    assert done.returncode == 0
    for name in ("Python", "packages", "namespaces", "memory", "disk", "port"):
        assert f" {name} " in done.stdout


@pytest.fixture
def course(tmp_path: Path) -> Callable[[str, str], Path]:
    """A project of one-cell labs: course("01-add", "1 + 1") adds a lab and returns the project."""
    for name in ("notebooks", "labs"):
        (tmp_path / "course" / name).mkdir(parents=True)

    def add(name: str, source: str) -> Path:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        nbformat.write(notebook, tmp_path / "course" / "notebooks" / f"{name}.ipynb")
        return tmp_path / "course"

    return add


@pytest.mark.slow
def test_clean_removes_what_a_lab_left_and_nothing_else(sagelab: Any, home: Home, unique: Any) -> None:
    jobs, name = Jobs(clouds.start(home)), unique("lab")
    for value in (name, "another"):
        tags = [{"Key": "sagelab:lab", "Value": value}]
        jobs.sagemaker.create_training_job(**jobs.shell("exec sleep 1000", TrainingJobName=value, Tags=tags))
    done = sagelab("clean", "--yes", name, home=home.path)
    assert f"stopped training job {name}" in done.stdout, done.stderr
    assert jobs.wait(name)["TrainingJobStatus"] == "Stopped"
    assert jobs.describe("another")["TrainingJobStatus"] == "InProgress"
    assert "stopped training job another" in sagelab("clean", "--yes", home=home.path).stdout
    assert sagelab("clean", "--yes", home=home.path).stdout == ""


def test_run_on_aws_wants_a_yes(sagelab: Any, cloud: Any) -> None:
    done = sagelab("run", "--target", "aws", home=cloud.home.path)
    assert done.returncode == 1
    assert "--yes" in done.stderr


@pytest.mark.slow
def test_run_reports_every_lab(sagelab: Any, cloud: Any, course: Any, tmp_path: Path) -> None:
    course("01-account", "import boto3; assert boto3.client('sts').get_caller_identity()['Account']")
    project = course("02-wrong", "assert 1 + 1 == 3, 'arithmetic'")
    junit, report = tmp_path / "junit.xml", tmp_path / "labs.json"
    options = ("--junit", str(junit), "--json", str(report))
    done = sagelab("run", *options, home=cloud.home.path, cwd=project)
    assert done.returncode == 1
    assert "1 passed, 1 failed" in done.stdout
    assert "arithmetic" in done.stderr
    assert [(lab["lab"], lab["passed"]) for lab in json.loads(report.read_text())] == [
        ("01-account", True),
        ("02-wrong", False),
    ]
    assert ElementTree.parse(junit).getroot().attrib["failures"] == "1"


@pytest.mark.slow
def test_run_leaves_the_learners_notebook_alone(sagelab: Any, cloud: Any, course: Any) -> None:
    project = course("01-note", "import pathlib; pathlib.Path('left.txt').write_text('x')")
    before = (project / "notebooks" / "01-note.ipynb").read_bytes()
    done = sagelab("run", "01", home=cloud.home.path, cwd=project)
    assert done.returncode == 0, done.stderr
    assert [file.name for file in (project / "notebooks").iterdir()] == ["01-note.ipynb"]
    assert (project / "notebooks" / "01-note.ipynb").read_bytes() == before


def test_run_of_no_such_lab_says_so(sagelab: Any, cloud: Any, course: Any) -> None:
    done = sagelab("run", "99", home=cloud.home.path, cwd=course("01-add", "1 + 1"))
    assert done.returncode == 1
    assert "begins with 99" in done.stderr
