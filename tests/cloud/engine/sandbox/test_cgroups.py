"""Control groups of hosts: real ones, in a mount of the test's own; no controllers, no limits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sagelab.cloud.engine.sandbox import cgroups
from sagelab.cloud.engine.sandbox.cgroups import ControlGroups

PRIVATE = ["unshare", "--mount", "--propagation", "private"]
INSIDE = """
import os, secrets, sys
from pathlib import Path
from sagelab.cloud.engine.data.workspace import environment
from sagelab.cloud.engine.images.runtimes import PYTHON
from sagelab.cloud.engine.sandbox import cgroups
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.home import Home

folder = Path(sys.argv[1])
place = folder / "groups" / f"sagelab-test-{secrets.token_hex(4)}"
place.mkdir()
try:
    cgroups.enter(str(place))
    assert cgroups.find_delegated() is None
    os.setxattr(place, "user.delegate", b"1")
    assert cgroups.find_delegated().samefile(place)
    launcher = Launcher(Home(folder / "home"), {})
    ml = launcher.make_folder("job", "algo-1")
    script = "cut -d: -f3 /proc/self/cgroup | tail -1; sleep 600 & setsid sleep 600 & exit 3"
    host = HostSpec("algo-1", str(ml), ("/bin/sh", "-c", script), environment("us-east-1"), memory=1 << 33)
    running = launcher.start(PYTHON, [host], None)
    with os.fdopen(running.outputs["algo-1"]) as output:
        print(output.readline().strip().replace(place.name, "PLACE"))
    assert running.group.ended.wait(30)
    print(running.group.codes, running.group.cgroups, [one.name for one in place.iterdir() if one.is_dir()])
    launcher.close()
finally:
    cgroups.enter(str(folder / "groups"))
    cgroups.remove(place / "sagelab")
    cgroups.remove(place)
"""

# A group of a gigabyte's eighth and four processes: what asks for more is ended, or gets none.
LIMITED = """
import secrets, subprocess, sys
from functools import partial
from pathlib import Path
from sagelab.cloud.engine.sandbox import cgroups

FORKS = "import subprocess as s\\nfor n in range(40):\\n try: s.Popen(['sleep', '9'], stdout=s.DEVNULL)"
FORKS += "\\n except BlockingIOError: print(n < 12); break"
root = Path(sys.argv[1], "groups")
lacking = {"memory", "pids"} - set((root / "cgroup.controllers").read_text().split())
if lacking:
    sys.exit(f"lacking: {lacking}")
place = root / f"sagelab-test-{secrets.token_hex(4)}"
(root / "cgroup.subtree_control").write_text("+memory +pids")
place.mkdir()
try:
    groups = cgroups.ControlGroups(place)
    made = groups.make(memory=128 << 20, processes=4)
    enter = partial(cgroups.enter, str(made))
    run = partial(subprocess.run, preexec_fn=enter, stdout=subprocess.PIPE, text=True)
    print(run([sys.executable, "-c", "x = bytearray(64 << 20); print('taken')"]).stdout.strip())
    print(run([sys.executable, "-c", "x = bytearray(512 << 20); print('taken')"]).returncode)
    print(run([sys.executable, "-c", FORKS]).stdout.strip())
finally:
    for group in (made, place / "sagelab", place):
        cgroups.remove(group)
"""


def mounted(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """A Python script that is given a folder, with the machine's control groups in its `groups`."""
    (folder / "groups").mkdir()
    mount = f'mount -t cgroup2 none {folder}/groups && exec {sys.executable} -c "$0" {folder}'
    told = subprocess.run([*PRIVATE, "/bin/sh", "-c", mount, script], capture_output=True, text=True, check=False)
    if any(word in told.stderr for word in ("mount:", "unshare:", "lacking:")):
        pytest.skip(told.stderr)
    assert told.returncode == 0, told.stderr
    return told


@pytest.mark.skipif(os.getuid() != 0, reason="root alone mounts control groups")
@pytest.mark.parametrize("sandbox", ["auto", "plain"])
def test_a_host_is_in_a_group_of_its_own_that_ends_with_it(
    tmp_path: Path, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGELAB_SANDBOX", sandbox)
    group, end = mounted(tmp_path, INSIDE).stdout.splitlines()
    assert group.startswith("/PLACE/sagelab-")
    assert end.startswith("{'algo-1': 3} [PosixPath(")
    assert end.endswith("['sagelab']")


@pytest.mark.skipif(os.getuid() != 0, reason="root alone mounts control groups")
def test_the_kernel_holds_a_group_to_its_limits(tmp_path: Path) -> None:
    taken, killed, refused = mounted(tmp_path, LIMITED).stdout.splitlines()
    assert (taken, killed, refused) == ("taken", "-9", "True")


@pytest.mark.parametrize("given", ["cpuset cpu io memory hugetlb pids", "cpu pids", ""])
def test_limits_are_set_by_the_controllers_that_there_are(tmp_path: Path, given: str) -> None:
    for name, text in {"controllers": given, "procs": "", "subtree_control": ""}.items():
        (tmp_path / f"cgroup.{name}").write_text(text)
    groups = ControlGroups(tmp_path)
    made = groups.make(memory=1 << 30, processes=100)
    assert made is not None
    assert {file.name: file.read_text() for file in made.iterdir()} == {
        **({"memory.max": "1181116006", "memory.oom.group": "1"} if "memory" in given else {}),
        **({"pids.max": "108"} if "pids" in given else {}),
    }
    wanted = [f"+{name}" for name in ("memory", "pids") if name in given.split()]
    assert (tmp_path / "cgroup.subtree_control").read_text().split() == wanted


def test_where_none_is_delegated_there_are_none() -> None:
    assert cgroups.find_delegated() is None or cgroups.divide() is not None
