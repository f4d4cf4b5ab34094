"""One real local cloud for the whole run, started and ended as a person does it, in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from sagelab.cloud import control
from sagelab.cloud.home import Home

Sagelab = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class LocalCloud:
    """A running local cloud."""

    home: Home
    url: str

    @property
    def session(self) -> boto3.Session:
        keys = self.home.credentials()
        return boto3.Session(keys.access_key_id, keys.secret_access_key, region_name="us-east-1")

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
def sagelab() -> Sagelab:
    """Runs `sagelab ARGUMENTS`, with home=FOLDER as its SAGELAB_HOME."""
    return run_sagelab


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """The local cloud that all tests share: make what you need under a unique name."""
    home = Home(tmp_path_factory.mktemp("cloud"))
    started = run_sagelab("up", "--detach", home=home.path)
    assert started.returncode == 0, started.stderr
    running = home.server()
    assert running is not None
    yield LocalCloud(home, running["url"])
    ended = run_sagelab("down", home=home.path)
    assert ended.returncode == 0, ended.stderr


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
