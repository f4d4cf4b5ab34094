"""What the console costs: its first paint, a long list, an event on its way to the screen, a live chart left open.

It needs Chromium (Debian's package chromium) and drives it with Playwright.
"""

from __future__ import annotations

import gzip
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs import Jobs
from place import Place, local_cloud, new_home
from playwright.sync_api import Browser, Page, sync_playwright
from scale import MANY, fill
from table import Result

import sagelab.cloud.console
from sagelab.cloud import control
from sagelab.cloud.home import Home

STATIC = Path(sagelab.cloud.console.__file__).with_name("static")
ARGUMENTS = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking".split()
LIVE = 'for i in $(seq 100000); do echo "step $i loss: 0.$((9999 - i % 9000))"; sleep 0.5; done'
ROW = "tbody tr"
# Tells when an element with a text is there, by the clock that the benchmark has too.
WATCH = """
([selector, text]) => {
  window.seen = new Promise((resolve) => {
    const look = () => {
      const found = [...document.querySelectorAll(selector)].some((each) => each.textContent.includes(text));
      if (found) { watcher.disconnect(); requestAnimationFrame(() => resolve(Date.now())); }
    };
    const watcher = new MutationObserver(look);
    watcher.observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
  });
}
"""


def console(quick: bool) -> Iterator[Result]:
    """The page in a real browser, on a local cloud that has kept ten thousand training jobs."""
    yield Result(
        "code of the console's page, compressed", _weigh() / 1000, 200, "kB", seen=f"{STATIC.name}/, gzip -9"
    )
    chromium = shutil.which("chromium")
    if chromium is None:
        print("there is no chromium here: the rest of the console is not measured")
        return
    with new_home() as home, sync_playwright() as playwright:
        fill(home, MANY)
        with local_cloud(home) as place:
            browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
            yield from _measure(home, place, browser, quick)
            browser.close()


def _weigh() -> int:
    """Bytes of everything that a browser may load, each file compressed by itself."""
    files = [file for file in STATIC.rglob("*") if file.suffix in (".js", ".css", ".html", ".svg")]
    return sum(len(gzip.compress(file.read_bytes(), 9)) for file in files)


def _measure(home: Home, place: Place, browser: Browser, quick: bool) -> Iterator[Result]:
    times = 2 if quick else 10
    with _page(home, browser) as page:
        first = _first_paint(page)
    jobs = Jobs(place)
    paints, lists = [], []
    for _ in range(times):
        with _page(home, browser) as page:
            paints.append(_first_paint(page))
            lists.append(_open_list(page, home))
    seen = f"median of {times} with an empty cache; the very first {first:.2f} s"
    yield Result("first paint of the console", statistics.median(paints), 1.0, "s", seen=seen)
    seen = f"median of {times}, from the address to 50 rows, sorted by the API; slowest {max(lists):.2f} s"
    yield Result(f"list of {MANY:,} training jobs in the console", statistics.median(lists), 1.0, "s", seen=seen)
    with _page(home, browser) as page:
        _open_list(page, home)
        delays = [_event(page, jobs) for _ in range(times)]
    seen = f"median of {times}, a job created to its row on the screen; slowest {max(delays):.2f} s"
    yield Result("an event on the console's screen", statistics.median(delays), 0.5, "s", seen=seen)
    yield _live(home, jobs, browser, 5 if quick else 60)


@contextmanager
def _page(home: Home, browser: Browser) -> Iterator[Page]:
    """A browser with an empty cache, logged in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(control.console(home))
    page.locator("main h1").wait_for()
    yield page
    context.close()


def _first_paint(page: Page) -> float:
    """Seconds from the navigation to the first content, as the browser has it."""
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    milliseconds: float = page.wait_for_function(paint).json_value()
    return milliseconds / 1000


def _open_list(page: Page, home: Home) -> float:
    """Seconds from the address to the rows."""
    running = home.server()
    assert running is not None
    began = time.perf_counter()
    page.goto(f"{running['console']}/training-jobs")
    page.locator(ROW).nth(49).wait_for()
    took = time.perf_counter() - began
    page.locator(".line.live").wait_for()
    return took


def _event(page: Page, jobs: Jobs) -> float:
    """Seconds from the answer to CreateTrainingJob to the job's row."""
    request = jobs.shell("true")
    page.evaluate(WATCH, [ROW, request["TrainingJobName"]])
    jobs.sagemaker.create_training_job(**request)
    began = time.time()
    shown: float = page.evaluate("window.seen")
    time.sleep(1)  # a page rests after a look: the next event finds it awake, as events in life do
    return max(0.0, shown / 1000 - began)


def _live(home: Home, jobs: Jobs, browser: Browser, seconds: float) -> Result:
    """The share of a core that an open page with a live chart and log costs the local cloud."""
    request = jobs.shell(LIVE)
    name = request["TrainingJobName"]
    request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss: ([0-9.]+)"}]
    jobs.sagemaker.create_training_job(**request)
    running = home.server()
    assert running is not None
    with _page(home, browser) as page:
        page.goto(f"{running['console']}/training-jobs/{name}")
        page.locator(".chart canvas").wait_for()
        time.sleep(2)
        watched = _cpu(running["pid"], seconds)
    alone = _cpu(running["pid"], seconds)
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    seen = f"{watched:.1f} % with the page open, {alone:.1f} % without, {seconds:.0f} s each; two lines a second"
    return Result("a live chart left open, of a core", watched - alone, 3.0, "%", seen=seen)


def _cpu(pid: int, seconds: float) -> float:
    """Percent of a core that a process uses over some seconds."""
    before = _ticks(pid)
    time.sleep(seconds)
    return 100 * (_ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / seconds


def _ticks(pid: int) -> int:
    """Clock ticks of a process, in its own code and in the kernel's."""
    facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(facts[11]) + int(facts[12])
