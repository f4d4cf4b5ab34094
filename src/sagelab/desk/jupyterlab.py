"""JupyterLab as the labs have it: no question about news, no look for updates, and a start in half the time.

python3 -P -m sagelab.desk.jupyterlab [OPTION ...]      JupyterLab's own options
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# What a setting is where nobody has set it. Whether JupyterLab asks about its news is one, `fetchNews`; the option
# `news_url` turns off the feed alone. Walkthroughs open as pages.
SETTINGS = Path(__file__).with_name("settings")
OPTIONS = (
    "--no-browser",
    f"--LabApp.app_settings_dir={SETTINGS}",
    "--LabApp.news_url=None",
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)
NO_YARN: dict[str, dict[str, Any]] = {"yarn config": {}, "npm config": {}}


def load() -> Any:
    """JupyterLab's application class.

    What is left out is never used here and takes longer than all the rest: a grammar of internationalised
    addresses, for a check that jsonschema makes where it is there, and Node's start for a setting of Yarn's.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # None: an import of it fails
    from jupyterlab import commands

    commands._yarn_config = lambda _: NO_YARN
    from jupyterlab.labapp import LabApp

    return LabApp


if __name__ == "__main__":
    load().launch_instance([*OPTIONS, *sys.argv[1:]])
