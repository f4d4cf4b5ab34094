"""Process 1 of a host, by itself."""

from __future__ import annotations

import subprocess
import sys

# A child that takes half a second to become itself, asked to end meanwhile; it then prints how it ended.
EARLY = """
import os, signal, sys, time
from sagelab.cloud.engine.init import Init

init = Init((), {}, (), os.open(os.devnull, os.O_WRONLY))
become = init._become_child
init._become_child = lambda: (time.sleep(0.5), become())
signal.signal(signal.SIGTERM, lambda *_: init.terminate())
pid = init._fork(lambda: time.sleep(60))
os.kill(pid, signal.SIGTERM)
print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print("blocked", signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


def test_a_request_to_end_that_comes_while_a_child_starts_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, timeout=50)
    assert done.stdout.splitlines() == ["child -15", "blocked False"], done.stderr
