"""Strangers' pictures: decoded within bounds, masks as the numbers that they are."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from sagelab.algorithms.job import UserError
from sagelab.algorithms.vision import augmentation, images
from tests.algorithms import scenes


def bomb(side: int) -> bytes:
    """The head of a PNG of side x side pixels, and next to nothing in it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def palette(mask: np.ndarray) -> bytes:
    drawn, content = Image.fromarray(mask).convert("P"), io.BytesIO()
    drawn = Image.fromarray(mask, "L")
    drawn.putpalette([255 - value // 3 for value in range(768)])
    drawn.save(content, "PNG")
    return content.getvalue()


def test_pictures_are_decoded_in_colour_or_in_gray() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    assert (images.decode(scenes.encoded(pixels), "a.png") == pixels).all()
    assert images.decode(scenes.encoded(pixels), "a.png", 1).shape == (5, 7, 1)
    assert images.size_of(scenes.encoded(pixels, "JPEG"), "a.jpg") == (5, 7)
    assert images.cover(pixels, 10, 10).shape == (10, 14, 3)
    assert images.cover(pixels, 4, 4, 20).shape == (20, 28, 3)


def test_pictures_of_every_mode_are_decoded_or_the_users_error() -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"):
        drawn, content = Image.new(mode, (5, 4)), io.BytesIO()
        drawn.save(content, "JPEG" if mode == "CMYK" else "PNG")
        try:
            assert images.decode(content.getvalue(), "a").shape == (4, 5, 3)
        except UserError:
            assert mode == "I;16"


def test_mask_has_its_numbers_whether_it_is_gray_or_has_a_palette() -> None:
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert (images.decode_mask(scenes.encoded(mask), "a.png") == mask).all()
    assert (images.decode_mask(palette(mask), "a.png") == mask).all()
    assert (images.decode_mask(images.encode_mask(mask), "a.png") == mask).all()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not a picture", "Unable to decode image a.png"),
        (b"", "Unable to decode image a.png"),
        (
            scenes.encoded(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))[:999],
            "Unable to decode image a.png",
        ),
        (scenes.encoded(np.zeros((64, 64, 3), np.uint8), "JPEG")[:-90], "Unable to decode image a.png"),
        (scenes.encoded(np.zeros((9, 9, 3), np.uint8), "GIF"), "not a JPEG or PNG"),
        (bomb(8_000), "8000 x 8000 pixels: more than 50000000"),
        (bomb(60_000), "more than 50000000"),
    ],
    ids=["text", "nothing", "png cut off", "jpeg cut off", "gif", "large", "bomb"],
)
def test_what_is_no_picture_or_too_large_is_the_users_error(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        images.decode(data, "a.png")


@pytest.mark.parametrize(
    "data", [scenes.encoded(np.zeros((9, 9, 3), "u1")), scenes.encoded(np.zeros((9, 9), "u1"), "JPEG")]
)
def test_mask_in_colour_or_with_losses_is_the_users_error(data: bytes) -> None:
    with pytest.raises(UserError, match="not a single-channel 8-bit PNG"):
        images.decode_mask(data, "a.png")


def test_augmented_picture_keeps_its_size_and_is_seldom_the_same() -> None:
    chance = np.random.default_rng(0)
    for channels in (3, 1):
        pixels = scenes.shape(scenes.DISC, chance, 40)[:, :, :channels]
        for kind in augmentation.KINDS:
            found = [augmentation.vary(pixels, 32, 30, kind, chance) for _ in range(8)]
            assert {each.shape for each in found} == {(32, 30, channels)}
            assert len({each.tobytes() for each in found}) > 1
    assert (augmentation.cut(pixels, 20, 20) == pixels[10:30, 10:30]).all()


def test_tilted_picture_turns_about_its_middle() -> None:
    chance, dot = np.random.default_rng(0), np.zeros((41, 41, 1), np.uint8)
    dot[19:22, 19:22] = 255
    for _ in range(20):
        y, x = np.argwhere(augmentation.tilt(dot, chance)[:, :, 0] > 200).mean(0)
        assert abs(y - 20) < 1.5
        assert abs(x - 20) < 1.5
