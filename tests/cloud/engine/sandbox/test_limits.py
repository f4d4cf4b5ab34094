"""What a host may have is looked at from inside of it: these tests look from process namespaces of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

APART = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
ROOM = """
    import os, subprocess, sys, time
    from sagelab.cloud.engine.sandbox.limits import Limits

    def hold(megabytes):
        code = f"x = b'1' * ({megabytes} << 20); print(flush=True); import time; time.sleep(60)"
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        child.stdout.readline()
        return child

    limits = Limits(processes=4, memory=100 << 20)
    children = [hold(60)]
    print(limits.breach())
    time.sleep(0.6)
    children.append(hold(60))
    print(limits.breach())
    print(limits.breach())  # it is too soon for another look
    for child in children:
        child.kill(); child.wait()
    time.sleep(0.6)
    print(limits.breach())
    children = [hold(0) for _ in range(4)]
    print(limits.breach())
"""

DISK = """
    import sys
    from sagelab.cloud.engine.sandbox.limits import size_of
    print(size_of(sys.argv[1]))
"""


def test_processes_and_their_memory_together_are_limited() -> None:
    if shutil.which("unshare") is None or subprocess.run([*APART, "true"], capture_output=True).returncode:
        pytest.skip("namespaces are forbidden here")
    command = [*APART, sys.executable, "-c", textwrap.dedent(ROOM)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "None",
        "its processes together use more memory than there is for it (100 MB)",
        "None",
        "None",
        "it has more than 4 processes",
    ]


def test_what_is_mounted_to_be_read_is_no_disk_of_the_host(tmp_path: Path) -> None:
    apart = [*APART, "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True).returncode:
        pytest.skip("namespaces are forbidden here")
    theirs, root = tmp_path / "theirs", tmp_path / "root"
    for folder in (theirs, root / "a python", root / "own"):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x" * 1_000_000)
    mounts = 'mount --bind "$1/theirs" "$1/root/a python" && mount -o remount,bind,ro "$1/root/a python" && '
    python = [sys.executable, "-c", textwrap.dedent(DISK), str(root)]
    command = [*apart, "bash", "-c", mounts + 'exec "${@:2}"', "bash", str(tmp_path), *python]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ)
    assert done.stderr == ""
    assert 1_000_000 <= int(done.stdout) < 1_100_000
