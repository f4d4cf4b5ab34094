"""What a job tries against the processes of the platform and against other jobs."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagelab.cloud.engine.data.workspace import environment
from sagelab.cloud.engine.images.environments import PLAIN
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.internet import Internet
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.sandbox.network import Network, Ways
from sagelab.cloud.engine.sandbox.warm import Group
from tests.cloud.engine.sandbox.launching import launching

# Scripts are forks of the warm Python: they have all that a job can have of the platform in their memory.
FORKED = Runtime("forked", (), ("python3",), PLAIN)
Attack = Callable[..., str]


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    yield from launching(tmp_path_factory, FORKED)


@pytest.fixture
def attack(launcher: Launcher) -> Attack:
    """Runs a script on a host; returns what it prints, once it has ended by itself."""

    def run(code: str, **env: str) -> str:
        job = f"attack-{secrets.token_hex(4)}"
        folder = launcher.make_folder(job, "algo-1")
        (folder / "ml/attack.py").write_text(textwrap.dedent(code))
        command = ("/bin/bash", "-c", "python3 /opt/ml/attack.py 2>&1; echo went on")
        host = HostSpec("algo-1", str(folder), command, environment("us-east-1") | env)
        running = launcher.start(FORKED, [host], None)
        with os.fdopen(running.outputs["algo-1"]) as output:
            said = output.read()
        assert running.group.ended.wait(30)
        launcher.remove_folder(job)
        assert running.group.codes == {"algo-1": 0}, said
        assert said.endswith("went on\n")
        return said

    return run


CALL = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)

def call(name, number, *arguments):
    result = libc.syscall(number, *[ctypes.c_long(argument) for argument in arguments])
    print(name, errno.errorcode[ctypes.get_errno()] if result < 0 else "worked", flush=True)
    return result
"""


def test_a_job_has_no_file_of_the_platform(attack: Attack) -> None:
    said = attack(
        """
        import os
        for name in os.listdir("/proc/self/fd"):
            if os.path.exists(f"/proc/self/fd/{name}"):
                print("open", name, os.readlink(f"/proc/self/fd/{name}"))
        """,
    )
    opened = [line for line in said.splitlines() if line.startswith("open")]
    assert [line.split()[1] for line in opened] == ["0", "1", "2"], said


def test_process_one_is_out_of_reach(attack: Attack) -> None:
    """Neither its files, nor its memory, nor its limits: with any of them a job has no limits of its own."""
    said = attack(
        CALL
        + textwrap.dedent(
            """
            number = {"x86_64": (434, 438, 101, 302), "aarch64": (434, 438, 117, 261)}[os.uname().machine]
            pidfd = libc.syscall(number[0], 1, 0)
            for fd in range(3, 12):
                call("getfd", number[1], pidfd, fd, 0)
            call("attach", number[2], 16, 1, 0, 0)
            call("seize", number[2], 0x4206, 1, 0, 0)
            call("limits", number[3], 1, 7, ctypes.addressof((ctypes.c_ulong * 2)(3, 3)), 0)
            for path in ("mem", "fd/0", "environ", "root", "cwd", "maps"):
                try:
                    os.open(f"/proc/1/{path}", os.O_RDWR if path == "mem" else os.O_RDONLY)
                    print(path, "worked")
                except OSError as error:
                    print(path, errno.errorcode[error.errno])
            """
        ),
    )
    assert "worked" not in said
    assert said.count("getfd EPERM") == 9


def test_a_job_cannot_hide_from_process_one(attack: Attack) -> None:
    code = 'number = {"x86_64": 157, "aarch64": 167}[os.uname().machine]\ncall("hide", number, 4, 0)\n'
    assert "hide EPERM" in attack(CALL + code)


def test_nothing_of_an_earlier_job_is_in_the_memory_of_the_next(attack: Attack) -> None:
    kept = {f"KEPT_{number}": f"canary{secrets.token_hex(16)}" for number in range(200)}
    assert kept["KEPT_7"] in attack("import os\nprint(os.environ['KEPT_7'])", **kept)
    said = attack(
        """
        import re
        with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
            for line in maps.read().splitlines():
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if "r" in line.split()[1]:
                    try:
                        memory.seek(start)
                        found = set(re.findall(rb"canary[0-9a-f]{32}", memory.read(end - start)))
                    except (OSError, ValueError, OverflowError):
                        continue
                    for each in found:
                        print("found", each.decode())
        print("searched")
        """,
    )
    assert "searched" in said
    assert "found" not in said


def test_process_one_survives_what_is_no_request(attack: Attack) -> None:
    """A program of a host can write what it likes to the socket of its `python3`."""
    said = attack(
        r"""
        import socket, subprocess
        requests = [b"{", b"[]", b"1", b'{"arguments": 1}', b"[" * 60_000, b"\xff"]
        requests.append(b'{"shim": "x", "arguments": ["a"]}')
        for bad in requests:
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            channel.connect("/run/sagelab/python.sock")
            channel.send(bad)
            print("answer", channel.recv(100))
        print(subprocess.run(["python3", "-m", "this"], capture_output=True).stdout.decode()[:16])
        """,
    )
    assert said.count("answer b''") == 7
    assert "The Zen of Python" in said or "The Zen of Pytho" in said


def test_process_one_waits_for_nobody_who_asks_and_does_not_listen(attack: Attack) -> None:
    said = attack(
        r"""
        import json, os, socket, subprocess
        open("/tmp/nothing.py", "w").close()
        request = json.dumps({"arguments": ["/tmp/nothing.py"], "env": {}, "folder": "/", "shim": os.getpid()})
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
            channel.connect("/run/sagelab/python.sock")
            try:
                for _ in range(2000):
                    channel.send(request.encode())
            except OSError as error:
                print("closed", error)
        print(subprocess.run(["python3", "-m", "this"], capture_output=True).stdout.decode()[:16])
        """,
    )
    assert "closed" in said
    assert "The Zen of Pyth" in said


BAD_EVENTS: list[object] = [
    [], 7, {},
    {"event": "ended", "host": "algo-9", "code": 0, "half": ""},
    {"event": "ended", "host": "algo-1", "code": "x", "half": ""},
    {"event": "ended", "host": "algo-1", "code": 1 << 70, "half": ""},
    {"event": "ended", "host": "algo-1", "code": 0, "half": "1"},
    {"event": "ended", "host": [], "code": 0, "half": 3},
    {"event": "started", "pid": "x"},
]  # fmt: skip


def test_what_makes_no_sense_ends_one_group_and_no_listener(launcher: Launcher, attack: Attack) -> None:
    """As if a job had got hold of what speaks for its hosts."""
    warm, ended = launcher.warm(FORKED), []
    group = Group(["algo-1"], lambda _, number: ended.append(number))
    warm._groups[group.mark] = group
    for bad in BAD_EVENTS:
        warm._hear(json.dumps(bad | {"group": group.mark} if isinstance(bad, dict) else bad).encode())
    for raw in (b"{", b"[" * 100_000, b"\xff", b'{"event": "ended", "group": []}'):
        warm._hear(raw)
    assert group.trouble
    assert set(ended) == {9}
    assert not group.codes
    assert "still here" in attack("print('still here')")
    del warm._groups[group.mark]


def test_the_end_of_a_group_is_told_though_its_ways_cannot_be_closed(launcher: Launcher, attack: Attack) -> None:
    class Broken(Ways):
        def close(self) -> None:
            raise OSError("no room")

    warm, ways = launcher.warm(FORKED), Broken(Network("http://127.0.0.1:1"), Internet({}))
    group = Group(["algo-1"], lambda _, __: None, ways)
    warm._groups[group.mark] = group
    warm._hear(json.dumps({"event": "gone", "group": group.mark}).encode())
    assert group.ended.is_set()
    assert "still here" in attack("print('still here')")


KEYS = """
import ctypes, platform, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
add, control = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
libc.syscall(control, 1, None)
if libc.syscall(add, b"user", b"of-the-shell", b"a secret", 8, -3) >= 0:
    print(open("/proc/keys").read(), "=====", flush=True)
    subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""


def test_the_keys_of_whoever_started_the_local_cloud_are_not_there(tmp_path: Path) -> None:
    inside = f"""
import os
from pathlib import Path
from sagelab.cloud.engine.images.runtimes import PYTHON
from sagelab.cloud.engine.sandbox.internet import Internet
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.sandbox.network import Network, Ways
from sagelab.cloud.home import Home
launcher = Launcher(Home(Path({str(tmp_path)!r})))
host = HostSpec("a", str(launcher.make_folder("keys", "a")), ("/bin/cat", "/proc/keys"), {{}})
running = launcher.start(PYTHON, [host], None)
print(os.fdopen(running.outputs["a"]).read(), "end")
launcher.close()
"""
    done = subprocess.run([sys.executable, "-c", KEYS, inside], capture_output=True, text=True, timeout=60)
    mine, _, seen = done.stdout.partition("=====")
    if not mine:
        pytest.skip("this kernel keeps no keys")
    assert "of-the-shell" in mine
    assert "end" in seen, done.stderr
    assert "of-the-shell" not in seen
