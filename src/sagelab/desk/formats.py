"""What a notebook can be exported as, which JupyterLab asks while it starts.

Its own answer imports every exporter within the server, which answers nobody for a second or two meanwhile. Here
another process finds them, and a file keeps them for as long as the same packages offer the same exporters.

python3 -P -m sagelab.desk.formats      prints them as JSON
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

GROUP = "nbconvert.exporters"
Formats = dict[str, dict[str, str]]


async def formats(kept: Path | None) -> Formats:
    """Each exporter's name with its `output_mimetype`, from the file if it is still right, else found and kept."""
    offered = _offered()
    if kept is not None:
        try:
            known = json.loads(kept.read_text())
            if known["offered"] == offered:
                return dict(known["formats"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # there is none, or it was cut off
    found = await _ask()
    if kept is not None and found:
        kept.write_text(json.dumps({"offered": offered, "formats": found}))
    return found


def install(kept: Path | None) -> None:
    """Let JupyterLab's server answer by this module."""
    from jupyter_server.auth.decorator import authorized
    from jupyter_server.services.nbconvert.handlers import NbconvertRootHandler
    from tornado import web

    async def get(handler: Any) -> None:
        handler.finish(json.dumps(await formats(kept)))

    NbconvertRootHandler.get = web.authenticated(authorized(get))  # type: ignore[method-assign]


def find() -> Formats:
    """Import every exporter that is installed here."""
    from nbconvert.exporters import base

    found: Formats = {}
    for name in base.get_export_names():  # type: ignore[no-untyped-call]
        try:
            exporter = base.get_exporter(name)  # type: ignore[no-untyped-call]
            found[name] = {"output_mimetype": exporter.output_mimetype}
        except ValueError:  # it cannot be imported
            continue
    return found


async def _ask() -> Formats:
    """`find` in a process of its own; none if that fails, which JupyterLab shows as an empty menu."""
    asked = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "sagelab.desk.formats", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asked.communicate()
    return dict(json.loads(said)) if asked.returncode == 0 else {}


def _offered() -> list[list[str]]:
    """The exporters by their entry points, and the version of what offers each."""
    points = metadata.entry_points(group=GROUP)
    return sorted([point.name, point.value, point.dist.version if point.dist else ""] for point in points)


if __name__ == "__main__":
    print(json.dumps(find()))
