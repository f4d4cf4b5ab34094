from __future__ import annotations

import os
import signal
import subprocess

from sagelab.cloud.engine.hosting.usage import Usage, descendants, measure


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


def test_what_a_process_has_started_counts_with_it() -> None:
    command = ["/bin/sh", "-c", "/bin/sh -c 'sleep 60 & echo; wait' & wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as first:
        assert first.stdout
        first.stdout.readline()
        found = descendants(first.pid)
        assert (found[0], len(found)) == (first.pid, 3)
        assert 0 < measure(found) < 50_000_000
        os.killpg(first.pid, signal.SIGKILL)
    assert descendants(0) == []
    assert measure([first.pid]) == 0
