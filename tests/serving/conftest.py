"""One small SavedModel for all, and servers of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.built import build
from tests.serving import servers
from tests.serving.servers import Server

Start = Callable[..., Server]


@pytest.fixture(scope="session")
def exported() -> Path:
    """A folder with tiny/3/saved_model.pb and tiny.compiled."""
    return build(servers.EXPORT, rooms=("serving", "neo"))


@pytest.fixture(scope="module")
def server(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The small model behind TensorFlow."""
    running = servers.start(tmp_path_factory.mktemp("server"), exported, "--threads", "1", warm=True)
    yield running
    assert running.end()[0] == 0


@pytest.fixture
def archive(exported: Path, tmp_path: Path) -> Path:
    """A model archive of one's own, to put code into."""
    folder = tmp_path / "archive"
    shutil.copytree(exported / "tiny", folder / "tiny")
    return folder


@pytest.fixture
def start(exported: Path, archive: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a server of `archive`, without TensorFlow: `code` becomes its code/inference.py."""
    started: list[Server] = []

    def run(code: str | None = None, *options: str) -> Server:
        if code is not None:
            (archive / "code").mkdir(exist_ok=True)
            (archive / "code" / "inference.py").write_text(code)
        compiled = ("--compiled", str(exported / "tiny.compiled"), "--threads", "1")
        started.append(servers.start(tmp_path, archive, *compiled, *options))
        return started[-1]

    yield run
    for running in started:
        running.close()
