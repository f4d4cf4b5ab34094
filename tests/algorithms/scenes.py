"""Pictures whose truth is known, as they are drawn: shapes, and streets with cars and signs."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from sagelab.algorithms.job import Job

DISC, SQUARE, TRIANGLE = range(3)
CAR, SIGN = range(2)  # what is to be found in a street
SKY, ROAD, A_CAR, A_SIGN = range(4)  # what each of its pixels is


def shape(kind: int, chance: np.random.Generator, side: int = 28) -> Any:
    """(side, side, 3): one bright shape before a dark ground."""
    ground, paint = chance.integers(0, 90, 3), chance.integers(130, 255, 3)
    radius = chance.uniform(side / 5, side / 3)
    y, x = np.mgrid[:side, :side] - chance.uniform(radius, side - radius, (2, 1, 1))
    inside = {
        DISC: y**2 + x**2 < radius**2,
        SQUARE: np.maximum(abs(y), abs(x)) < radius,
        TRIANGLE: (y < radius) & (y > 2 * abs(x) - radius),
    }[kind]
    return (
        (np.where(inside[..., None], paint, ground) + chance.normal(0, 10, (side, side, 3)))
        .clip(0, 255)
        .astype("u1")
    )


def street(chance: np.random.Generator, side: int) -> tuple[Any, Any, Any]:
    """(picture (side, side, 3), mask (side, side), objects (n, 5) of class and box in pixels)."""
    horizon = int(side * chance.uniform(0.35, 0.5))
    drawn = Image.new("RGB", (side, side), tuple(map(int, chance.integers((90, 140, 190), (140, 190, 256)))))
    mask = Image.new("L", (side, side), SKY)
    pen, marker = ImageDraw.Draw(drawn), ImageDraw.Draw(mask)
    gray = int(chance.integers(70, 110))
    pen.rectangle((0, horizon, side, side), (gray, gray, gray))
    marker.rectangle((0, horizon, side, side), ROAD)
    objects = []
    for column in range(2):  # one object in each half, so that none hides another
        kind, left = int(chance.integers(2)), column * side // 2
        if kind == CAR:
            wide, high = int(side * chance.uniform(0.3, 0.42)), int(side * chance.uniform(0.18, 0.26))
            x, y = left + int(chance.integers(0, side // 2 - wide)), int(chance.integers(horizon, side - high))
            red = tuple(map(int, chance.integers((160, 0, 0), (256, 60, 60))))
            pen.rectangle((x, y, x + wide - 1, y + high - 1), red)
            marker.rectangle((x, y, x + wide - 1, y + high - 1), A_CAR)
        else:
            wide = high = int(side * chance.uniform(0.2, 0.3))
            x, y = left + int(chance.integers(0, side // 2 - wide)), int(chance.integers(0, horizon // 2))
            yellow = tuple(map(int, chance.integers((200, 180, 0), (256, 240, 50))))
            pen.ellipse((x, y, x + wide - 1, y + high - 1), yellow)
            marker.ellipse((x, y, x + wide - 1, y + high - 1), A_SIGN)
        objects.append([kind, x, y, x + wide, y + high])
    picture = np.asarray(drawn, float) + chance.normal(0, 6, (side, side, 3))
    return picture.clip(0, 255).astype("u1"), np.asarray(mask), np.array(objects)


def encoded(pixels: Any, kind: str = "PNG") -> bytes:
    """A picture, or a mask, in a format."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


def framed(content: bytes, kind: int = 0) -> bytes:
    """One record of RecordIO. kind: of a part of one."""
    return struct.pack("<II", 0xCED7230A, kind << 29 | len(content)) + content + bytes(-len(content) % 4)


def record(labels: float | Sequence[float], picture: bytes) -> bytes:
    """One record of a picture, as MXNet's im2rec writes it."""
    if isinstance(labels, int | float):
        return framed(struct.pack("<IfQQ", 0, labels, 0, 0) + picture)
    return framed(struct.pack("<IfQQ", len(labels), 0, 0, 0) + np.array(labels, "<f4").tobytes() + picture)


def annotation(objects: Iterable[Sequence[int]], side: int, file: str = "") -> bytes:
    """The JSON of the objects of a square picture."""
    rows = [
        {"class_id": int(kind), "left": int(x), "top": int(y), "width": int(right - x), "height": int(low - y)}
        for kind, x, y, right, low in objects
    ]
    size = [{"width": side, "height": side, "depth": 3}]
    return json.dumps({"file": file, "image_size": size, "annotations": rows}).encode()


def job(
    root: Path, channels: dict[str, dict[str, bytes]], kind: str, hyperparameters: dict[str, Any], **config: str
) -> Job:
    """A container's folder. channels: the files of each. kind: their content type. config: more of each."""
    for folder in ("input/config", "input/data", "model", "output"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, files in channels.items():
        for path, content in files.items():
            file = root / "input/data" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    described = {name: {"ContentType": kind, "TrainingInputMode": "File"} | config for name in channels}
    (root / "input/config/inputdataconfig.json").write_text(json.dumps(described))
    texts = {name: str(value) for name, value in hyperparameters.items()}
    (root / "input/config/hyperparameters.json").write_text(json.dumps(texts))
    return Job(root)
