"""Draw pictures of handwritten digits, as if photographed: many pens, papers, hands and lamps.

    $ python draw_handwriting.py                      # writes handwriting/digit_<digit>_<number>.png or .jpg
    $ python draw_handwriting.py --seed 7 --out elsewhere --each 30    # others, to test the reading with

A digit is a skeleton of strokes. A hand bends, slants and stretches it, a pen inks it, paper and light lie
around it, and a camera adds its blur and noise. The same seed draws the same pictures; each has a generator
of its own, so that a new one changes none of the others.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.interpolate import CubicSpline, make_interp_spline
from scipy.ndimage import gaussian_filter, gaussian_filter1d, zoom

# -- knobs ------------------------------------------------------------------------------------------------
parser = argparse.ArgumentParser(description="Draw pictures of handwritten digits.")
parser.add_argument("--out", type=Path, default=Path(__file__).parent / "handwriting")
parser.add_argument("--each", type=int, default=8, help="pictures of each digit")
parser.add_argument("--seed", type=int, default=1)

# Ways to write each digit: strokes, each of curves that meet in a corner, each through points (x, y) of a box
# 6 wide and 10 high, y down.
WAYS = {
    0: [
        [
            [
                [
                    (3.2, 0.3),
                    (1, 2),
                    (0, 5.2),
                    (1, 8.8),
                    (3.2, 10),
                    (5.4, 8),
                    (6, 4.8),
                    (5, 1.5),
                    (3, 0.2),
                    (2.3, 0.6),
                ]
            ]
        ],
        [[[(4.5, 1), (2.5, 0), (0.5, 2.5), (0, 6), (1.5, 9.5), (4, 9.6), (5.8, 6), (5.6, 2.5), (4.2, 0.8)]]],
    ],
    1: [
        [[[(3.2, 0), (3, 5), (2.9, 10)]]],
        [[[(3.6, 0), (3, 4), (2.6, 10)]]],
        [[[(1.7, 2), (2.6, 1.2), (3.2, 0)], [(3.2, 0), (3.1, 5), (3, 10)]]],
        [[[(1.8, 1.9), (3.2, 0)], [(3.2, 0), (3.1, 10)]], [[(1.4, 10), (3, 9.9), (4.8, 10)]]],
    ],
    2: [
        [
            [
                [(0.4, 2.4), (2, 0.3), (4.6, 0.5), (5.3, 2.9), (3.4, 6.3), (0.2, 9.8)],
                [(0.2, 9.8), (3, 9.6), (6, 9.6)],
            ]
        ],
        [
            [
                [
                    *[(0.5, 2), (2.8, 0), (5.2, 1.6), (4.6, 5), (2, 8.8), (0.4, 9.5)],
                    *[(0.7, 8.2), (2.2, 8.4), (4.2, 9.8), (6.2, 9.2)],
                ]
            ]
        ],
    ],
    3: [
        [
            [
                [(0.6, 1.5), (2.8, 0), (5, 1.6), (4.2, 3.9), (2.2, 4.7)],
                [(2.2, 4.7), (4.8, 5.4), (5.6, 7.6), (3.6, 9.9), (1.2, 9.7), (0, 8.4)],
            ]
        ],
        [
            [
                [
                    *[(0.4, 1.2), (2.6, 0), (4.8, 1.5), (3.9, 3.9), (2.4, 4.6)],
                    *[(2.6, 4.9), (4.9, 5.8), (5.2, 8.2), (3, 10), (0.4, 9.2)],
                ]
            ]
        ],
    ],
    4: [
        [
            [[(1.2, 0.4), (0.7, 3), (0.4, 5.6)], [(0.4, 5.6), (3, 5.6), (6, 5.2)]],
            [[(4.9, 0.6), (4.6, 5), (4.3, 10)]],
        ],
        [[[(4.2, 0), (2.2, 3.2), (0, 6.6)], [(0, 6.6), (3, 6.5), (6.2, 6.4)]], [[(4.3, 0), (4.2, 5), (4.2, 10)]]],
        [[[(0.9, 0.2), (0.4, 4.6)], [(0.4, 4.6), (2.6, 4.9), (5, 4.4)], [(5, 0), (5, 4.4), (4.8, 10)]]],
    ],
    5: [
        [
            [
                [(1.3, 0.4), (1, 2.6), (0.7, 4.5)],
                [(0.7, 4.5), (3.4, 3.9), (5.4, 6), (4.6, 9), (2.2, 10), (0, 9)],
            ],
            [[(1.3, 0.4), (3.4, 0.4), (5.8, 0)]],
        ],
        [
            [
                [(5.6, 0.2), (3.4, 0.3), (1.5, 0.5)],
                [(1.5, 0.5), (1, 4.2)],
                [(1, 4.2), (3.2, 3.7), (5.2, 5.4), (5, 8.4), (2.8, 10), (0.2, 9.4)],
            ]
        ],
    ],
    6: [
        [
            [
                [
                    *[(4.4, 0.2), (2, 2.6), (0.4, 6.4), (1.4, 9.5), (3.8, 9.9)],
                    *[(5.3, 7.8), (4, 5.6), (1.8, 6.2), (0.7, 7.8)],
                ]
            ]
        ],
        [
            [
                [
                    *[(3.4, 0), (1, 4), (0.2, 7.5), (2, 9.9), (4.6, 9.2)],
                    *[(5, 6.8), (3, 5.4), (1, 6.8), (0.6, 8)],
                ]
            ]
        ],
    ],
    7: [
        [[[(0.2, 0.6), (3, 0.5), (6, 0.3)], [(6, 0.3), (4, 4.6), (2.4, 10)]]],
        [[[(0.3, 1.6), (0.4, 0.4)], [(0.4, 0.4), (3, 0.6), (5.8, 0.2)], [(5.8, 0.2), (4.1, 4), (3.1, 10)]]],
        [
            [[(0.2, 0.5), (3, 0.5), (6, 0.3)], [(6, 0.3), (4, 4.8), (2.6, 10)]],
            [[(1.9, 5.3), (3.4, 5), (5.3, 4.9)]],
        ],
    ],
    8: [
        [
            [
                [
                    *[(4.9, 1.3), (2.8, 0), (0.8, 1.9), (2.4, 4.3), (4.9, 6.6), (5.2, 9), (2.8, 10)],
                    *[(0.6, 8.6), (1, 6.5), (3.6, 4.3), (5.1, 2.3), (4.5, 0.9)],
                ]
            ]
        ],
        [
            [[(3, 4.5), (1, 3.4), (1, 1.3), (3, 0), (5, 1.3), (4.8, 3.5), (3, 4.5)]],
            [[(3, 4.5), (0.7, 6), (0.5, 8.6), (3, 10), (5.5, 8.6), (5.3, 6), (3, 4.5)]],
        ],
    ],
    9: [
        [
            [
                [(5, 1.4), (2.6, 0.1), (0.5, 2.4), (1.4, 4.8), (3.6, 4.6), (5.2, 1.9)],
                [(5.2, 1.9), (4.9, 5.5), (4.6, 10)],
            ]
        ],
        [
            [
                [(5, 1.2), (2.6, 0), (0.4, 2.2), (1.2, 4.6), (3.6, 4.6), (5.2, 1.8)],
                [(5.2, 1.8), (5.1, 6), (3.8, 9.4), (1.2, 9.9)],
            ]
        ],
    ],
}


@dataclass(frozen=True)
class Pen:
    """width: of the digit's height. nib: its thinnest as a share of its width, at 45 degrees.

    swing: how much pressure changes the width. grain: share of the stroke that the paper's tooth leaves bare.
    """

    width: float
    nib: float = 1.0
    swing: float = 0.1
    grain: float = 0.0
    opacity: float = 0.95


PENS = {
    "ballpoint": Pen(0.035, swing=0.15, opacity=0.9),
    "gel pen": Pen(0.045),
    "fountain pen": Pen(0.075, nib=0.35, swing=0.2),
    "felt tip": Pen(0.075, swing=0.08),
    "marker": Pen(0.12, nib=0.7, swing=0.05),
    "brush": Pen(0.11, swing=0.6),
    "pencil": Pen(0.045, swing=0.25, grain=0.3, opacity=0.75),
    "crayon": Pen(0.09, swing=0.15, grain=0.3, opacity=0.9),
}
CHALK = Pen(0.08, swing=0.15, grain=0.25, opacity=0.9)
INKS = [(25, 28, 40), (24, 24, 24), (28, 52, 140), (20, 80, 180), (178, 32, 40), (20, 110, 70), (95, 40, 120)]
CHALKS = [(245, 245, 238), (250, 236, 150), (250, 200, 205), (190, 225, 250)]
PAPERS = [(252, 252, 250), (240, 238, 230), (245, 234, 205), (250, 232, 120), (214, 226, 236), (198, 166, 124)]
BOARDS = [(38, 42, 44), (34, 66, 54), (30, 44, 78), (60, 40, 36)]
RULINGS = ["none", "none", "none", "lines", "grid"]
OVERSAMPLED = 2


# -- a hand -----------------------------------------------------------------------------------------------


def write(strokes, random):
    """Strokes as this hand writes them: a list of (n, 2) points, the digit's height 1, around (0, 0)."""
    # One slow wobble of the whole sheet: strokes that meet stay together.
    bend = random.normal(0, 0.032, (2, 4, 4)) / (1 + np.add.outer(np.arange(4), np.arange(4)))
    lines = [np.concatenate([curve(points, random) for points in stroke]) for stroke in strokes]
    lines = [line + waves(line, bend) for line in lines]
    matrix = slant(random)
    lines = [line @ matrix for line in lines]
    every = np.concatenate(lines)
    low, high = every.min(0), every.max(0)
    return [(line - (low + high) / 2) / (high - low)[1] for line in lines]


def curve(points, random):
    """A smooth line through points that are missed by a little, (n, 2) in the digit's height."""
    path = (np.array(points) - (3, 5)) / 10
    path[1:-1] += random.normal(0, 0.009, path[1:-1].shape)
    if len(path) == 2:
        path = np.insert(path, 1, path.mean(0) + random.normal(0, 0.012, 2), axis=0)
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    drawn = CubicSpline(along, path, bc_type="natural")(np.linspace(0, along[-1], 220))
    ends = np.linspace(path[0], path[-1], 220)  # smoothing keeps both ends where they are
    return (
        ends
        + gaussian_filter1d(np.pad(drawn - ends, ((60, 60), (0, 0)), "reflect", reflect_type="odd"), 9, 0)[60:-60]
    )


def waves(line, bend):
    """What the sheet's wobble adds at each point: low waves in x and y."""
    angles = np.pi * np.stack([(line + 0.5) * n for n in range(4)])
    x, y = np.cos(angles[..., 0]), np.cos(angles[..., 1])
    return np.einsum("cij,in,jn->nc", bend, x, y)


def slant(random):
    """Wide or narrow, leaning, and turned, as a matrix for row vectors."""
    lean, turn, wide = random.normal(0.12, 0.13), random.normal(0, 0.06), random.uniform(0.8, 1.2)
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return np.array([[wide, 0], [-lean, 1]]) @ turned


# -- a pen ------------------------------------------------------------------------------------------------


def ink(lines, pen, size, height, centre, random):
    """How much ink lies on each pixel, 0 to 1, (size[1], size[0])."""
    scale = height * OVERSAMPLED
    sheet = Image.new("L", (size[0] * OVERSAMPLED, size[1] * OVERSAMPLED))
    draw = ImageDraw.Draw(sheet)
    for line in lines:
        widths = pen.width * scale * pressure(len(line), pen.swing, random)
        for (x, y), width in zip(line * scale + np.array(centre) * OVERSAMPLED, widths, strict=True):
            draw.polygon([*map(tuple, np.array((x, y)) + nib(pen, width))], fill=255)
    laid = np.asarray(sheet.resize(size, Image.Resampling.BOX), dtype=float) / 255
    return laid * pen.opacity * (tooth(laid.shape, pen.grain, height, random) if pen.grain else 1)


def nib(pen, width):
    angles = np.linspace(0, 2 * np.pi, 17)[:-1]
    along, across = np.cos(angles) * width / 2, np.sin(angles) * width / 2 * pen.nib
    return (
        np.stack([along - across, -along - across], axis=1) / np.sqrt(2)
        if pen.nib < 1
        else np.stack([along, across], 1)
    )


def pressure(n, swing, random):
    """A slow rise and fall along a stroke, about 1."""
    knots = 1 + random.uniform(-swing, swing, 6)
    return make_interp_spline(np.linspace(0, 1, 6), knots)(np.linspace(0, 1, n)).clip(0.35)


def tooth(shape, grain, height, random):
    """The paper's roughness: 1 where the pen leaves colour, less where it skips."""
    rough = gaussian_filter(random.normal(size=shape), max(0.6, height / 250))
    bare = np.quantile(rough[:: max(1, shape[0] // 200)], grain)
    return np.clip(0.75 + (rough - bare) / rough.std(), 0.2, 1)


# -- paper, light, camera ---------------------------------------------------------------------------------


def paper(size, colour, ruling, height, random):
    """A sheet of this colour, (h, w, 3), with faint lines or squares on it."""
    sheet = np.ones((size[1], size[0], 3)) * np.array(colour)
    step, thick = height * random.uniform(0.28, 0.8), max(1, round(max(size) / 400))
    starts = random.uniform(0, step, 2)
    line = np.array(colour) * 0.8 + np.array((90, 130, 200)) * 0.2
    for y in np.arange(starts[0], size[1], step) if ruling != "none" else []:
        sheet[round(y) : round(y) + thick] = line
    for x in np.arange(starts[1], size[0], step) if ruling == "grid" else []:
        sheet[:, round(x) : round(x) + thick] = line
    return sheet


def light(size, random):
    """A lamp on one side, darker corners, now and then the soft shadow of a hand or a head: (h, w, 1)."""
    y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
    angle = random.uniform(0, 2 * np.pi)
    lit = 1 + random.uniform(0, 0.22) * (x * np.cos(angle) + y * np.sin(angle))
    lit *= 1 - random.uniform(0, 0.13) * (x**2 + y**2)
    if random.random() < 0.3:
        angle, soft = random.uniform(0, 2 * np.pi), random.uniform(0.06, 0.3)
        edge = x * np.cos(angle) + y * np.sin(angle) + 0.1 * np.sin(3 * (x + y)) - random.uniform(0.1, 0.9)
        lit *= 1 - random.uniform(0.15, 0.4) / (1 + np.exp(-edge.clip(-3, 3) / soft * 3))
    return lit[..., None]


def photograph(scene, random):
    """The scene as a camera has it: a little soft, a little noisy, 8 bits."""
    size = max(scene.shape)
    soft = gaussian_filter(scene, (blur := random.uniform(0.2, 0.6) * max(1, size / 500), blur, 0))
    coarse = random.normal(0, random.uniform(0.5, 5), (*[-(-side // 2) for side in scene.shape[:2]], 3))
    noise = zoom(coarse, (2, 2, 1), order=1)[: scene.shape[0], : scene.shape[1]]
    return Image.fromarray((soft + noise).clip(0, 255).astype(np.uint8))


# -- pictures ---------------------------------------------------------------------------------------------


def draw(digit, random):
    """One picture of the digit."""
    size, height, centre = place(random)
    on_board = random.random() < 0.2
    pen = CHALK if on_board else PENS[random.choice(list(PENS))]
    colour = random.choice(CHALKS if on_board else INKS)
    ground = random.choice(BOARDS if on_board else PAPERS)
    ways = WAYS[digit]
    lines = write(ways[random.integers(len(ways))], random)
    lines = [line * min(1, 0.9 * size[0] / height / (width_of(lines) + pen.width)) for line in lines]
    sheet = paper(size, ground, "none" if on_board else random.choice(RULINGS), height, random)
    covered = ink(lines, pen, size, height, inside(lines, size, height, centre), random)[..., None]
    return photograph((sheet * (1 - covered) + colour * covered) * light(size, random), random)


def place(random):
    """The picture's size, the digit's height, and where it wants to stand, all in pixels."""
    longest = np.exp(random.uniform(np.log(80), np.log(1200)))
    shape = random.choice([(1, 1), (1, 1), (0.75, 1), (1, 0.75)])
    size = tuple(round(longest * side) for side in shape)
    height = min(size) * random.uniform(0.35, 0.8) if longest > 160 else min(size) * random.uniform(0.5, 0.8)
    return size, height, np.array(size) * random.normal(0.5, 0.13, 2)


def width_of(lines):
    every = np.concatenate(lines)
    return np.ptp(every[:, 0])


def inside(lines, size, height, centre):
    """The centre moved so that the whole digit lies on the sheet, with some paper around it."""
    every = np.concatenate(lines) * height
    rim = height * 0.07 + np.array(size) * 0.04
    return np.clip(centre, rim - every.min(0), np.array(size) - rim - every.max(0))


def save(picture, path):
    """Small and light ones as PNG, for they stay small; the others as JPEG. Returns the path."""
    if max(picture.size) < 130:
        picture.save(file := path.with_suffix(".png"), optimize=True)
    else:
        picture.save(
            file := path.with_suffix(".jpg"), quality=62 if max(picture.size) < 600 else 45, optimize=True
        )
    return file


if __name__ == "__main__":
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for old in args.out.glob("digit_*_*.*"):
        old.unlink()
    files = [
        save(draw(digit, np.random.default_rng([args.seed, digit, number])), args.out / f"digit_{digit}_{number}")
        for digit in WAYS
        for number in range(1, args.each + 1)
    ]
    print(f"{len(files)} pictures, {sum(file.stat().st_size for file in files) / 1e6:.2f} MB, in {args.out}")
