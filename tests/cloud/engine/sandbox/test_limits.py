"""What a host may have is looked at from inside of it: these tests look from process namespaces of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagelab.cloud.engine.data.workspace import environment
from sagelab.cloud.engine.images.runtimes import PYTHON
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from tests.cloud.engine.sandbox.launching import launching

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
    from sagelab.cloud.engine.sandbox.limits import measure
    print(measure(sys.argv[1])[0])
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


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    yield from launching(tmp_path_factory, PYTHON)


DISK_WORDS, MEMORY_WORDS = "more disk than it may have", "more memory than there is"
HIDDEN = {
    "deleted but open": (
        "f = open('/tmp/x', 'wb'); os.unlink('/tmp/x'); f.write(os.urandom(48 << 20)); f.flush()",
        DISK_WORDS,
    ),
    "a folder that nobody may read": (
        "os.mkdir('/tmp/d'); open('/tmp/d/x', 'wb').write(os.urandom(48 << 20)); os.chmod('/tmp/d', 0)",
        DISK_WORDS,
    ),
    "deeper than a path can be": (
        "os.chdir('/tmp'); [(os.mkdir('d' * 200), os.chdir('d' * 200)) for _ in range(25)];"
        "open('x', 'wb').write(os.urandom(48 << 20))",
        DISK_WORDS,
    ),
    "where the commands talk": ("open('/run/sagelab/x', 'wb').write(os.urandom(48 << 20))", DISK_WORDS),
    "files of no size": (
        "[open(f'/tmp/{n}', 'w').close() for n in range(2100)]",
        "more files than VolumeSizeInGB",
    ),
    "a file in memory": (
        "m = os.memfd_create('m'); [os.write(m, bytes(1 << 20)) for _ in range(300)]",
        MEMORY_WORDS,
    ),
    "a folder in memory": (
        "f = open('/dev/shm/x', 'wb'); [f.write(bytes(1 << 20)) for _ in range(300)]",
        MEMORY_WORDS,
    ),
    "memory of two": (
        "m = mmap.mmap(-1, 300 << 20); [m.write(bytes(1 << 20)) for _ in range(300)]; os.fork(); m[::4096]",
        MEMORY_WORDS,
    ),
    "in the hands of a program that cannot be read": (
        "f = open('/tmp/x', 'wb'); os.unlink('/tmp/x'); f.write(os.urandom(48 << 20)); f.flush();"
        "shutil.copy('/bin/sleep', '/tmp/s'); os.chmod('/tmp/s', 0o111);"
        "subprocess.Popen(['/tmp/s', '60'], pass_fds=[f.fileno()]); f.close()",
        DISK_WORDS,
    ),
}


@pytest.mark.parametrize("way", HIDDEN)
def test_what_is_hidden_counts(launcher: Launcher, way: str) -> None:
    code, words = HIDDEN[way]
    name = "hidden-" + way.replace(" ", "-")
    folder = launcher.make_folder(name, "algo-1")
    (folder / "ml/hide.py").write_text(f"import mmap, os, shutil, subprocess, time\n{code}\ntime.sleep(60)\n")
    argv = ("python3", "/opt/ml/hide.py")
    host = HostSpec(
        "algo-1", str(folder), argv, environment("us-east-1"), memory=256 << 20, disk=32 << 20, processes=9
    )
    running = launcher.start(PYTHON, [host], None)
    with os.fdopen(running.outputs["algo-1"]) as output:
        said = output.read()
    assert running.group.ended.wait(30)
    if (folder / "tmp/d").exists():
        (folder / "tmp/d").chmod(0o700)
    launcher.remove_folder(name)
    assert words in said
    assert running.group.codes == {"algo-1": 137}
