"""Suites of a team's own, each run by a pytest of its own in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

SUITES = Path(__file__).parent / "teams"
OTHERS = [
    option for name in ("nbval", "hypothesispytest", "anyio") for option in ("-p", f"no:{name}")
]  # slow to load
STRICT = "[pytest]\nfilterwarnings = error\naddopts = --import-mode=importlib --strict-config --strict-markers\n"
PROFILE = "[profile production]\nregion = eu-west-1\n"
TIMEOUT = 560


@dataclass(frozen=True)
class Ran:
    """A run of a suite. outcomes: of each test, "passed", "failure" or "error"."""

    folder: Path
    said: str
    outcomes: dict[str, str]

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"


def command(folder: Path, suite: str, *options: str, python: str = sys.executable) -> list[str]:
    """pytest on a copy of a suite in this folder; warnings are errors."""
    (folder / "tmp").mkdir(parents=True)
    (folder / "pytest.ini").write_text(STRICT)
    (folder / "aws.config").write_text(PROFILE)
    shutil.copy(SUITES / f"{suite}.py", folder / "test_suite.py")
    return [python, "-m", "pytest", "-p", "no:cacheprovider", *OTHERS, *options]


def environment(folder: Path) -> dict[str, str]:
    """The environment of that pytest: nothing of the one that runs this, and settings that lead elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    elsewhere = {"AWS_PROFILE": "production", "AWS_CONFIG_FILE": str(folder / "aws.config")}
    return kept | elsewhere | {"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9", "TMPDIR": str(folder / "tmp")}


def run(folder: Path, suite: str, *options: str, python: str = sys.executable, **env: str) -> Ran:
    arguments = command(folder, suite, "--junitxml=report.xml", *options, python=python)
    surroundings = environment(folder) | env
    done = subprocess.run(arguments, env=surroundings, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT)
    said = done.stdout + done.stderr
    assert (folder / "report.xml").exists(), said
    cases = ElementTree.parse(folder / "report.xml").iter("testcase")
    return Ran(folder, said, {case.attrib["name"]: case[0].tag if len(case) else "passed" for case in cases})
