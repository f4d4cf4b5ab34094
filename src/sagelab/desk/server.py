"""The local cloud, JupyterLab on the learner's copies and the start page, until Ctrl-C: `sagelab lab`.

JupyterLab takes seconds to load, and so does the local cloud to start: each does so while the other does.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sagelab import browser, shipped
from sagelab.cloud import control
from sagelab.cloud.errors import ControlError
from sagelab.cloud.home import Home
from sagelab.desk import jupyterlab, page
from sagelab.desk.copies import Copies

LOG_END = 20  # lines of JupyterLab's log that explain a failed start
Say = Callable[[str], None]


def serve(home: Home, port: int | None = None, shown: bool = True) -> None:
    """Returns after Ctrl-C or SIGTERM. The local cloud ends too, if it was started here.

    port: where JupyterLab listens; by default at 8888 or above. shown: open a browser where there is one.
    ControlError: why it did not start. What JupyterLab and its kernels print is in jupyter.log of the home.
    """
    copies, had_cloud = Copies(home.work), home.server() is not None
    with _terminal(home.path / "jupyter.log") as say:
        for sentence in copies.start_all():
            say(sentence)
        try:
            jupyter, token = _start(home, port)
            page.add(jupyter.web_app, home, copies)
            jupyter.io_loop.add_callback(
                _announce, home, f"{_origin(jupyter.port)}{page.PATH}?token={token}", say, shown
            )
            jupyter.io_loop.add_callback(jupyter.kernel_manager.start_early, shipped.FOLDERS[0])
            jupyter.start()
        finally:
            if not had_cloud:
                control.down(home)


def _announce(home: Home, address: str, say: Say, shown: bool) -> None:
    """Say where everything is, once somebody listens there."""
    say(f"console:    {control.console(home)}\nstart page: {address}")
    if shown:
        browser.show(address)


def _start(home: Home, port: int | None) -> tuple[Any, str]:
    """(JupyterLab's server, not serving yet; its token). The local cloud runs, and kernels will know of it."""
    token = secrets.token_urlsafe(24)
    with ThreadPoolExecutor(1) as aside:
        starting = aside.submit(control.up, home, None, os.getpid())
        app = jupyterlab.load(home.path / "export-formats.json")
        jupyter = app.initialize_server(argv=_options(home, port, token))
        starting.result()
    for name in control.foreign(os.environ):
        del os.environ[name]
    os.environ.update(control.environment(home))
    os.environ.setdefault("PYTHONSTARTUP", str(control.STARTUP))
    return jupyter, token


def _options(home: Home, port: int | None, token: str) -> list[str]:
    options = [*jupyterlab.OPTIONS, "-y", f"--ServerApp.root_dir={home.work}", f"--IdentityProvider.token={token}"]
    # What was open, here and not in another JupyterLab of the user's.
    options += [f"--LabApp.workspaces_dir={home.path / 'workspaces'}"]
    options += ["--ServerApp.kernel_manager_class=sagelab.desk.kernels.EarlyKernels"]
    options += [f"--LabApp.default_url={page.PATH}", "--log-level=WARN", "--ServerApp.password="]
    options += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"] if port else []
    options += ["--allow-root"] if os.geteuid() == 0 else []
    codespace, domain = _codespace()
    return [*options, rf"--ServerApp.allow_origin_pat=https://{codespace}-\d+\.{domain}"] if codespace else options


def _origin(port: int) -> str:
    """Where a browser finds a port of this machine."""
    codespace, domain = _codespace()
    return f"https://{codespace}-{port}.{domain}" if codespace else f"http://127.0.0.1:{port}"


def _codespace() -> tuple[str, str]:
    """The name of the GitHub Codespace that this is, and the domain of its forwarded ports; empty elsewhere."""
    variables = ("CODESPACE_NAME", "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN")
    name, domain = (os.environ.get(variable, "") for variable in variables)
    return (name, domain) if name and domain else ("", "")


@contextlib.contextmanager
def _terminal(log: Path) -> Iterator[Say]:
    """What says a line on the terminal; everything else that this process prints goes to the log.

    ControlError, with the log's end: the block called for an exit that is an error.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    before = [os.dup(1), os.dup(2)]
    try:
        with log.open("wb") as file:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
        yield lambda text: _write(before[0], f"{text}\n".encode())
    except SystemExit as ended:
        if ended.code not in (None, 0):
            said = log.read_text(errors="replace").splitlines()[-LOG_END:]
            raise ControlError("\n".join(["JupyterLab did not start. Its log says:", *said])) from ended
    finally:
        for number, copy in zip((1, 2), before, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def _write(descriptor: int, text: bytes) -> None:
    with contextlib.suppress(OSError):  # the terminal was closed
        os.write(descriptor, text)
