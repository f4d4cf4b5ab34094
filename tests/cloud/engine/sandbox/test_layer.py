"""What a host installs: in every form that a layer has, by every way that pip is called."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.data.workspace import environment
from sagelab.cloud.engine.images.environments import TOOLKITS, Environment
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.sandbox.limits import MARK
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.engine.sandbox.network import Network
from sagelab.cloud.home import Home
from tests.cloud.engine.sandbox.launching import launching
from tests.wheels import make_wheel

START = "sagelab.cloud.engine.sandbox.legacy_keras"
BESIDES = Environment("layered", toolkits=TOOLKITS, start=START)
RUNTIME = Runtime("layered", ("six", START), ("train", "python3"), BESIDES)
IMAGE = Path(sys.prefix)
HERE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/opt/ml/wheels", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
HERE |= {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_FIND_LINKS": "/opt/ml/wheels"}
NAMES = ("one", "two", "three")
BESIDE = "import os, sys; sys.path.append(os.path.abspath('beside'))"

WAYS = f"""
set -e
minor={sys.version_info.minor}
pip3.$minor install --quiet --user wheel-one 2>&1
python3 install.py wheel-two 2>&1
$(command -v uv) pip install --quiet wheel-three 2>&1
for name in one two three; do wheel-$name; done
mkdir beside && mv neighbour.py beside
python3 look.py
"""
INSTALL = """
import subprocess, sys
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *sys.argv[1:]], check=True)
import wheel_two
"""
LOOK = """
import sys
print("warm" if "six" in sys.modules else "fresh")
import six, wheel_one, wheel_two, wheel_three, neighbour
print(six.__version__)
"""


@dataclass(frozen=True)
class Form:
    """A launcher whose hosts have layers of one form."""

    name: str
    launcher: Launcher

    def run(self, command: str, files: dict[str, str], **changes: Any) -> tuple[int, str]:
        """The exit code and the output of a shell command, beside whose files are wheels."""
        job = f"layer-{os.urandom(4).hex()}"
        folder = self.launcher.make_folder(job, "algo-1")
        for name, text in files.items():
            (folder / "ml" / name).write_text(text)
        for name in NAMES:
            make_wheel(folder / "ml/wheels", f"wheel-{name}", "1.0", script=f"wheel-{name}", path=BESIDE)
        make_wheel(folder / "ml/wheels", "six", "99.0", "__version__ = '99.0'")
        env = environment("us-east-1") | HERE
        host = HostSpec("algo-1", str(folder), ("/bin/bash", "-c", command), env, **changes)
        running = self.launcher.start(RUNTIME, [host], None)
        with os.fdopen(running.outputs["algo-1"]) as output:
            said = output.read()
        running.group.ended.wait()
        self.launcher.remove_folder(job)
        assert not folder.exists()
        return running.group.codes["algo-1"], said


@pytest.fixture(scope="module", params=["overlay", "environment", "plain"])
def form(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Form]:
    with pytest.MonkeyPatch.context() as settings:
        if request.param == "plain":
            settings.setenv("SAGELAB_SANDBOX", "plain")
        launcher = Launcher(Home(tmp_path_factory.mktemp("home")), {})
        fork_server = launcher.warm(RUNTIME)
        fork_server.wait_ready()
    able = {"overlay": fork_server.overlay, "environment": not fork_server.sandbox_unavailable, "plain": True}
    if request.param == "environment":
        fork_server.overlay = False
    if able[request.param]:
        yield Form(request.param, launcher)
    launcher.close()
    if not able[request.param]:
        pytest.skip("this machine has no such form")


@pytest.fixture(scope="module", autouse=True)
def image() -> Iterator[None]:
    """Whatever the hosts of these tests do, the image stays what it is."""
    before = fingerprint()
    yield
    assert fingerprint() == before


def fingerprint() -> str:
    """Of every file of this Python's packages and commands, but for what imports leave there."""
    found = hashlib.sha256()
    for folder, folders, files in os.walk(IMAGE):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            facts = os.lstat(f"{folder}/{name}")
            found.update(f"{folder}/{name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return found.hexdigest()


def test_every_way_to_install_does_and_commands_are_on_the_path(form: Form) -> None:
    code, said = form.run(WAYS, {"install.py": INSTALL, "look.py": LOOK, "neighbour.py": ""})
    assert code == 0, said
    *commands, start, version = said.splitlines()
    assert commands == [f"wheel-{name} runs" for name in NAMES]
    assert version != "99.0"  # what is satisfied is not installed again
    assert start == ("fresh" if form.name == "plain" else "warm")


def test_what_replaces_an_imported_package_is_what_a_script_finds_and_is_gone_with_the_host(form: Form) -> None:
    files = {"look.py": "import six; print(six.__version__)"}
    code, said = form.run("pip install --quiet six==99.0 2>/dev/null; python3 look.py", files)
    assert (code, said) == (0, "99.0\n")
    code, said = form.run("python3 look.py; python3 -c 'import wheel_one' 2>&1", files)
    assert code == 1
    assert "99.0" not in said
    assert "No module named 'wheel_one'" in said


def test_package_that_was_removed_is_gone_for_a_warm_script_too(form: Form) -> None:
    if form.name != "overlay":
        pytest.skip("an environment beside the image takes nothing away from it")
    code, said = form.run("pip uninstall --quiet --yes six; python3 look.py 2>&1", {"look.py": "import six"})
    assert code == 1
    assert "No module named 'six'" in said


def test_what_an_image_has_beside_its_packages_is_found_by_every_python(form: Form) -> None:
    look = f"import sys, sagemaker_containers; print({START!r} in sys.modules, 'six' in sys.modules)"
    code, said = form.run('python3 look.py; python3 -c "$(cat look.py)"', {"look.py": look})
    assert (code, said) == (0, f"True {form.name != 'plain'}\nTrue False\n")


@pytest.mark.parametrize("deleted", [False, True])
def test_layer_counts_as_disk(form: Form, deleted: bool) -> None:
    if form.name == "plain":
        pytest.skip("a plain process has no limits")
    place = "pathlib.Path(sysconfig.get_path('purelib'), 'big')"
    fill = f"import sysconfig, pathlib, time; p = {place}; f = p.open('wb'); p.unlink() if {deleted} else None"
    code, said = form.run(f'python3 -c "{fill}; f.write(bytes(50 << 20)); time.sleep(60)"', {}, disk=40 << 20)
    assert (code, MARK in said) == (137, True), said


def test_pip_finds_the_index_that_the_user_has_on_this_machine(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "simple/wheel-one", "wheel-one", "1.0")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as index:
        threading.Thread(target=index.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{index.server_port}/simple"
        for launcher in launching(tmp_path_factory, RUNTIME, {"PIP_INDEX_URL": url}):
            folder = launcher.make_folder("index", "algo-1")
            command = ("bash", "-c", "pip install --quiet wheel-one && python3 -c 'import wheel_one'")
            host = HostSpec("algo-1", str(folder), command, environment("us-east-1"))
            running = launcher.start(RUNTIME, [host], Network("http://127.0.0.1:1"))
            with os.fdopen(running.outputs["algo-1"]) as output:
                said = output.read()
            running.group.ended.wait()
            assert running.group.codes == {"algo-1": 0}, said
        index.shutdown()
