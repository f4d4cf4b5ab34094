from __future__ import annotations

import os
import select
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
    assert ends(int(log.read_text()))


def ends(pid: int) -> bool:
    """Whether a process ends within half a minute: a signal that was sent takes its time to arrive."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 30)[0])
    finally:
        os.close(descriptor)
