from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sagelab.lab import photos
from sagelab.lab.canvas import PREFIX, Canvas
from sagelab.lab.photos import HandwritingError


@pytest.fixture
def example(tmp_path: Path) -> Path:
    Image.new("RGB", (60, 40), "#804020").save(file := tmp_path / "example.png")
    return file


def test_an_empty_canvas_gives_the_example_and_says_so(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert np.array_equal(Canvas(example).image(), photos.decode(example))
    assert capsys.readouterr().out == "Nothing is drawn, so this is an example: example.png\n"


def test_an_empty_canvas_without_an_example_says_what_to_do() -> None:
    with pytest.raises(HandwritingError, match="draw a digit"):
        Canvas().image()


def test_a_canvas_gives_what_its_page_sent() -> None:
    canvas = Canvas()
    drawn = Image.fromarray(np.random.default_rng(1).integers(0, 256, (30, 30, 3), np.uint8))
    drawn.save(sent := io.BytesIO(), "PNG")
    canvas._drawn.value = PREFIX + base64.b64encode(sent.getvalue()).decode()
    assert np.array_equal(canvas.image(), np.asarray(drawn))


def test_a_canvas_refuses_what_is_no_picture() -> None:
    canvas = Canvas()
    canvas._drawn.value = PREFIX + "%%%"
    with pytest.raises(HandwritingError, match="draw again"):
        canvas.image()
