from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sagelab.cloud.home import Home

HOLD = (
    "import sys; from sagelab.cloud.home import Home; lock = Home(sys.argv[1]).hold();"
    "print('held', flush=True); sys.stdin.read()"
)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def holder(home: Home) -> subprocess.Popen[str]:
    """A process that holds the home until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_folder_is_the_owners_alone(tmp_path: Path) -> None:
    assert mode(Home(tmp_path / "deep" / "home").path) == 0o700


def test_home_is_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGELAB_HOME", str(tmp_path / "named"))
    assert Home().path == tmp_path / "named"


def test_credentials_are_made_once_and_private(tmp_path: Path) -> None:
    first = Home(tmp_path).credentials()
    assert Home(tmp_path).credentials() == first
    assert mode(tmp_path / "credentials.json") == 0o600
    assert len(first.access_key_id) == 20


def test_each_home_has_its_own_secret(tmp_path: Path) -> None:
    one, other = Home(tmp_path / "a").credentials(), Home(tmp_path / "b").credentials()
    assert one.secret_access_key != other.secret_access_key


def test_programs_that_ask_at_once_get_the_same_credentials(tmp_path: Path) -> None:
    code = "import sys; from sagelab.cloud.home import Home; print(Home(sys.argv[1]).credentials())"
    command = [sys.executable, "-c", code, str(tmp_path)]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    assert len({process.communicate()[0] for process in asking}) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["credentials.json"]


def test_one_process_holds_a_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = holder(home)
    with pytest.raises(BlockingIOError):
        home.hold()
    end(process)
    home.hold().close()


def test_asking_whether_it_runs_never_keeps_one_from_starting(tmp_path: Path) -> None:
    home = Home(tmp_path)
    code = "import sys; from sagelab.cloud.home import Home\nwhile True: Home(sys.argv[1]).server()"
    asking = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, text=True)
    for _ in range(2000):
        home.hold().close()
    assert asking.poll() is None
    end(asking)


def test_a_server_that_was_killed_is_not_running(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = holder(home)
    home.announce(url="http://127.0.0.1:4321", pid=process.pid)
    assert home.server() == {"url": "http://127.0.0.1:4321", "pid": process.pid}
    end(process)
    assert home.server() is None
    assert home.last_port() == 4321


def test_a_start_that_fails_leaves_the_port(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.announce(url="http://127.0.0.1:4321", pid=1)
    for _ in range(2):
        home.hold().close()
        assert home.server() is None
        assert home.last_port() == 4321


def test_a_broken_announcement_is_no_announcement(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text('{"url": ')
    assert Home(tmp_path).last_port() is None


def test_clear_deletes_the_local_clouds_own_files_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    keys = home.credentials()
    (home.jobs / "a-job").mkdir()
    home.database.write_text("")
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "server.json").write_text(json.dumps({}))
    home.clear()
    assert {file.name for file in tmp_path.iterdir()} == {"credentials.json", "thesis.txt"}
    assert home.credentials() == keys


def test_disk_counts_what_is_there(tmp_path: Path) -> None:
    home = Home(tmp_path)
    before = home.disk()
    (tmp_path / "model.bin").write_bytes(b"x" * 100_000)
    assert home.disk() - before >= 100_000
