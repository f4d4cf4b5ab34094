"""tools/diagrams.py: a text becomes a picture that a browser and a screen reader can read."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from diagrams import draw

SOURCE = """
title = "Who <asks> whom"

[boxes.notebook]
text = ["Notebook", "here"]
at = [0, 0]
kind = "here"

[boxes.s3]
text = ["S3"]
at = [0, 1]
kind = "stored"

[boxes.job]
text = ["Job"]
at = [1, 1]
kind = "runs"

[[arrows]]
from = "notebook"
to = "s3"
text = ["puts"]

[[arrows]]
from = "s3"
to = "notebook"
text = ["gets"]

[[arrows]]
from = "s3"
to = "job"
text = ["data", "code"]
"""
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "diagram.toml"
    file.write_text(SOURCE)
    return file


def test_every_box_and_arrow_is_drawn_with_its_words(source: Path) -> None:
    root = ElementTree.fromstring(draw(source))
    assert root.findtext(f"{SVG}title") == "Who <asks> whom"
    assert len([each for each in root.findall(f"{SVG}rect") if "stroke" in each.attrib]) == 3
    assert len(root.findall(f"{SVG}path")) == 3
    words = [each.text for each in root.findall(f"{SVG}text")]
    assert sorted(filter(None, words)) == ["Job", "Notebook", "S3", "code", "data", "gets", "here", "puts"]


def test_no_arrow_strikes_through_a_text_of_two_lines(source: Path) -> None:
    plain = ElementTree.fromstring(draw(source)).findall(f"{SVG}rect")
    source.write_text(source.read_text().replace('text = ["gets"]', 'text = ["gets", "more"]'))
    assert len(ElementTree.fromstring(draw(source)).findall(f"{SVG}rect")) == len(plain) + 1


def test_two_arrows_of_the_same_boxes_lie_apart(source: Path) -> None:
    paths = [each.attrib["d"] for each in ElementTree.fromstring(draw(source)).findall(f"{SVG}path")]
    there, back = (float(path.split()[0].removeprefix("M")) for path in paths[:2])
    assert there != back


def test_an_arrow_to_nowhere_is_refused(source: Path) -> None:
    source.write_text(SOURCE.replace('to = "job"', 'to = "nobody"'))
    with pytest.raises(KeyError, match="nobody"):
        draw(source)
