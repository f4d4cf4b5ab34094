"""The start page: every lab with its minutes, its price and how far one's copy is; the way to the console.

JupyterLab's own server has it, at an address of its own, to whoever is logged in there.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sagelab.cloud import control
from sagelab.cloud.errors import ControlError
from sagelab.cloud.home import Home
from sagelab.desk.copies import Copies

PATH = "/start"
PAGE = Path(__file__).with_name("start.html")


def add(web_app: Any, home: Home, copies: Copies) -> None:
    """Give a Jupyter server (its Tornado application) the page."""
    from jupyter_server.base.handlers import JupyterHandler
    from tornado.template import Template
    from tornado.web import authenticated

    template = Template(PAGE.read_text())

    class Start(JupyterHandler):
        """The page."""

        @authenticated
        async def get(self) -> None:
            running = await asyncio.to_thread(_running, home)
            self.set_header("Cache-Control", "no-store")
            self.finish(template.generate(base=self.base_url, running=running, **_labs(copies)))

    class Console(JupyterHandler):
        """Leads to the console, by a new address: one logs in once."""

        @authenticated
        async def get(self) -> None:
            self.set_header("Cache-Control", "no-store")
            try:
                self.redirect(control.console(home))
            except ControlError as error:
                self.set_status(503)
                self.finish(f"{error} End `make lab` and run it again.")

    base = web_app.settings["base_url"].rstrip("/")
    web_app.add_handlers(".*", [(f"{base}{PATH}", Start), (f"{base}{PATH}/console", Console)])


def _labs(copies: Copies) -> dict[str, Any]:
    rows = [(lab, copies.progress(lab)) for lab in copies.labs]
    done = sum(progress.done for _, progress in rows)
    following = next((lab for lab, progress in rows if not progress.done), None)
    return {"labs": rows, "done": done, "following": following, "folder": _short(copies.folder), "quote": quote}


def _short(folder: Path) -> str:
    """As a shell would take it."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


def _running(home: Home) -> str | None:
    """What runs, in words; empty: nothing does; None: no local cloud answers."""
    try:
        counts = control.ask(home, "Status")["Running"]
    except ControlError:
        return None
    return ", ".join(f"{count} {kind if count > 1 else kind.removesuffix('s')}" for kind, count in counts.items())
