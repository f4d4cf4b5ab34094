"""A test that says which process its local cloud is, and waits to be killed."""

from __future__ import annotations

import signal
from pathlib import Path

from sagelab.testing import LocalCloud


def test_that_waits(sagelab_cloud: LocalCloud) -> None:
    server = sagelab_cloud.home.server()
    assert server is not None
    Path("server").write_text(str(server["pid"]))  # a pipe
    signal.pause()
