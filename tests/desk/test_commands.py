"""`sagelab lab start`, `reset`, on the labs as they are shipped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sagelab import browser, shipped
from sagelab.cli import main
from sagelab.cloud.home import Home

ROOT = Path(__file__).parents[2]


def lab(home: Home, *words: str) -> Result:
    return CliRunner().invoke(main, ["lab", *words, "--home", str(home.path)])


def test_start_and_reset_say_where_things_are_and_leave_the_project_alone(home: Home) -> None:
    before = subprocess.run(["git", "status", "--short"], cwd=ROOT, check=True, capture_output=True).stdout
    notebook = home.work / "notebooks" / "03-tune-the-classifier.ipynb"
    assert lab(home, "start", "03").output == f"{notebook} is yours to change.\n"
    notebook.write_text(notebook.read_text().replace("Tune the classifier", "Mine"))
    assert lab(home, "start", "03").output == f"{notebook} is as you left it.\n"
    said = lab(home, "reset", "03").output
    aside = home.work / "kept" / "03-tune-the-classifier-1"
    assert said == f"{notebook} is as shipped.\nWhat you had is in {aside}\n"
    assert "Mine" in (aside / "notebooks" / notebook.name).read_text()
    home.clear()
    assert notebook.exists()
    after = subprocess.run(["git", "status", "--short"], cwd=ROOT, check=True, capture_output=True).stdout
    assert after == before


def test_a_thread_that_jupyterlab_leaves_behind_keeps_nobody(home: Home) -> None:
    program = """
import threading
from sagelab.cli import main
from sagelab.desk import server
server.serve = lambda *_: threading.Thread(target=threading.Event().wait).start()
main()
"""
    command = [sys.executable, "-c", program, "lab", "--home", str(home.path)]
    assert subprocess.check_output(command, text=True, timeout=60) == "sagelab has ended\n"


def test_a_lab_that_there_is_not_is_said_in_one_sentence(home: Home) -> None:
    done = lab(home, "start", "99")
    assert done.exit_code == 1
    assert done.output.startswith("Error: No lab is '99'; there are 00-open-a-notebook-instance, ")


def test_an_installation_without_labs_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "find", lambda: None)
    assert "no labs" in lab(home, "start", "03").output


@pytest.mark.parametrize(("screen", "opened"), [("DISPLAY", ["http://here/"]), (None, [])])
def test_browser_is_opened_where_somebody_can_see_it(
    monkeypatch: pytest.MonkeyPatch, screen: str | None, opened: list[str]
) -> None:
    shown: list[str] = []
    for name in browser.SCREENS:
        monkeypatch.delenv(name, raising=False)
    if screen:
        monkeypatch.setenv(screen, ":0")
    monkeypatch.setattr("webbrowser.open", shown.append)
    if thread := browser.show("http://here/"):
        thread.join()
    assert shown == opened
