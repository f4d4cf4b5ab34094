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
    script = {"options": [], "arguments": [sys.argv[2]], "env": dict(os.environ)}
    script |= {"folder": "/", "shim": 100_000 + number}
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


# A host without namespaces: SIGTERM as soon as its first command says that all stands.
ASKED = """
import os, signal, sys, threading
from sagelab.cloud.engine.sandbox.init import Init

reader, writer = os.pipe()
said = os.dup(1)
os.dup2(writer, 1)
os.close(writer)

def follow():
    for line in os.fdopen(reader):
        os.write(said, line.encode())
        if line == "ready\\n":
            os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=follow, daemon=True).start()
init = Init(tuple(sys.argv[1:]), dict(os.environ), (), os.open(os.devnull, os.O_WRONLY))
code = init.run()
os.write(said, f"exit code {code}\\n".encode())
os._exit(0)
"""
HEARS = """
import multiprocessing, signal, subprocess, sys, time

def save(*_):
    print("saved while", "helped" if child.poll() is None else "alone", flush=True)
    child.kill()
    sys.exit(0)

signal.signal(signal.SIGTERM, save)
"""
POPEN = 'child = subprocess.Popen(["sleep", "60"])\n'
POOL = """
import os
pool = multiprocessing.Pool(2, initializer=signal.signal, initargs=(signal.SIGTERM, signal.SIG_DFL))
child = subprocess.Popen(["sleep", "60"])
pool.map(abs, [1, 2])
"""
END = 'print("ready", flush=True)\ntime.sleep(60)\n'


def ask(*command: str) -> list[str]:
    """What a host prints that is asked to end when it is ready."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED, *command],
        capture_output=True,
        text=True,
        timeout=50,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("children", [POPEN, POOL], ids=["Popen", "Pool"])
def test_a_script_with_children_hears_a_request_to_end_and_they_do_not(tmp_path: Path, children: str) -> None:
    (tmp_path / "script.py").write_text(HEARS + children + END)
    shell = f"{sys.executable} {tmp_path}/script.py; echo the shell goes on; exit 3"
    assert ask("/bin/bash", "-c", shell) == ["ready", "saved while helped", "the shell goes on", "exit code 3"]


def test_a_script_with_children_that_hears_nothing_is_ended_with_them(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import subprocess, time\n" + POPEN + END)
    shell = f"{sys.executable} {tmp_path}/script.py; echo $?"
    assert ask("/bin/bash", "-c", shell) == ["ready", "143", "exit code 0"]


def test_a_shell_that_waits_for_the_request_hears_it() -> None:
    shell = "trap 'echo heard; kill %1; exit 4' TERM; sleep 60 & echo ready; wait"
    assert ask("/bin/bash", "-c", shell) == ["ready", "heard", "exit code 4"]
