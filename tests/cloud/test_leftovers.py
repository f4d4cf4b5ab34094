"""However a local cloud ends: no process, no mount, no port and no file outside of its home is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from sagelab.cloud import control
from sagelab.cloud.home import Home
from sagelab.cloud.store import Store
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow

TIMEOUT = 60


def end_in_order(home: Home, serving: subprocess.Popen[bytes]) -> None:
    control.down(home)
    serving.wait(TIMEOUT)


def interrupt(_: Home, serving: subprocess.Popen[bytes]) -> None:
    """Ctrl-C."""
    serving.send_signal(signal.SIGINT)
    assert serving.wait(TIMEOUT) == 0


def hang_up(_: Home, serving: subprocess.Popen[bytes]) -> None:
    """The terminal is closed."""
    serving.send_signal(signal.SIGHUP)
    assert serving.wait(TIMEOUT) == 0


def kill(home: Home, serving: subprocess.Popen[bytes]) -> None:
    """What is left of that is gone, at the latest, after the next start."""
    serving.kill()
    serving.wait(TIMEOUT)
    control.up(home)
    control.down(home)


@pytest.mark.parametrize("end", [end_in_order, interrupt, pytest.param(hang_up, marks=pytest.mark.long), kill])
def test_nothing_is_left_of_it(home: Home, tmp_path: Path, end: Callable[..., None]) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [str(Path(sys.executable).with_name("sagelab")), "up", "--home", str(home.path)]
    variables = os.environ | {"TMPDIR": str(temporary)}
    serving = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = wait_up(home)
        jobs = Jobs(LocalCloud(home, url))
        request = jobs.shell("touch /tmp/left; sleep 600 & echo begun; sleep 600")
        arn = jobs.sagemaker.create_training_job(**request)["TrainingJobArn"]
        jobs.wait_log(request["TrainingJobName"], "begun")
        running = psutil.Process(serving.pid).children(recursive=True)
        assert any("sleep" in process.cmdline() for process in running)
        end(home, serving)
    finally:
        serving.kill()
        serving.wait()
    _, alive = psutil.wait_procs(running, timeout=TIMEOUT)
    assert [process.cmdline() for process in alive] == []
    assert str(home.path) not in Path("/proc/self/mountinfo").read_text()
    assert list(home.jobs.iterdir()) == []
    assert list((home.path / "tmp").glob("*")) == []
    assert list(temporary.iterdir()) == []
    with socket.create_server(("127.0.0.1", urlsplit(url).port or 0)):
        pass  # the port is free
    store = Store(home.database)
    job = store.get(arn)
    store.close()
    assert job["TrainingJobStatus"] == "Failed"
    assert "InternalServerError" in job["FailureReason"]


def wait_up(home: Home) -> str:
    limit = time.monotonic() + TIMEOUT
    while (found := home.server()) is None:
        assert time.monotonic() < limit
        time.sleep(0.05)
    return str(found["url"])
