"""JupyterLab as the labs have it: no question about news, no look for updates, and a start in half the time.

python3 -P -m sagelab.desk.jupyterlab [OPTION ...]      JupyterLab's own options
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sagelab.desk import formats

# What a setting is where nobody has set it. Whether JupyterLab asks about its news is one, `fetchNews`; the option
# `news_url` turns off the feed alone. Walkthroughs open as pages. And what is left out, for no lab uses it: before
# a notebook shows, the browser compiles the schema of each plugin's settings and starts the plugin.
SETTINGS = Path(__file__).with_name("settings")
OPTIONS = (
    "--no-browser",
    f"--LabApp.app_settings_dir={SETTINGS}",
    "--LabApp.news_url=None",
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)
# Of checks that jsonschema makes where they are there (a grammar and a pattern of addresses that take seconds to
# build), and of the command that comes with httpx.
OPTIONAL = ("rfc3987_syntax", "rfc3986_validator", "httpx._main")
NO_YARN: dict[str, dict[str, Any]] = {"yarn config": {}, "npm config": {}}


def load(formats_kept: Path | None = None) -> Any:
    """JupyterLab's application class. formats_kept: a file for what a notebook can be exported as.

    What is left out is never used here and takes longer than all the rest: OPTIONAL, and a start of Node for a
    setting of Yarn's.
    """
    for name in OPTIONAL:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type] # None: an import of it fails
    from jupyterlab import commands

    commands._yarn_config = lambda _: NO_YARN
    from jupyterlab.labapp import LabApp

    formats.install(formats_kept)
    return LabApp


if __name__ == "__main__":
    load().launch_instance([*OPTIONS, *sys.argv[1:]])
