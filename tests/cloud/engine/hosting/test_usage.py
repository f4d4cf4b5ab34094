from __future__ import annotations

import os
import subprocess

from sagelab.cloud.engine.hosting.usage import Usage


def test_process_that_computes_uses_cpu_and_memory() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "echo; while :; do :; done"], stdout=subprocess.PIPE) as busy:
        assert busy.stdout
        busy.stdout.readline()
        usage, seen = Usage(), 0.0
        while seen == 0:
            seen, memory = usage.look([busy.pid])
        busy.kill()
    assert 0 < seen < 1000
    assert 0 < memory < 100_000_000


def test_process_that_is_gone_counts_nothing() -> None:
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    usage = Usage()
    assert usage.look([gone.pid]) == (0.0, 0)
    assert usage.look([os.getpid()])[1] > 0
