"""One real local cloud for the whole run, started and ended as a person does it, in a home of its own.

The workers of a run share it. Who needs it first starts it, and the run ends it: a worker that dies takes nothing
with it.
"""

from __future__ import annotations

import gc
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from sagelab.cloud import control
from sagelab.cloud.home import Home
from tests import forks, order, signers
from tests.kernels import SHARED, Kernels

if TYPE_CHECKING:
    from playwright.sync_api import Browser

gc.disable()  # until all is collected: what is imported and collected is no garbage
# jsonschema, which nbval loads, tests the addresses of other scripts with 38 parsers that it builds when it is
# imported: two seconds of every worker, for a form that no notebook has. It does without where there are none.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
pytest_plugins = ["nbval.plugin"]

Sagelab = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class LocalCloud:
    """A running local cloud."""

    home: Home
    url: str

    @property
    def session(self) -> boto3.Session:
        keys = self.home.credentials()
        return signers.session(keys.access_key_id, keys.secret_access_key)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a program that is pointed at it."""
        return control.surroundings(self.home)

    def client(self, service: str, **options: Any) -> Any:
        return self.session.client(service, endpoint_url=self.url, **options)


def run_sagelab(*arguments: str, home: Path | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """`sagelab ARGUMENTS` as a process of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"SAGELAB_HOME": str(home)} if home else {}
    command = [str(Path(sys.executable).with_name("sagelab")), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A Chromium that the browser tests share: a worker can have one."""
    from tests.cloud.chromium import CHROMIUM, launch

    if CHROMIUM is None:
        pytest.skip("there is no chromium here (Debian's package chromium)")
    with launch() as launched:
        yield launched


@pytest.fixture(scope="session")
def sagelab() -> Sagelab:
    """Runs `sagelab ARGUMENTS`, with home=FOLDER as its SAGELAB_HOME."""
    return run_sagelab


def shared_folder(config: pytest.Config) -> Path:
    """The folder of the run's local cloud: in the one that all of its workers have in common."""
    own: Path = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    return (own.parent if is_worker(config) else own) / SHARED


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def find_cloud(config: pytest.Config, name: str = SHARED) -> LocalCloud:
    """The run's local cloud, or another one of the run's, which runs from now on."""
    home = Home(shared_folder(config).with_name(name))
    if home.server() is None:
        started = run_sagelab("up", "--detach", home=home.path)
        assert started.returncode == 0, started.stderr
    running = home.server()
    assert running is not None
    return LocalCloud(home, running["url"])


def find_variables(config: pytest.Config, name: str) -> dict[str, str]:
    """The environment of a program on a local cloud of the run's."""
    return find_cloud(config, name).env


def end_cloud(config: pytest.Config, name: str) -> None:
    """End a local cloud of the run's."""
    control.down(Home(shared_folder(config).with_name(name)))


@pytest.fixture(scope="session")
def cloud(request: pytest.FixtureRequest) -> LocalCloud:
    """The local cloud that all tests share, in whichever worker: make what you need under a unique name."""
    return find_cloud(request.config)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sagelab", "the tests of sagelab")
    group.addoption("--record-durations", action="store_true", help="write tests/durations.json anew")
    group.addoption("--record-requests", metavar="FILE", help="note what the notebooks ask of AWS, a line a call")


def pytest_configure(config: pytest.Config) -> None:
    record = config.getoption("record_requests")
    owner = config.workerinput["owner"] if is_worker(config) else os.getpid()  # type: ignore[attr-defined]
    forks.settle(lambda: (shared_folder(config).with_name("warm"), owner))
    find, end = partial(find_variables, config), partial(end_cloud, config)
    config.pluginmanager.register(Kernels(find, end, record))
    if config.getoption("record_durations") and not is_worker(config):
        config.pluginmanager.register(order.Durations())


def leave_out(config: pytest.Config, items: list[pytest.Item], unwanted: Callable[[pytest.Item], bool]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if unwanted(item)])
    items[:] = [item for item in items if not unwanted(item)]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files unread of which every test is left out: each worker would import them."""
    out = [mark for mark in ("slow", "long") if is_out(config, mark)]
    if not out or collection_path.suffix != ".py" or not collection_path.name.startswith("test_"):
        return None
    wholly = rf"^pytestmark = .*\bpytest\.mark\.({'|'.join(out)})\b"
    return bool(re.search(wholly, collection_path.read_text(), re.MULTILINE)) or None


def is_out(config: pytest.Config, mark: str) -> bool:
    """Whether tests of a mark are left out of this run: long ones where nothing asks for them."""
    asked = str(config.option.markexpr)
    return f"not {mark}" in asked or (mark == "long" and "long" not in asked)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_out(config, "long"):
        leave_out(config, items, lambda item: item.get_closest_marker("long") is not None)
    if is_out(config, "slow"):
        known = order.read_table()
        leave_out(config, items, lambda item: item.nodeid in known)
    if is_worker(config):
        order.arrange(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None]:
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes that are no text are called as their argument is: an archive has the second in it that it was made in,
    and each worker makes its own.
    """
    return argname if isinstance(val, bytes) and not val.isascii() else None


def collected(config: pytest.Config) -> list[Path]:
    """The files of tests that a run collects."""
    asked = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    found = [file for path in asked for file in (sorted(path.rglob("test_*.py")) if path.is_dir() else [path])]
    good = [file for file in found if file.suffix == ".py" and file.is_file()]
    return [file for file in good if not pytest_ignore_collect(file, config)]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Workers are forks of one Python: what they would each import takes eight seconds of a processor."""
    address = forks.worker(sys.executable, collected(config)).find()
    for spec in specs:
        spec.python = shlex.join([sys.executable, "-I", str(forks.WORKER), str(address)])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["owner"] = os.getpid()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> order.Groups:
    return order.Groups(config, log)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the run's local cloud; one that has died meanwhile fails the run."""
    folder = shared_folder(session.config)
    if is_worker(session.config) or not folder.exists():
        return
    died = Home(folder).server() is None
    ended = run_sagelab("down", home=folder)
    if died or ended.returncode:
        pytest.exit(f"The tests' local cloud did not end in order: {ended.stderr}; see {folder}/server.log", 1)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A new home; a local cloud that a test started on it is ended."""
    fresh = Home(tmp_path / "home")
    yield fresh
    control.down(fresh)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Names that no other test has: unique("job") -> "job-3f2a..."."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"
