"""`sagelab lab` as a newcomer meets it, in a real browser."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = pytest.mark.slow  # JupyterLab, Chromium

SAGELAB = str(Path(sys.executable).with_name("sagelab"))
TIMEOUT = 60_000  # ms
LAB = "01-train-a-digit-classifier"
LABS = len(list((Path(__file__).parents[2] / "notebooks").glob("*.ipynb")))

expect.set_options(timeout=TIMEOUT)


@dataclass
class Desk:
    """A running `sagelab lab`. said: its lines on the terminal up to the address; work: the copies."""

    process: subprocess.Popen[str]
    said: list[str]
    work: Path

    @property
    def address(self) -> str:
        return self.said[-1].removeprefix("start page: ")


@pytest.fixture(scope="module")
def desk(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """On the tests' own local cloud, by somebody who has never used Jupyter."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "AWS_"))}
    env |= {"HOME": str(tmp_path_factory.mktemp("newcomer")), "SAGELAB_HOME": str(cloud.home.path)}
    process = subprocess.Popen(
        ["env", "--default-signal=INT", SAGELAB, "lab", "--no-browser"],  # a shell's background ignores Ctrl-C
        env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line.rstrip("\n"))
        if line.startswith("start page: "):
            break
    yield Desk(process, said, cloud.home.work)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert rest == "sagelab has ended\n"
    assert process.returncode == 0


@pytest.fixture
def page(chromium: Browser, desk: Desk) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(TIMEOUT)
    opened = context.new_page()
    opened.goto(desk.address)
    yield opened
    context.close()


def test_terminal_has_the_addresses_alone(desk: Desk) -> None:
    console, start = desk.said
    assert re.fullmatch(r"console:    http://127\.0\.0\.1:\d+/#token=\S+", console)
    assert re.fullmatch(r"start page: http://127\.0\.0\.1:\d+/start\?token=\S+", start)


def test_page_is_for_whoever_has_the_token(desk: Desk) -> None:
    start = desk.address.partition("?")[0]
    for address in (start, f"{start}?token=wrong", f"{start}/console"):
        with urllib.request.urlopen(address) as answer:
            assert "/login" in answer.url
    with urllib.request.urlopen(desk.address) as answer:
        assert answer.url == desk.address


def test_page_shows_every_lab_with_its_minutes_and_price(page: Page) -> None:
    labs = page.get_by_role("listitem").filter(has=page.get_by_role("heading"))
    expect(labs).to_have_count(LABS)
    expect(labs.nth(3)).to_contain_text("Tune the classifier")
    expect(labs.nth(3)).to_contain_text(re.compile(r"2 minutes\s+here\s+45 minutes, \$3.00\s+on AWS"))


def test_page_shows_what_is_done(page: Page, desk: Desk) -> None:
    path = desk.work / "notebooks" / f"{LAB}.ipynb"
    before = path.read_text()
    notebook = json.loads(before)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 1
    path.write_text(json.dumps(notebook))
    page.reload()
    expect(page.get_by_text(f"{LABS} labs, 1 done.")).to_be_visible()
    expect(page.get_by_role("link", name="Open lab 1")).to_be_visible()
    path.write_text(before)
    page.reload()
    expect(page.get_by_role("link", name="Start lab 1", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [360, 640])
def test_page_fits_a_narrow_window(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_console_opens_logged_in(page: Page) -> None:
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="The console").click()
    expect(opened.value.get_by_role("heading", name="Overview")).to_be_visible()


def test_walkthrough_opens_as_a_page(page: Page) -> None:
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Walkthrough").nth(1).click()
    heading = opened.value.get_by_role("heading", name="Lab 1: Train a digit classifier")
    expect(heading).to_be_visible()


def test_lab_opens_on_the_copy_and_jupyter_asks_nothing(page: Page, desk: Desk) -> None:
    early = until(lambda: _kernels(desk), bool)  # a kernel that nobody has asked for yet
    assert page.evaluate("async () => (await fetch('/api/kernels')).json()") == []
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Start lab 1", exact=True).click()
    lab = opened.value
    expect(lab.locator(".jp-Notebook").get_by_role("heading", name="Train a digit classifier")).to_be_visible()
    asked = lab.evaluate(
        "async () => (await (await fetch('/lab/api/settings/@jupyterlab/apputils-extension:notification')).json())"
    )
    assert json.loads(asked["raw"] or "{}") == {}  # nobody has answered the question
    assert asked["schema"]["properties"]["fetchNews"]["default"] == "false"
    expect(lab.locator("#jp-main-statusbar").get_by_text(re.compile(r"\| Idle"))).to_be_visible()
    expect(lab.get_by_text("Jupyter news")).to_have_count(0)
    expect(lab.locator(".Toastify__toast, .jp-Dialog")).to_have_count(0)
    assert len(page.evaluate("async () => (await fetch('/api/kernels')).json()")) == 1
    assert _kernels(desk) == early
    assert "html" in page.evaluate("async () => (await fetch('/api/nbconvert')).json()")


def test_jupyterlab_has_all_that_a_learner_uses(page: Page, desk: Desk) -> None:
    """Though it leaves out what no lab needs."""
    path = desk.work / "notebooks" / f"{LAB}.ipynb"
    before, said = path.read_text(), []
    page.context.on("console", lambda message: said.append(message.text))
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Start lab 1", exact=True).click()
    lab = opened.value
    expect(lab.locator("#jp-main-statusbar").get_by_text(re.compile(r"\| Idle"))).to_be_visible()
    expect(lab.locator(".jp-Notebook img").first).to_have_js_property("complete", True)
    lab.get_by_role("tab", name="Table of Contents").click()
    lab.locator(".jp-TableOfContents").get_by_text("1. Connect to AWS").click()
    cell = lab.locator(".jp-CodeCell").nth(0)
    cell.locator(".cm-content").click()
    for key in ("End", "x", "Control+z", "Shift+Enter"):
        lab.keyboard.press(key)
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[1]:")
    lab.keyboard.press("Control+f")
    expect(lab.locator(".jp-DocumentSearch-overlay")).to_be_visible()
    lab.keyboard.press("Escape")
    lab.get_by_role("menuitem", name="Kernel", exact=True).click()
    expect(lab.get_by_role("menuitem", name=re.compile("Restart Kernel and Run All Cells"))).to_be_visible()
    lab.keyboard.press("Escape")
    lab.keyboard.press("Control+s")
    until(lambda: path.read_text(), lambda text: '"execution_count": 1' in text)
    path.write_text(before)
    assert [text for text in said if "activat" in text] == []  # a part whose needs are left out


def _kernels(desk: Desk) -> list[int]:
    """The processes of its kernels."""
    proc = Path("/proc")
    children = (proc / f"{desk.process.pid}/task/{desk.process.pid}/children").read_text().split()
    return [int(child) for child in children if b"ipykernel_launcher" in (proc / child / "cmdline").read_bytes()]
