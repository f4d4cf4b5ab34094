"""What acts around the tests of one process: starts local clouds, points tests at them, notes what they make.

A test is pointed at a local cloud for its set-up, its call and its teardown, so that tests beside it which use
moto's `mock_aws`, or AWS, find this process as it was. A fixture of a wider scope that was set up pointed is torn
down pointed, whichever test is the last one.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud import control
from sagelab.cloud.errors import ControlError
from sagelab.cloud.home import Home
from sagelab.testing.cloud import LocalCloud
from sagelab.testing.plugin import CLOUD, FRESH
from sagelab.testing.record import Record

SHARED = "cloud"


class Run:
    """The tests of one process."""

    def __init__(self, folder: Path, owner: int) -> None:
        """folder: of the whole run. owner: the process that its local clouds end with."""
        self._folder, self._owner = folder, owner
        self._record = Record()
        self._pointed: list[LocalCloud] = []
        self._shared: LocalCloud | None = None
        self._fresh: LocalCloud | None = None
        self._trouble: str | None = None
        self._leaving = ExitStack()

    def cloud(self) -> LocalCloud:
        """The local cloud of the whole run; started if it does not run, be it that it was killed."""
        self._shared = self._shared or LocalCloud(Home(self._folder / SHARED))
        self._start(self._shared)
        return self._shared

    @contextmanager
    def fresh(self) -> Iterator[LocalCloud]:
        """A local cloud of the running test's own, pointed at for the block; within the block, the same one."""
        if self._fresh:
            yield self._fresh
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        cloud = LocalCloud(Home(tempfile.mkdtemp(prefix="fresh-", dir=self._folder)))
        self._start(cloud)
        self._fresh = cloud
        try:
            with self._at(cloud):
                yield cloud
        finally:
            self._fresh = None
            control.down(cloud.home)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        with ExitStack() as self._leaving:
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        names = getattr(item, "fixturenames", ())
        if FRESH in names:
            self._leaving.enter_context(self.fresh())
        elif CLOUD in names:
            self._leaving.enter_context(self._at(self.cloud()))
        self._leaving.callback(self._record.end)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """What is set up pointed is torn down pointed: of a fixture's finalizers, the last one runs first."""
        if fixturedef.scope == "function" or self._fresh or not self._pointed:
            return (yield)
        leaving = ExitStack()
        fixturedef.addfinalizer(leaving.close)
        try:
            with self._record.owned(fixturedef.argname):
                return (yield)
        finally:
            fixturedef.addfinalizer(lambda: leaving.enter_context(self._at(self.cloud())))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed:
            report.sections.extend(self._record.sections(getattr(item, "fixturenames", ())))
        return report

    def pytest_unconfigure(self) -> None:
        self._record.close()

    @contextmanager
    def _at(self, cloud: LocalCloud) -> Iterator[LocalCloud]:
        with cloud.pointed():
            self._pointed.append(cloud)
            try:
                yield cloud
            finally:
                self._pointed.pop()

    def _start(self, cloud: LocalCloud) -> None:
        """Start a local cloud if it does not run. Where it cannot, tests fail with one sentence."""
        try:
            if self._trouble is None:
                control.up(cloud.home, owner=self._owner)
                self._record.watch(cloud)
        except ControlError as error:
            self._trouble = f"The local cloud does not start; `sagelab doctor` looks why. {error}"
        if self._trouble:
            pytest.fail(self._trouble, pytrace=False)


def end(folder: Path, *, keep: bool) -> None:
    """End every local cloud of a run, and remove what they hold unless it is kept."""
    for home in folder.iterdir():
        control.down(Home(home))
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
