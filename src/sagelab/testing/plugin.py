"""The pytest plugin: its option, its fixtures. What acts while tests run (`runs`) is loaded where one asks for it.

pytest imports this module wherever the package is installed, so it needs the standard library and pytest alone.
One local cloud serves a whole run: with pytest-xdist its folder is chosen by the process that starts the workers,
whoever needs it first starts it, and it ends with that process, however that one goes.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sagelab.testing.cloud import LocalCloud
    from sagelab.testing.runs import Run

CLOUD, FRESH = "sagelab_cloud", "sagelab_fresh_cloud"
STEM = 23  # characters of a prefix before its random end; with it 32, so that a name of 63 has as many left

_folder = pytest.StashKey[tuple[str, int]]()
_run = pytest.StashKey["Run"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("sagelab").addoption(
        "--sagelab-keep",
        action="store_true",
        help="Keep what the local cloud holds; say how to open it.",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker of pytest-xdist uses the local cloud of the whole run."""
    node.workerinput["sagelab"] = _choose(node.config)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Where no test asks for a local cloud, nothing of this plugin takes part in the run."""
    if any({CLOUD, FRESH}.intersection(getattr(item, "fixturenames", ())) for item in session.items):
        _joined(session.config)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("sagelab_keep") and _folder in config.stash:
        for home in sorted(Path(config.stash[_folder][0]).glob("*")):
            terminalreporter.write_line(f"sagelab: kept; look at it with: sagelab up --home {home}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if _folder in config.stash and Path(config.stash[_folder][0]).exists():
        from sagelab.testing.runs import end

        end(Path(config.stash[_folder][0]), keep=config.getoption("sagelab_keep"))


@pytest.fixture(scope="session")
def sagelab_cloud(request: pytest.FixtureRequest) -> LocalCloud:
    """The local cloud of this run, which began empty; during the test boto3 and the SageMaker SDKs speak to it."""
    return _joined(request.config).cloud()


@pytest.fixture
def sagelab_fresh_cloud(request: pytest.FixtureRequest) -> Iterator[LocalCloud]:
    """A local cloud of this test's own, empty, as `mock_aws` gives: for names that are always the same."""
    with _joined(request.config).fresh() as cloud:
        yield cloud


@pytest.fixture
def sagelab_prefix(request: pytest.FixtureRequest) -> str:
    """The start of names that no other test has, as S3 and SageMaker take them; 32 characters at most."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{words[:STEM].strip('-') or 'test'}-{os.urandom(4).hex()}"


def _joined(config: pytest.Config) -> Run:
    """What acts around the tests of this process, registered at the first call."""
    if _run not in config.stash:
        from sagelab.testing.runs import Run

        folder, owner = getattr(config, "workerinput", {}).get("sagelab") or _choose(config)
        config.stash[_run] = Run(Path(folder), owner)
        config.pluginmanager.register(config.stash[_run], "sagelab-run")
    return config.stash[_run]


def _choose(config: pytest.Config) -> tuple[str, int]:
    """The folder of this run's local clouds, and the process that they end with: this one."""
    if _folder not in config.stash:
        name = f"sagelab-{os.urandom(8).hex()}"  # nothing is made yet, and nobody can guess it
        config.stash[_folder] = (str(Path(tempfile.gettempdir(), name)), os.getpid())
    return config.stash[_folder]
