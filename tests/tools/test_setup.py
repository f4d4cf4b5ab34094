"""tools/setup.py takes no package whose bytes are not those that the lock names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from setup import OFFLINE, ROOT, locked

WRONG = "--hash=sha256:" + "0" * 64
BARE = getattr(sys, "_base_executable", sys.executable)  # one that has pip


def test_locked_is_one_package_with_all_its_hashes() -> None:
    entry = locked("uv")
    assert re.match(r"uv==[\d.]+ \\\n", entry)
    assert len(re.findall("==", entry)) == 1
    assert entry.count("--hash=sha256:") == len(entry.splitlines()) - 1 > 1


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that is set up as the project is."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "setup.py", tmp_path / "tools")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def set_up(project: Path, *entries: str, **env: str) -> str:
    """What is said of a set-up, from a lock with these entries, that must fail."""
    (project / "requirements.lock").write_text("\n".join(entries) + "\n")
    done = subprocess.run(
        [BARE, "tools/setup.py", "environment"], cwd=project, env={**os.environ, **env}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 1
    assert not (project / "environment" / "sagelab-setup").exists()
    return done.stdout


def test_an_installer_of_other_bytes_is_refused(project: Path) -> None:
    version = re.match(r"uv==(\S+)", locked("uv"))
    assert version is not None
    wheels = project / "wheels"
    wheels.mkdir()
    (wheels / f"uv-{version[1]}-py3-none-any.whl").write_bytes(b"something else")
    said = set_up(project, locked("uv"), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in said
    assert not (project / "environment" / "bin" / "uv").exists()


def test_without_a_network_a_sentence_says_what_to_do(project: Path) -> None:
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_NO_INDEX": "0"}
    said = set_up(project, locked("uv"), **nowhere, PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull)
    assert said.rstrip().endswith(f"  installer   failed: {OFFLINE}")
    assert len(said.split()) < 60


@pytest.mark.slow
def test_a_package_of_other_bytes_is_refused(project: Path) -> None:
    said = set_up(project, re.sub(r"--hash=\S+", WRONG, locked("six")), locked("uv"))
    if "  packages" not in said or OFFLINE in said:
        pytest.skip("no package index can be reached")
    assert "Hash mismatch for `six==" in said
    assert not list(project.glob("environment/lib/*/site-packages/six*"))
