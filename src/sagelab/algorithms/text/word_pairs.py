"""How well vectors agree with people's sense of which words are alike: WordSim-353, which BlazingText reports.

The pairs are those of Finkelstein et al., "Placing Search in Context" (2002), CC BY 4.0; they come with gensim
(https://github.com/piskvorky/gensim, LGPL 2.1); nothing of gensim is imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

import numpy as np

Pairs = list[tuple[str, str, float]]  # two words, and how alike they are, from 0 to 10
NAME = "EN-WS-353-ALL.txt"  # as eval.json calls the collection
FILE = "test/test_data/wordsim353.tsv"


def find() -> Pairs:
    """The pairs; none where gensim is not there."""
    spec = importlib.util.find_spec("gensim")
    file = Path(spec.origin).parent / FILE if spec and spec.origin else None
    return read(file.read_text()) if file and file.is_file() else []


def read(text: str) -> Pairs:
    """Pairs of a tab-separated text, without its comments."""
    rows = (line.split("\t") for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return [(first, second, float(score)) for first, second, score in rows]


def evaluate(vector: Callable[[str], Any], words: Container[str], pairs: Pairs) -> dict[str, Any]:
    """What eval.json says. vector: (dimensions,) of a word. words: those that were learned; pairs of others are
    left out."""
    known = [
        (first.lower(), second.lower(), score)
        for first, second, score in pairs
        if first.lower() in words and second.lower() in words
    ]
    found = [_cosine(vector(first), vector(second)) for first, second, _ in known]
    rho = spearman(found, [score for *_, score in known])
    detail = {"not_found": len(pairs) - len(known), "spearmans_rho": rho, "total_pairs": len(pairs)}
    return {NAME: detail, "mean_rho": rho}


def spearman(first: list[float], second: list[float]) -> float:
    """The correlation of ranks; 0 where there are too few values, or all are one."""
    if len(first) < 2 or len({*first}) < 2 or len({*second}) < 2:
        return 0.0
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: list[float]) -> Any:
    """Equal values share the mean of their ranks."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[where]


def _cosine(first: Any, second: Any) -> float:
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.dot(first, second)) / length if length else 0.0
