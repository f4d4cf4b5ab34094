"""How long a learner waits between `make lab` and the first cell that can be run, and what the processor does.

It needs Chromium (Debian's package chromium) and drives it with Playwright.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from console import ARGUMENTS
from place import new_home
from playwright.sync_api import Browser, sync_playwright
from table import Result

from sagelab.browser import SCREENS
from sagelab.cloud.home import Home

ROOT = Path(__file__).parent.parent
IDLE = re.compile(r"\| Idle")


def desk(quick: bool) -> Iterator[Result]:
    """`make lab` on a machine that is set up: until the start page shows, and until a cell of lab 1 can be run."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("there is no chromium here: the first minute is not measured")
        return
    with new_home() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        _open(home, browser)  # makes the copies
        taken = [_open(home, browser) for _ in range(2 if quick else 5)]
        browser.close()
    pages, cells, processor = ([each[side] for each in taken] for side in range(3))
    seen = f"median of {len(taken)}; slowest {max(pages):.2f} s"
    yield Result("make lab until the start page is there", statistics.median(pages), 4.0, "s", seen=seen)
    seen = f"median of {len(taken)}, lab 1 opened at once; slowest {max(cells):.2f} s"
    yield Result("make lab until a first cell can be run", statistics.median(cells), 6.0, "s", seen=seen)
    seen = "JupyterLab, its kernel and make itself, from start to end, without the local cloud and the browser"
    yield Result("processor time of make lab", statistics.median(processor), 6.0, "s", seen=seen)


def _open(home: Home, browser: Browser) -> tuple[float, float, float]:
    """Seconds until the start page, until the kernel of lab 1 is idle, and of the processor."""
    used, began = _processor(), time.perf_counter()
    env = {name: value for name, value in os.environ.items() if name not in SCREENS}
    env |= {"SAGELAB_HOME": str(home.path), "PYTHON": sys.executable}
    lab = subprocess.Popen(
        ["make", "lab"], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert lab.stdout is not None
    try:
        address = next(line.split()[-1] for line in lab.stdout if line.startswith("start page: "))
        context = browser.new_context()
        page = context.new_page()
        page.goto(address)
        start = page.get_by_role("link", name="Start lab 1", exact=True)
        start.wait_for()
        shown = time.perf_counter() - began
        with context.expect_page() as opened:
            start.click()
        opened.value.locator("#jp-main-statusbar").get_by_text(IDLE).wait_for()
        ready = time.perf_counter() - began
        context.close()
    finally:
        os.killpg(lab.pid, signal.SIGINT)
        lab.wait()
    return shown, ready, _processor() - used


def _processor() -> float:
    """Seconds of the processor that ended children of this process have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
