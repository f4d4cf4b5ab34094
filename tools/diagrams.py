"""Draw labs/<lab>/diagram.svg from labs/<lab>/diagram.toml: what talks to what in a lab.

    title = "Train a digit classifier"             what a screen reader says first
    [boxes.job]                                    a box: its lines of text, column and row from 0, its kind
    text = ["Training job", "ml.p3.2xlarge"]
    at = [1, 0]
    kind = "runs"                                  "here", "runs" or "stored"
    [[arrows]]                                     an arrow, of one box to another
    from = "notebook"
    to = "job"
    text = ["6 CreateTrainingJob"]

The picture is white with dark ink, so that it reads on a light and on a dark page, and names no font of a machine.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from dataclasses import dataclass
from html import escape
from itertools import starmap
from pathlib import Path
from typing import Any

BOX = (196, 66)  # width, height
GAP = (166, 74)  # between two boxes
MARGIN = 40
APART = 26  # between two arrows of the same two boxes
LINE = 17  # of text
LETTER = 6  # as wide as most of them are
INK, GREY = "#232f3e", "#6b7785"
KINDS = {"here": ("#e8f1fa", "#1f77b4"), "runs": ("#fdf0e0", "#e07b00"), "stored": ("#e9f5ec", "#2a8f4f")}
FONT = "role='img' font-family='sans-serif' font-size='13' text-anchor='middle'"
BESIDE = 6  # between an upright arrow and its text, where it has another arrow at its other side
ABOVE = 12  # from a level arrow to the last of several lines, which would hide it
STROKE = f"stroke='{GREY}' stroke-width='1.5' marker-end='url(#head)'"
HALO = "stroke='white' stroke-width='7' paint-order='stroke' font-size='12'"
HEAD = (
    "<marker id='head' viewBox='0 0 10 10' refX='9' refY='5' markerWidth='8' markerHeight='8' orient='auto'>"
    f"<path d='M0 0 10 5 0 10z' fill='{GREY}'/></marker>"
)
Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle on the grid. kind: of KINDS."""

    text: list[str]
    at: tuple[int, int]
    kind: str

    @property
    def centre(self) -> Point:
        x, y = (
            MARGIN + place * (size + gap) + size / 2 for place, size, gap in zip(self.at, BOX, GAP, strict=True)
        )
        return x, y


def draw(source: Path) -> str:
    """The SVG of a diagram.toml. KeyError: an arrow names no box, a box no kind."""
    said = tomllib.loads(source.read_text())
    boxes = {name: Box(each["text"], tuple(each["at"]), each["kind"]) for name, each in said["boxes"].items()}
    columns, rows = (1 + max(box.at[axis] for box in boxes.values()) for axis in (0, 1))
    width, height = (
        2 * MARGIN + count * size + (count - 1) * gap
        for count, size, gap in zip((columns, rows), BOX, GAP, strict=True)
    )
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' {FONT}>",
        f"<title>{escape(said['title'])}</title><defs>{HEAD}</defs>",
        f"<rect width='{width}' height='{height}' rx='8' fill='white'/>",
        *_arrows(boxes, said.get("arrows", [])),
        *(_box(box) for box in boxes.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(box: Box) -> str:
    (x, y), (width, height), (fill, edge) = box.centre, BOX, KINDS[box.kind]
    place = f"x='{x - width / 2:g}' y='{y - height / 2:g}' width='{width}' height='{height}'"
    lines = _text(box.text, (x, y), first=True)
    return f"<rect {place} rx='6' fill='{fill}' stroke='{edge}' stroke-width='1.5'/>\n{lines}"


def _arrows(boxes: dict[str, Box], arrows: list[dict[str, Any]]) -> list[str]:
    """Every arrow with its text; those of the same two boxes lie beside each other."""
    pairs = [frozenset((each["from"], each["to"])) for each in arrows]
    shared, drawn = Counter(pairs), Counter[frozenset[str]]()
    found = []
    for pair, each in zip(pairs, arrows, strict=True):
        aside = (drawn[pair] - (shared[pair] - 1) / 2) * APART
        drawn[pair] += 1
        start, end = boxes[each["from"]], boxes[each["to"]]
        ends = _shifted(start, end, aside, sorted(pair)[0] == each["from"])
        found.append((ends, each["text"], (start.centre[0] + end.centre[0]) / 2))
    return list(starmap(_arrow, found))


def _shifted(start: Box, end: Box, aside: float, forward: bool) -> tuple[Point, Point]:
    """The line from edge to edge, moved aside at a right angle, the same way for both directions."""
    (x1, y1), (x2, y2) = start.centre, end.centre
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    sign = aside if forward else -aside
    dx, dy = -(y2 - y1) / length * sign, (x2 - x1) / length * sign
    ends = (x1 + dx, y1 + dy), (x2 + dx, y2 + dy)
    return _edge(start.centre, *ends), _edge(end.centre, *reversed(ends))


def _edge(centre: Point, inner: Point, outer: Point) -> Point:
    """Where the line from `inner` to `outer` leaves the box around `centre`, and a little beyond."""
    reach = [
        (side * size / 2 + middle - start) / (end - start)
        for size, middle, start, end in zip(BOX, centre, inner, outer, strict=True)
        if end != start
        for side in (1 if end > start else -1,)
    ]
    share = min(reach) + 0.01
    x, y = (start + share * (end - start) for start, end in zip(inner, outer, strict=True))
    return x, y


def _arrow(ends: tuple[Point, Point], text: list[str], axis: float) -> str:
    """axis: where the arrow would stand if it were the only one; an upright one beside it has its text outside."""
    (x1, y1), (x2, y2) = ends
    middle, anchor = ((x1 + x2) / 2, (y1 + y2) / 2), "middle"
    if abs(x2 - x1) < abs(y2 - y1) and abs(middle[0] - axis) > 1:
        side = 1 if middle[0] > axis else -1
        middle, anchor = (middle[0] + side * BESIDE, middle[1]), "start" if side > 0 else "end"
    if abs(y2 - y1) < 1 and len(text) > 1:
        middle = (middle[0], middle[1] - ABOVE - (len(text) - 1) * LINE / 2)
    line = f"<path d='M{x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f}' {STROKE}/>"
    return f"{line}\n{_text(text, middle, anchor=anchor)}"


def _text(lines: list[str], middle: Point, first: bool = False, anchor: str = "middle") -> str:
    """Lines around a point. first: the first is the name of what the others tell of; else each stands on white."""
    x, y = middle
    top = y - (len(lines) - 1) * LINE / 2 + 4
    halo = "" if first else f" {HALO} text-anchor='{anchor}'"
    rows = [] if first or len(lines) == 1 else [_blank(lines, middle)]
    for number, line in enumerate(lines):
        weight = " font-weight='bold'" if first and not number else ""
        rows.append(
            f"<text x='{x:.1f}' y='{top + number * LINE:.1f}' fill='{INK}'{weight}{halo}>{escape(line)}</text>"
        )
    return "\n".join(rows)


def _blank(lines: list[str], middle: Point) -> str:
    """White between lines of text, where the arrow would strike them through."""
    width, height = LETTER * max(map(len, lines)), LINE * (len(lines) - 1)
    place = f"x='{middle[0] - width / 2:.1f}' y='{middle[1] - height / 2:.1f}'"
    return f"<rect {place} width='{width}' height='{height}' fill='white'/>"
