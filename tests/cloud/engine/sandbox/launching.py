"""Launchers for tests of what a host can do that has namespaces of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from sagelab.cloud.engine.images.runtimes import Runtime
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.home import Home


def launching(
    factory: pytest.TempPathFactory, runtime: Runtime, outside: Mapping[str, str] | None = None
) -> Iterator[Launcher]:
    """A launcher in a home of its own; the tests are skipped where this machine forbids namespaces."""
    launcher = Launcher(Home(factory.mktemp("home")), outside)
    if reason := launcher.sandbox_unavailable(runtime):
        pytest.skip(f"namespaces are forbidden here: {reason}")
    yield launcher
    launcher.close()
