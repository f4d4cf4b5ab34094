from __future__ import annotations

from pathlib import Path

from sagelab.workbench import hooks


def script(folder: Path, text: str) -> Path:
    (folder / "OnStart").write_text(f"#!/bin/bash\n{text}\n")
    (folder / "OnStart").chmod(0o700)
    return folder / hooks.log_name("OnStart")


def test_script_that_succeeds_lets_the_instance_go_on(tmp_path: Path) -> None:
    log = script(tmp_path, "echo out; echo err >&2; pwd")
    assert hooks.run(tmp_path, "OnStart", 60) == 0
    assert log.read_text() == "out\nerr\n/\n"


def test_script_that_fails_ends_it_with_a_code_of_its_own(tmp_path: Path) -> None:
    log = script(tmp_path, "exit 7")
    assert hooks.FAILED[hooks.run(tmp_path, "OnStart", 60)] == "OnStart"
    assert "exit code 7" in log.read_text()


def test_script_without_a_shebang_is_bash(tmp_path: Path) -> None:
    log = script(tmp_path, "")
    (tmp_path / "OnStart").write_text("[[ a == a ]] && echo bash")
    assert hooks.run(tmp_path, "OnStart", 60) == 0
    assert log.read_text() == "bash\n"


def test_script_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    log = script(tmp_path, "sleep 1000 & echo $!; wait")
    assert hooks.TOO_LONG[hooks.run(tmp_path, "OnStart", 1)] == "OnStart"
    assert not is_running(int(log.read_text()))


def is_running(pid: int) -> bool:
    """Whether a process still does anything; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
