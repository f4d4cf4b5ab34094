from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from sagelab.lab import digits, handwriting
from sagelab.lab.photos import HandwritingError

PICTURES = Path(__file__).parents[2] / "labs" / "02-deploy-and-read-handwriting" / "handwriting"
SEVEN = [(0.1, 0.05), (0.9, 0.0), (0.35, 1.0)]

Array = np.ndarray[Any, np.dtype[Any]]


def seven(
    size: tuple[int, int] = (400, 300),
    corner: tuple[int, int] = (150, 80),
    height: int = 140,
    pen: int = 12,
    ink: str = "#202840",
    paper: str = "#f4f2ec",
) -> Image.Image:
    """A photo of a 7, 0.6 as wide as high, with its upper left corner there."""
    photo = Image.new("RGB", size, paper)
    points = [(corner[0] + x * height * 0.6, corner[1] + y * height) for x, y in SEVEN]
    ImageDraw.Draw(photo).line(points, fill=ink, width=pen, joint="curve")
    return photo.filter(ImageFilter.GaussianBlur(0.6))


@cache
def plain() -> Array:
    """The 7's digit as it is read from a plain photo."""
    return handwriting.read(np.asarray(seven())).pixels


@cache
def read_picture(file: Path) -> handwriting.Reading:
    """A picture of the lab, read once."""
    return handwriting.read(file)


def alike(one: Array, other: Array) -> float:
    """The mean difference of two digits' pixels, 0 to 1, with ink counted alone."""
    return float(np.abs(one - other).sum() / np.maximum(one, other).sum())


PHOTOS: dict[str, dict[str, Any]] = {
    "light on dark": {"ink": "#f0f0e8", "paper": "#203028"},
    "red on blue, equally bright": {"ink": "#d05050", "paper": "#6f86b0"},
    "blue on yellow": {"ink": "#2040a0", "paper": "#f8e070"},
    "faint": {"ink": "#b8b6b0"},
    "in a corner": {"corner": (12, 150)},
    "small": {"size": (100, 80), "corner": (30, 10), "height": 50, "pen": 4},
    "large": {"size": (3000, 2000), "corner": (1500, 400), "height": 1000, "pen": 80},
    "written small on a large sheet": {"size": (1200, 900), "corner": (700, 300), "height": 130, "pen": 11},
    "fine pen": {"pen": 3},
}


def assert_as_mnist_has_it(reading: handwriting.Reading) -> None:
    pixels = reading.pixels
    assert (pixels.shape, reading.instance.shape) == ((28, 28), (28, 28, 1))
    assert pixels.dtype == np.float32
    assert pixels.min() == 0
    assert 0.9 < pixels.max() <= 1
    rows, columns = np.nonzero(pixels > 0.5)
    assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21
    y, x = (np.arange(28) + 0.5) @ pixels.sum(1), (np.arange(28) + 0.5) @ pixels.sum(0)
    assert y / pixels.sum() == pytest.approx(14, abs=1)
    assert x / pixels.sum() == pytest.approx(14, abs=1)


@pytest.mark.parametrize("name", PHOTOS)
def test_a_digit_is_the_same_however_it_is_photographed(name: str) -> None:
    reading = handwriting.read(np.asarray(seven(**PHOTOS[name])))
    assert_as_mnist_has_it(reading)
    assert alike(reading.pixels, plain()) < 0.25


def test_inverted_colours_make_no_difference() -> None:
    photo = np.asarray(seven())
    assert alike(handwriting.read(255 - photo).pixels, handwriting.read(photo).pixels) < 0.05


def test_light_from_one_side_and_noise_make_no_difference() -> None:
    photo = np.asarray(seven()) * np.linspace(0.45, 1, 400)[:, np.newaxis]
    noisy = photo + np.random.default_rng(1).normal(0, 6, photo.shape)
    assert alike(handwriting.read(noisy).pixels, plain()) < 0.15


def test_ruled_lines_specks_and_a_dark_rim_are_no_part_of_the_digit() -> None:
    sheet = Image.new("RGB", (400, 300), "#f4f2ec")
    draw = ImageDraw.Draw(sheet)
    for y in range(10, 300, 40):
        draw.line([(0, y), (400, y)], fill="#d0d8e8", width=1)
    for x in (30, 90, 330):
        draw.ellipse([x, 250, x + 4, 254], fill="#404040")
    draw.rectangle([0, 0, 400, 14], fill="#302820")
    photo = ImageChops.darker(sheet, seven())
    reading = handwriting.read(np.asarray(photo))
    assert reading.box == pytest.approx((150, 74, 236, 224), abs=12)
    assert alike(reading.pixels, plain()) < 0.2


def test_the_box_is_where_the_digit_is() -> None:
    reading = handwriting.read(np.asarray(seven(size=(1600, 1200), corner=(900, 500), height=400, pen=30)))
    assert reading.box == pytest.approx((924, 490, 1116, 900), abs=30)
    assert reading.original.shape == (1200, 1600, 3)
    assert "1600 by 1200" in repr(reading)


def test_proportions_are_kept() -> None:
    photo = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(photo).line([(150, 60), (150, 240)], fill=0, width=16)
    rows, columns = np.nonzero(handwriting.read(np.asarray(photo)).pixels > 0.5)
    assert np.ptp(rows) + 1 >= 19
    assert np.ptp(columns) + 1 <= 4


@pytest.mark.slow
@pytest.mark.parametrize("count", [10, pytest.param(50, marks=pytest.mark.long)])
def test_a_digit_of_mnist_stays_what_it_is(count: int) -> None:
    images = digits.load().images[:count]
    read = [handwriting.read(image).pixels for image in images]
    assert np.median([alike(pixels, image / 255) for pixels, image in zip(read, images, strict=True)]) < 0.45


# -- what cannot be read ----------------------------------------------------------------------------------

BLANK: dict[str, np.ndarray] = {
    "white": np.full((200, 300, 3), 255, np.uint8),
    "black": np.zeros((200, 300), np.uint8),
    "noise": np.random.default_rng(1).normal(200, 8, (300, 300, 3)),
    "a lamp on one side": np.tile(np.linspace(90, 240, 300), (200, 1)),
}


@pytest.mark.parametrize("name", BLANK)
def test_a_blank_sheet_is_refused(name: str) -> None:
    with pytest.raises(HandwritingError, match="No digit is to be seen"):
        handwriting.read(BLANK[name])


def test_a_digit_that_is_too_small_is_refused() -> None:
    with pytest.raises(HandwritingError, match="nearer"):
        handwriting.read(np.asarray(seven(height=9, pen=3)))


# -- showing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_show_draws_photo_pixels_and_bars(count: int) -> None:
    reading = handwriting.read(np.asarray(seven()))
    scores = np.full((count, 10), 0.02) + 0.8 * np.eye(10)[7]
    figure = handwriting.show([reading] * count, scores)
    assert len(figure.axes) == 3 * count
    assert figure.axes[2].get_title(loc="left") == "read as 7, 82%"
    assert len(figure.axes[2].patches) == 10
    figure.savefig(io.BytesIO())


def test_show_of_one_reading_without_probabilities() -> None:
    figure = handwriting.show(handwriting.read(np.asarray(seven())))
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["photo", "what the network sees"]


# -- the pictures of the lab ------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_picture_of_the_lab_shows_a_digit() -> None:
    files = sorted(PICTURES.iterdir())
    assert len(files) >= 60
    assert sum(file.stat().st_size for file in files) < 1_500_000
    for file in files[::7]:
        assert_as_mnist_has_it(read_picture(file))


@pytest.mark.slow
@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.long)])  # 7: of every digit there is one
def test_the_pictures_of_the_lab_are_read(step: int) -> None:
    """By the nearest of 5,000 digits, a far simpler reader than the network of lab 1."""
    from sklearn.neighbors import KNeighborsClassifier

    data = digits.load()
    reader = KNeighborsClassifier(3).fit(data.images.reshape(-1, 784) / 255, data.labels)
    files = sorted(PICTURES.iterdir())[::step]
    pixels = np.array([read_picture(file).pixels.ravel() for file in files])
    right = reader.predict(pixels) == [int(file.stem.split("_")[1]) for file in files]
    assert right.mean() >= 0.9, [file.name for file, is_right in zip(files, right, strict=True) if not is_right]
