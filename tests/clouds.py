"""Local clouds of tests' own, as forks of a Python that has imported the server: its imports take a second.

What is proved of how a local cloud is started, seen or left behind is proved of one that `sagelab up` has started.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from pathlib import Path

from sagelab.cloud import resources
from sagelab.cloud.home import Home
from tests import forks
from tests.conftest import LocalCloud

# As `python -P -m sagelab.cloud.server`; forks of one Python must not find the same names at random.
CODE = """
import sys
sys.path.remove("")
from moto.moto_api._internal import mock_random
from sagelab.cloud.server import main
mock_random.seed()
main()
"""
# The server, the families that it finds, and what it loads in the background when it is up or for its first calls.
MODULES = (
    "sagelab.cloud.server",
    "sagelab.cloud.gateway.http.server",
    "sagelab.cloud.console.app",
    "uvicorn",
    *(module.name for module in pkgutil.iter_modules(resources.__path__, f"{resources.__name__}.")),
    *(
        f"moto.{service}.{part}"
        for service in ("s3", "iam", "sts", "logs", "cloudwatch")
        for part in ("models", "urls")
    ),
    str(Path(__file__).with_name("models.py")),
)


def start(home: Home) -> LocalCloud:
    """The local cloud of a home, started if none runs; it runs until it is ended, or this process."""
    if running := home.server():
        return LocalCloud(home, running["url"])
    warm = forks.Warm("server", sys.executable, MODULES, *forks.place())
    reader, writer = os.pipe()
    with os.fdopen(reader) as said, home.log.open("ab") as log:
        command = ("-c", CODE, "--home", str(home.path))
        warm.start(command, writer, log, folder=home.path).connection.detach()  # open until this process ends
        os.close(writer)
        assert said.readline().startswith("sagelab is up"), home.log.read_text()
    running = home.server()
    assert running is not None
    return LocalCloud(home, running["url"])
