"""The best continuation of a sequence by beam search, and how good translations are by BLEU: NumPy alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

ORDERS = 4  # of BLEU's n-grams

# (beams, tokens) so far -> logarithms of what comes next (beams, vocabulary), attention (beams, source tokens).
Step = Callable[[Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Found:
    """tokens: without begin and end. attention: (tokens, source tokens). score: the mean logarithm of a token."""

    tokens: list[int]
    attention: Any
    score: float


@dataclass(frozen=True)
class _Beam:
    tokens: list[int]
    attention: list[Any]
    total: float

    def mean(self) -> float:
        return self.total / max(1, len(self.tokens) - 1)


def logarithms(logits: Any) -> Any:
    """Of the chances that logits stand for, over the last axis."""
    found = np.asarray(logits, np.float64)
    top = found.max(axis=-1, keepdims=True)
    return found - top - np.log(np.exp(found - top).sum(axis=-1, keepdims=True))


def search(step: Step, begin: int, end: int, width: int, longest: int) -> Found:
    """The sequence that has the highest mean logarithm, of `width` that are followed at once.

    longest: tokens without begin and end. https://arxiv.org/abs/1211.3711 (section 3)
    """
    beams, done = [_Beam([begin], [], 0.0)], list[_Beam]()
    for _ in range(longest):
        chances, attention = step(np.array([beam.tokens for beam in beams], np.int32))
        totals = np.array([[beam.total] for beam in beams]) + np.asarray(chances, np.float64)
        totals[:, 0] = -np.inf  # nobody says <pad>
        best = np.argsort(totals, axis=None)[::-1][:width]
        grown = list[_Beam]()
        for row, token in zip(*np.unravel_index(best, totals.shape), strict=True):
            beam, total = beams[row], float(totals[row, token])
            if total > -math.inf:
                after = _Beam([*beam.tokens, int(token)], [*beam.attention, attention[row]], total)
                (done if token == end else grown).append(after)
        beams = grown
        if not beams or len(done) >= width:
            break
    chosen = max(done or beams, key=_Beam.mean)
    words = chosen.tokens[1:-1] if chosen.tokens[-1] == end else chosen.tokens[1:]
    return Found(words, np.array(chosen.attention[: len(words)]), chosen.mean())


def bleu(found: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]) -> float:
    """BLEU of a corpus with one reference each, from 0 to 1, n-grams of up to four.

    An order of which no sentence is long enough is left out. https://aclanthology.org/P02-1040/
    """
    hits, totals = [0] * ORDERS, [0] * ORDERS
    for one, reference in zip(found, wanted, strict=True):
        for order in range(ORDERS):
            ours, theirs = (_grams(tokens, order + 1) for tokens in (one, reference))
            hits[order] += (ours & theirs).total()
            totals[order] += ours.total()
    orders = [(hit, total) for hit, total in zip(hits, totals, strict=True) if total]
    if not orders or not all(hit for hit, _ in orders):
        return 0.0
    precision = sum(math.log(hit / total) for hit, total in orders) / len(orders)
    shorter = sum(map(len, wanted)) / sum(map(len, found))
    return math.exp(precision + min(0.0, 1 - shorter))


def _grams(tokens: Sequence[int], order: int) -> Counter[tuple[int, ...]]:
    return Counter(tuple(tokens[at : at + order]) for at in range(len(tokens) - order + 1))
