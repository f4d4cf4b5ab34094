from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sagelab.cloud import control
from sagelab.cloud.errors import NotRunning, StartFailed
from sagelab.cloud.home import Home
from tests.cloud.kills import kill

pytestmark = pytest.mark.slow  # most tests start a local cloud of their own


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=10)
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError:
        return False
    return True


def processes_of(home: Home) -> list[list[str]]:
    """The command lines that name the home or run inside it."""
    seen = [process.info for process in psutil.process_iter(["cmdline", "cwd", "status"])]
    return [
        info["cmdline"]
        for info in seen
        if info["status"] != psutil.STATUS_ZOMBIE and str(home.path) in (*(info["cmdline"] or ()), info["cwd"])
    ]


def port_of_its_own() -> int:
    """A free port that nobody else is given: no home's first choice, and none of the kernel's own."""
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


HOSTILE = {
    "AWS_PROFILE": "no-such-profile",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, str]]:
    """A home, and the URL that who started a local cloud on it was told; they had AWS settings and are gone."""
    home = Home(tmp_path_factory.mktemp("shared") / "home")
    code = "import sys; from sagelab.cloud import control, home; print(control.up(home.Home(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(home.path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | HOSTILE)
    assert done.returncode == 0, done.stderr
    yield home, done.stdout.strip()
    control.down(home)


def test_it_outlives_whoever_started_it_and_ignores_their_aws(
    shared: tuple[Home, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, url = shared
    assert answers(url)
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    assert control.status(home) is not None


def test_up_on_a_running_one_says_where_it_is(shared: tuple[Home, str]) -> None:
    home, url = shared
    assert control.up(home) == url


def test_up_returns_when_it_answers_and_down_when_nothing_is_left(home: Home) -> None:
    url = control.up(home)
    assert answers(url)
    assert processes_of(home)
    assert control.down(home)
    assert not answers(url)
    assert processes_of(home) == []
    assert not control.down(home)


def test_two_that_start_at_once_get_the_same_one(home: Home) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: control.up(home), range(4)))) == 1


def test_a_home_keeps_its_port_where_that_is_free(home: Home) -> None:
    url = control.up(home, port_of_its_own())
    control.down(home)
    assert control.up(home) == url
    control.down(home)
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
        assert control.up(home) != url


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartFailed, match=f"Cannot listen on 127.0.0.1:{port}"):
            control.up(home, port)
    assert control.status(home) is None


def test_a_failed_start_shows_the_end_of_the_log(home: Home) -> None:
    home.database.write_text("this is no database, and that is why it cannot start")
    with pytest.raises(StartFailed, match="file is not a database"):
        control.up(home)


def test_after_a_kill_it_is_not_running_and_starts_again_beside_others(
    home: Home, shared: tuple[Home, str]
) -> None:
    control.up(home)
    kill(home)
    assert control.status(home) is None
    url = control.up(home)
    assert answers(url)
    assert url != shared[1]
    assert control.down(home)
    assert control.status(shared[0]) is not None


def test_status_says_what_runs(shared: tuple[Home, str], tmp_path: Path) -> None:
    assert control.status(Home(tmp_path / "new")) is None
    home, url = shared
    found = control.status(home)
    assert found is not None
    assert (found.url, found.home, found.jobs, found.runs) == (url, str(home.path), 0, {})
    assert found.uptime > 0
    assert found.disk > 0


def test_environment_needs_a_running_one(home: Home) -> None:
    with pytest.raises(NotRunning, match="sagelab up"):
        control.environment(home)


def test_surroundings_leave_nothing_that_leads_elsewhere(
    shared: tuple[Home, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a token")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://elsewhere.example")
    monkeypatch.setenv("no_proxy", "intranet.example")
    home, url = shared
    env = control.surroundings(home)
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"} & env.keys()
    assert env["AWS_ENDPOINT_URL"] == url
    assert env["NO_PROXY"] == "intranet.example,127.0.0.1,localhost"


def test_reset_keeps_the_credentials_and_nothing_else(home: Home) -> None:
    control.up(home)
    keys = home.credentials()
    control.reset(home)
    assert control.status(home) is None
    assert not home.database.exists()
    assert home.credentials() == keys


def test_running_ends_only_what_it_started(home: Home) -> None:
    with control.running(home) as url:
        assert answers(url)
        with control.running(home):
            pass
        assert answers(url)
    assert home.server() is None


def test_local_cloud_starts_in_the_homes_own_environment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGELAB_PYTHON", raising=False)
    assert control.python_of(home) == sys.executable
    own = home.path / "environment" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.symlink_to(sys.executable)
    assert control.python_of(home) == str(own)
    monkeypatch.setenv("SAGELAB_PYTHON", "/opt/another/python")
    assert control.python_of(home) == "/opt/another/python"
