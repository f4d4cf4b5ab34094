"""The packages behind an image: pulled once, checked, never written again, and all that a host sees."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagelab.cloud.engine.data.workspace import environment as variables
from sagelab.cloud.engine.images.environments import CPU_INDEX, TENSORFLOW, Environment, Environments, PullFailed
from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.home import Home
from tests.wheels import make_wheel

LOCK = Path(__file__).parents[3] / "data" / "locks" / "tiny.lock"
TINY = Environment("tiny", ("six",), (("Six", "six"),), LOCK)
# What a host of an image sees: its packages, the local cloud's own programs, and none of its neighbours.
LOOK = """
import sys, six, sagelab.serving.errors
print(six.__version__, sys.modules["six"].__file__)
try:
    import boto3
except ImportError:
    print("no boto3")
with open(six.__file__, "a") as file:
    file.write("# changed")
"""


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Launcher]]:
    """A home whose environment is pulled, with its launcher."""
    home = Home(tmp_path_factory.mktemp("home"))
    launcher = Launcher(home)
    launcher.environments.pull(TINY)
    yield home, launcher
    launcher.close()


def run(launcher: Launcher, name: str, script: str, forks: tuple[str, ...]) -> tuple[int, str]:
    """The exit code and the output of a script on a host of the environment."""
    folder = launcher.make_folder(name, "algo-1")
    (folder / "ml/look.py").write_text(script)
    host = HostSpec("algo-1", str(folder), ("python3", "/opt/ml/look.py"), variables("us-east-1"))
    running = launcher.start(Runtime("tiny", TINY.imports, forks, TINY), [host], None)
    with os.fdopen(running.outputs["algo-1"]) as output:
        said = output.read()
    running.group.ended.wait()
    launcher.remove_folder(name)
    return running.group.codes["algo-1"], said


@pytest.mark.parametrize("forks", [(), ("python3",)], ids=["a Python of its own", "a fork of a warm one"])
def test_host_has_the_packages_of_its_image_and_no_others(
    pulled: tuple[Home, Launcher], unique: Callable[[str], str], forks: tuple[str, ...]
) -> None:
    home, launcher = pulled
    code, said = run(launcher, unique("look"), LOOK, forks)
    version, imports = said.splitlines()
    assert (code, version.split()[0], imports) == (0, "1.17.0", "no boto3"), said
    assert version.split()[1].startswith(str(home.path)) or launcher.sandbox_unavailable(Runtime("python"))
    image = next(launcher.environments.python(TINY).parents[1].glob("lib/python*/site-packages/six.py"))
    assert "changed" not in image.read_text() or launcher.sandbox_unavailable(Runtime("python"))


def test_what_is_there_is_not_pulled_again(pulled: tuple[Home, Launcher]) -> None:
    _, launcher = pulled
    stamp = launcher.environments.python(TINY).parents[1] / "made"
    before = stamp.stat().st_mtime_ns
    threads = [threading.Thread(target=launcher.environments.pull, args=(TINY,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stamp.stat().st_mtime_ns == before
    assert launcher.environments.size(TINY) > 10_000


def test_an_environment_of_another_lock_is_not_the_one_that_is_there(
    pulled: tuple[Home, Launcher], tmp_path: Path
) -> None:
    lock = tmp_path / "tiny.lock"
    lock.write_text(LOCK.read_text() + "# newer\n")
    assert not pulled[1].environments.is_there(Environment("tiny", lock=lock))


def test_without_a_network_it_is_said_what_to_do_and_nothing_is_left(tmp_path: Path) -> None:
    index = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    nowhere = os.environ | index | {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_HTTP_RETRIES": "0"}
    environments = Environments(tmp_path / "environments", nowhere)
    with pytest.raises(PullFailed, match=r"The packages .* could not be downloaded: .*image pull tiny"):
        environments.pull(TINY)
    assert not environments.python(TINY).exists()
    assert not environments.is_there(TINY)


def test_a_package_that_is_not_what_the_lock_says_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "wrong.lock"
    lock.write_text("six==1.17.0 --hash=sha256:" + "0" * 64 + "\n")
    environments = Environments(tmp_path / "environments")
    with pytest.raises(PullFailed, match=r"(?i)hash"):
        environments.pull(Environment("wrong", lock=lock))
    assert not (tmp_path / "environments/wrong").exists()


def lock_of(wheel: Path) -> str:
    name, version, _ = wheel.name.split("-", 2)
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@pytest.fixture
def heavy(tmp_path: Path) -> tuple[Environment, dict[str, str]]:
    """An environment with a build and an extra that PyPI has not, and variables of one who has the build alone."""
    wheels, lock = tmp_path / "wheels", tmp_path / "heavy.lock"
    build = make_wheel(wheels, "heavybuild", "1.0", script="heavy")
    extra = make_wheel(tmp_path / "later", "heavyextra", "1.0")
    for name, text in (("heavy", LOCK.read_text()), ("builds", lock_of(build)), ("extras", lock_of(extra))):
        lock.with_name(f"{name}.lock").write_text(text)
    locks = (lock, lock.with_name("builds.lock"), lock.with_name("extras.lock"))
    outside = os.environ | {"PIP_FIND_LINKS": str(wheels), CPU_INDEX: "http://127.0.0.1:9", "UV_HTTP_RETRIES": "0"}
    return Environment("heavy", ("six",), (), locks[0], builds=locks[1], extras=locks[2]), outside


def test_builds_come_from_a_folder_of_wheels_and_what_it_has_not_is_said(
    tmp_path: Path, heavy: tuple[Environment, dict[str, str]]
) -> None:
    environment, outside = heavy
    environments = Environments(tmp_path / "environments", outside)
    environments.pull(environment)
    packages = next(environments.python(environment).parents[1].glob("lib/python*/site-packages"))
    assert (packages / "heavybuild.py").exists()
    said = environments.lacks(environment)
    assert said == "without extras, which could not be downloaded; `sagelab image pull heavy` tries it again"
    (tmp_path / "later").joinpath("heavyextra-1.0-py3-none-any.whl").rename(
        tmp_path / "wheels/heavyextra-1.0-py3-none-any.whl"
    )
    environments.pull(environment)
    assert environments.lacks(environment)
    environments.pull(environment, whole=True)
    assert not environments.lacks(environment)
    assert (packages / "heavyextra.py").exists()


def test_without_the_builds_it_is_said_where_they_may_lie(
    tmp_path: Path, heavy: tuple[Environment, dict[str, str]]
) -> None:
    environment, outside = heavy
    environments = Environments(tmp_path / "environments", outside | {"PIP_FIND_LINKS": ""})
    with pytest.raises(PullFailed, match=r"PIP_FIND_LINKS may name a folder .* SAGELAB_PYTORCH_INDEX a mirror"):
        environments.pull(environment)
    assert not environments.python(environment).exists()


def test_base_environment_is_always_there(tmp_path: Path) -> None:
    environments = Environments(tmp_path / "environments")
    environments.pull(TENSORFLOW)
    assert environments.is_there(TENSORFLOW)
    assert environments.size(TENSORFLOW) == 0
    assert not (tmp_path / "environments").exists()
    assert next(TENSORFLOW.versions()).startswith("TensorFlow 2.")
