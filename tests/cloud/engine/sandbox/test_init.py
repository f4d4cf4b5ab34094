"""Process 1 of a host, by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# A child that takes half a second to become itself, asked to end meanwhile; it then prints how it ended.
EARLY = """
import os, signal, sys, time
from sagelab.cloud.engine.sandbox.init import Init

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


# The script of SageMaker's toolkit, started after the request to end has gone to one of the toolkit's helpers.
LATE = """
import os, signal, socket, sys, json
from sagelab.cloud.engine.sandbox.init import Init

init = Init((sys.argv[1],), dict(os.environ), ("python3", "train"), os.open(os.devnull, os.O_WRONLY))
init.terminate()
for number in range(2):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    script = {"arguments": [sys.argv[2]], "env": dict(os.environ), "folder": "/", "shim": 100_000 + number}
    socket.send_fds(ours, [json.dumps(script).encode()], [0, 1, 2])
    init._serve(theirs)
    print("script", os.waitstatus_to_exitcode(os.waitpid(json.loads(ours.recv(4096))["pid"], 0)[1]), flush=True)
"""


@pytest.mark.parametrize(("command", "first"), [("train", -15), ("bash", 0)])
def test_the_script_of_the_toolkit_hears_a_request_that_came_before_it(
    tmp_path: Path, command: str, first: int
) -> None:
    """Another command's do not, nor do the toolkit's later ones: they may be what a script saves its work with."""
    (tmp_path / "script.py").write_text("import time\ntime.sleep(1)\n")
    done = subprocess.run(
        [sys.executable, "-c", LATE, command, str(tmp_path / "script.py")],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.stdout.splitlines() == [f"script {first}", "script 0"], done.stderr
