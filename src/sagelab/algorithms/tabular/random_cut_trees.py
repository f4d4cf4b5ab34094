"""Random cut trees: boxes cut at random, more often where they are long, until each point has a box of its own.

S. Guha, N. Mishra, G. Roy, O. Schrijvers: Robust Random Cut Forest Based Anomaly Detection On Streams, ICML 2016.
The score is that of https://github.com/aws/random-cut-forest-by-aws: a point is odd that a cut would part from all
others soon, near the root.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LEAF = -1
ARRAYS = ("low", "high", "cut", "mass", "axis", "left", "right")


class Tree:
    """Nodes by number, the root first. low, high: (nodes, columns), their boxes. mass: how many points are in one.

    axis, cut: those below or at `cut` of a column are in `left`, the others in `right`; of a leaf, LEAF.
    """

    def __init__(self, **arrays: Any) -> None:
        self.low, self.high, self.cut, self.mass, self.axis, self.left, self.right = (
            arrays[name] for name in ARRAYS
        )

    @classmethod
    def grow(cls, points: Any, rng: np.random.Generator) -> Tree:
        """A tree of points, (count, columns)."""
        rows: list[list[Any]] = []
        waiting = [(np.arange(len(points)), -1, "")]
        while waiting:
            chosen, parent, side = waiting.pop()
            here = points[chosen]
            low, high = here.min(axis=0), here.max(axis=0)
            rows.append([low, high, 0.0, len(chosen), LEAF, LEAF, LEAF])
            if parent >= 0:
                rows[parent][5 if side == "left" else 6] = len(rows) - 1
            lengths = high - low
            if not (whole := lengths.sum()) > 0:
                continue
            axis = int(rng.choice(len(lengths), p=lengths / whole))
            cut = float(rng.uniform(low[axis], high[axis]))
            below = here[:, axis] <= cut
            if below.all():  # the cut fell on the upper end, to the last digit
                cut = float(low[axis])
                below = here[:, axis] <= cut
            rows[-1][2], rows[-1][4] = cut, axis
            number = len(rows) - 1
            waiting += [(chosen[~below], number, "right"), (chosen[below], number, "left")]
        return cls(
            **{name: np.array(column) for name, column in zip(ARRAYS, zip(*rows, strict=True), strict=True)}
        )

    def score(self, points: Any) -> Any:
        """(count,): how odd each point is, around 1 for an ordinary one; more is odder."""
        scores, weights = np.zeros(len(points)), np.ones(len(points))
        waiting = [(0, 0, np.arange(len(points)))]
        whole = int(self.mass[0])
        while waiting:
            node, depth, rows = waiting.pop()
            here, low, high = points[rows], self.low[node], self.high[node]
            beyond = (np.maximum(low - here, 0) + np.maximum(here - high, 0)).sum(axis=1)
            length = (high - low).sum()
            parted = np.where(beyond > 0, beyond / np.maximum(length + beyond, 1e-300), 0.0)
            if self.axis[node] == LEAF:
                mass = int(self.mass[node])
                same = (1 - mass / (2 * whole)) / (depth + np.log2(mass + 1))
                scores[rows] += weights[rows] * np.where(beyond > 0, 1 / (depth + 1), same)
                continue
            scores[rows] += weights[rows] * parted / (depth + 1)
            weights[rows] *= 1 - parted
            below = here[:, self.axis[node]] <= self.cut[node]
            for child, part in ((self.left[node], rows[below]), (self.right[node], rows[~below])):
                if len(part):
                    waiting.append((int(child), depth + 1, part))
        return scores * np.log2(whole + 1)
