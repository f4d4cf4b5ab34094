"""What a host may have is looked at from inside of it: these tests look from process namespaces of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

APART = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
ROOM = """
    import os, subprocess, sys, time
    from sagelab.cloud.engine.limits import Limits

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
