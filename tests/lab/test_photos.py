from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sagelab.lab import photos
from sagelab.lab.photos import HandwritingError

Array = np.ndarray[Any, np.dtype[Any]]


def seven() -> Image.Image:
    """A 7 in dark ink on pale paper, 400 by 300."""
    photo = Image.new("RGB", (400, 300), "#f4f2ec")
    ImageDraw.Draw(photo).line([(160, 90), (240, 80), (180, 220)], fill="#202840", width=12, joint="curve")
    return photo


def grey(photo: Array) -> Array:
    return np.asarray(photo.mean(2))


def likeness(photo: Array) -> float:
    """How alike to the 7, whatever its contrast: a correlation, at most 1."""
    return float(np.corrcoef(grey(photo).ravel(), grey(np.asarray(seven())).ravel())[0, 1])


def coded(photo: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("JPEG", {"quality": 40}), ("WEBP", {}), ("GIF", {})])
def test_files_and_their_bytes_are_read_alike(tmp_path: Path, kind: str, options: dict[str, Any]) -> None:
    content = coded(seven(), kind, **options)
    (tmp_path / "photo").write_bytes(content)
    photo = photos.decode(content)
    assert photo.shape == (300, 400, 3)
    assert photo.dtype == np.uint8
    assert np.array_equal(photos.decode(tmp_path / "photo"), photo)
    assert likeness(photo) > 0.95


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I", "I;16", "F"])
def test_every_kind_of_pixel_is_read(mode: str) -> None:
    plain = seven().convert("L")
    deep = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
    photo = (
        Image.fromarray(np.asarray(plain).astype(deep[mode]) * 200)
        if mode in deep
        else plain.convert(mode, dither=Image.Dither.NONE)
    )
    kind = "TIFF" if mode in ("CMYK", "F", "I") else "PNG"
    assert likeness(photos.decode(coded(photo, kind))) > 0.9


def test_ink_on_a_clear_sheet_is_read() -> None:
    plain = np.asarray(seven().convert("L"))
    clear = np.dstack([np.zeros((*plain.shape, 3), np.uint8), 255 - plain])
    assert likeness(photos.decode(clear)) > 0.95


def test_a_photo_is_turned_as_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    sideways = seven().transpose(Image.Transpose.ROTATE_90)
    assert likeness(photos.decode(coded(sideways, "JPEG", exif=exif))) > 0.95


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_float_arrays_may_reach_1_or_255(scale: float) -> None:
    photo = np.asarray(seven()) / 255 * scale
    assert likeness(photos.decode(photo)) > 0.95


# -- what is no picture --------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(HandwritingError, match="picture"):
        photos.decode(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_damaged_picture_is_refused(kind: str, share: float) -> None:
    content = coded(seven(), kind)
    with pytest.raises(HandwritingError, match="picture"):
        photos.decode(content[: int(len(content) * share)])


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HandwritingError, match="There is no file"):
        photos.decode(tmp_path / "none.png")
    with pytest.raises(HandwritingError, match="cannot be read"):
        photos.decode(tmp_path)


def test_what_is_too_small_is_refused() -> None:
    with pytest.raises(HandwritingError, match="less than 12 pixels wide or high"):
        photos.decode(np.zeros((200, 8), np.uint8))


def test_what_is_too_large_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(HandwritingError, match="scale it down"):
        photos.decode(coded(Image.new("1", (9000, 9000))))
    with pytest.raises(HandwritingError, match="scale it down"):
        photos.decode(coded(Image.new("1", (20000, 20000))))


@pytest.mark.parametrize(
    "array", [np.zeros(9), np.zeros((20, 20, 2)), np.zeros((0, 0)), np.full((30, 30), np.nan)]
)
def test_arrays_that_are_no_picture_are_refused(array: Array) -> None:
    with pytest.raises(HandwritingError):
        photos.decode(array)
