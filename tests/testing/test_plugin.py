"""The plugin as a team meets it: their tests in a folder of their own, run by a pytest of their own."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.testing.suites import Ran, command, environment, run

slow = pytest.mark.slow  # a pytest and a local cloud of its own


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The team's tests, run once."""
    return run(tmp_path_factory.mktemp("team"), "team")


def runs(pid: int) -> bool:
    """Whether a process is there; one that has ended may still wait to be noticed by its parent."""
    return bool(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


def section(ran: Ran, test: str, title: str) -> str:
    """A section of the report of a test that failed."""
    (report,) = re.findall(rf"_+ {test} _+\n(.*?)(?=\n_{{5,}} \w|\n={{5,}})", ran.said, re.DOTALL)
    (found,) = re.findall(rf"-+ sagelab: {title} -+\n(.*?)(?=\n-{{5,}}|\Z)", report, re.DOTALL)
    return str(found)


@slow
def test_tests_find_the_local_cloud_and_leave_the_process_as_it_was(ran: Ran) -> None:
    assert {test for test, outcome in ran.outcomes.items() if outcome != "passed"} == {
        "test_that_fails",
        "test_that_fails_for_its_module",
        "test_that_fails_for_itself",
        "test_that_fails_in_other_ways",
    }, ran.said
    assert len(ran.outcomes) > 10


@slow
def test_fixture_of_a_module_is_torn_down_where_it_was_set_up(ran: Ran) -> None:
    assert (ran.folder / "deleted").exists()


@slow
def test_prefixes_are_names_that_s3_and_sagemaker_take(ran: Ran) -> None:
    lines = (ran.folder / "prefixes").read_text().splitlines()
    found = dict(line.split("=") for line in lines)
    assert len(set(found.values())) == 3
    assert all(re.fullmatch(r"test-named-[a-z0-9-]*[0-9a-f]{8}", name) for name in found.values())
    assert max(map(len, found.values())) <= 32


@slow
def test_report_of_a_test_that_fails_has_the_reason_and_the_end_of_the_log_of_its_job(ran: Ran) -> None:
    found = section(ran, "test_that_fails", r"training job test-that-fails-\w+: Failed")
    reason, _, log = found.partition("exit code: 3\n")
    assert reason.startswith("FailureReason: AlgorithmError")
    assert log.splitlines()[-2:] == ["1000", "said by the job of the test"]
    assert len(log.splitlines()) == 40
    assert "of-the-module" not in found


@slow
def test_report_has_the_job_of_a_wider_fixture_of_the_test(ran: Ran) -> None:
    found = section(ran, "test_that_fails_for_its_module", "training job of-the-module: Failed")
    assert "said by the job of the module" in found


@slow
def test_report_has_an_endpoint_and_the_training_jobs_of_a_search(ran: Ran) -> None:
    kinds = ("endpoint", "tuning job", "training job")
    found = [section(ran, "test_that_fails_in_other_ways", rf"{kind} \S+: Failed") for kind in kinds]
    assert all(text.startswith("FailureReason: ") for text in found)
    assert "said by serve" in found[0].splitlines()
    assert "said by train" in found[2].splitlines()


@slow
def test_report_of_a_test_that_made_nothing_has_no_section(ran: Ran) -> None:
    (report,) = re.findall(r"_+ test_that_fails_for_itself _+\n(.*?)(?=\n={5,})", ran.said, re.DOTALL)
    assert "sagelab: " not in report


@slow
def test_nothing_runs_and_nothing_is_stored_after_the_run(ran: Ran) -> None:
    server = json.loads((ran.folder / "where.json").read_text())
    assert not runs(server["pid"])
    assert not list(ran.temporary.glob("sagelab-*"))


@slow
def test_workers_share_one_local_cloud_that_outlives_the_death_of_one(tmp_path: Path) -> None:
    ran = run(tmp_path, "workers", "-n", "2")
    said = [json.loads(file.read_text()) for file in tmp_path.glob("said-*.json")]
    assert len(said) == 6
    assert len({one["worker"] for one in said}) >= 2, ran.said
    assert "crashed while running" in ran.said
    assert len({one["server"]["pid"] for one in said}) == 1
    assert not runs(said[0]["server"]["pid"])
    assert not list(ran.temporary.glob("sagelab-*"))


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A run whose test waits, and the process of its local cloud."""
    os.mkfifo(tmp_path / "server")
    arguments, env = command(tmp_path, "alone"), environment(tmp_path)
    with subprocess.Popen(arguments, env=env, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        yield process, int((tmp_path / "server").read_text())


@slow
def test_local_cloud_ends_with_a_run_that_is_killed(waiting: tuple[subprocess.Popen[bytes], int]) -> None:
    process, server = waiting
    descriptor = os.pidfd_open(server)
    process.send_signal(signal.SIGKILL)
    assert select.select([descriptor], [], [], 60)[0]
    os.close(descriptor)


@slow
def test_fresh_clouds_are_kept_apart_and_a_killed_one_comes_back(tmp_path: Path) -> None:
    ran = run(tmp_path, "fresh", "--sagelab-keep")
    assert set(ran.outcomes.values()) == {"passed"}, ran.said
    assert len(ran.outcomes) == 5
    homes = re.findall(r"sagelab up --home (\S+)", ran.said)
    assert len(homes) == 3
    assert all((Path(home) / "sagelab.db").exists() for home in homes)


@slow
def test_local_cloud_that_does_not_start_is_said_in_a_sentence(tmp_path: Path) -> None:
    ran = run(tmp_path, "fresh", SAGELAB_PYTHON="/bin/false")
    assert set(ran.outcomes.values()) <= {"error", "failure"}
    assert "The local cloud does not start; `sagelab doctor` looks why." in ran.said
    assert "control.py" not in ran.said


def test_pytest_loads_next_to_nothing_of_it() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import sagelab.testing.plugin;"
        "print(*set(sys.modules) - before)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    own = {"sagelab", "sagelab.testing", "sagelab.testing.cloud", "sagelab.testing.plugin"}
    assert set(loaded.split()) <= own
