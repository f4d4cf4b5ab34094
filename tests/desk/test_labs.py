from __future__ import annotations

import re
from pathlib import Path

import pytest

from sagelab.desk import labs
from sagelab.desk.labs import Lab

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"^\| (\d+) \| \[(.+?)\]\((labs/.+?)\).*? \| (\d+) minutes \| (\d+) minutes, (\$[\d.]+) \|$", re.M
)
SHIPPED = labs.read(ROOT)


@pytest.mark.parametrize("lab", SHIPPED, ids=lambda lab: lab.name)
def test_every_lab_says_what_it_is_about_and_what_it_takes(lab: Lab) -> None:
    assert lab.title
    assert lab.about.endswith(".")
    assert lab.minutes
    assert lab.aws_minutes
    assert re.fullmatch(r"\$[\d.]*\d", lab.dollars)
    assert lab.cells
    assert (ROOT / lab.notebook).is_file()
    assert (ROOT / lab.walkthrough).is_file()


def test_the_readme_says_the_same() -> None:
    said = ROW.findall((ROOT / "README.md").read_text())
    facts = [
        (lab.number, lab.title, lab.walkthrough, lab.minutes, lab.aws_minutes, lab.dollars) for lab in SHIPPED
    ]
    assert said == [tuple(map(str, row)) for row in facts]
