"""The local cloud of a user who is not root, where the tests are root's: in a process of that user's.

Elsewhere every test is one of a user who is not root, and another_user.py is run as it is.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

USER = 12345
PROJECT = Path(__file__).parents[2]
NEEDED = (Path(sys.base_prefix), Path(sys.prefix), PROJECT)
AS_USER = f"setpriv --reuid {USER} --regid {USER} --clear-groups --inh-caps=-all"


def closed(folder: Path) -> Path | None:
    """The first folder on the way to one through which others may not go, or None."""
    return next((one for one in reversed([folder, *folder.parents]) if not one.stat().st_mode & 1), None)


def opening(hold: Path) -> list[str]:
    """Commands that make what is needed reachable for others, for the mount namespace they are run in alone."""
    hidden = {folder: closed(folder) for folder in NEEDED if closed(folder)}
    held = {folder: shlex.quote(str(hold / str(number))) for number, folder in enumerate(hidden)}
    return [
        *(f"mkdir -p {place}\nmount --bind {shlex.quote(str(folder))} {place}" for folder, place in held.items()),
        *(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(folder))}" for folder in set(hidden.values())),
        *(f"mkdir -p {shlex.quote(str(folder))}" for folder in hidden),
        *(f"mount --bind {place} {shlex.quote(str(folder))}" for folder, place in held.items()),
    ]


def run(command: str, hold: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as the user."""
    lines = ["set -e", *opening(hold), f"exec {AS_USER} {command}" if os.getuid() == 0 else f"exec {command}"]
    private = ["unshare", "--mount", "--propagation", "private"] if os.getuid() == 0 else []
    home = str(hold / "home")
    env = {**os.environ, "HOME": home, "TMPDIR": home, "USER": "somebody", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*private, "/bin/sh", "-c", "\n".join(lines)],
        env=env,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def hold() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "home").mkdir()
    if os.getuid() == 0:
        os.chown(folder / "home", USER, USER)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("sandbox", ["auto", "plain"])
def test_nothing_that_code_closes_stays_or_fails(
    hold: Path, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if run("true", hold).returncode:
        pytest.skip("this machine lets nobody run as another user")
    monkeypatch.setenv("SAGELAB_SANDBOX", sandbox)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    file = Path(__file__).with_name("another_user.py").relative_to(PROJECT)
    command = f"{sys.executable} -m pytest -x -p no:cacheprovider --basetemp {hold}/home/t {file}"
    told = run(command, hold)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "3 passed" in told.stdout
