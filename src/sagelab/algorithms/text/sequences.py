"""Sequences of tokens by their numbers: their vocabularies, records of pairs, and batches of about one length.

https://docs.aws.amazon.com/sagemaker/latest/dg/seq-2-seq.html#s2s-inputoutput
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagelab.algorithms import recordio
from sagelab.algorithms.job import Job, UserError

PAD, UNKNOWN, BEGIN, END = "<pad>", "<unk>", "<s>", "</s>"
SOURCE, TARGET = "source", "target"
MOST = 10_000_000  # words of a vocabulary

Sequences = list[Any]  # each (tokens,) of int64


@dataclass(frozen=True)
class Vocabulary:
    """The numbers of words; 0 is what short sequences are filled with."""

    numbers: dict[str, int]

    @property
    def size(self) -> int:
        return max(self.numbers.values()) + 1

    @property
    def begin(self) -> int:
        return self.numbers[BEGIN]

    @property
    def end(self) -> int:
        return self.numbers[END]

    def encode(self, text: str) -> list[int]:
        """Of a text with spaces between its tokens."""
        return [self.numbers.get(word, self.numbers[UNKNOWN]) for word in text.split()]

    def decode(self, numbers: Iterable[int]) -> str:
        words = {number: word for word, number in self.numbers.items()}
        return " ".join(words.get(number, UNKNOWN) for number in numbers)


def read_vocabulary(file: Path) -> Vocabulary:
    """UserError: it is not there, or no JSON object of words and their numbers with the four that are no words."""
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise UserError(f"The vocab channel has no {file.name}.") from None
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"The vocabulary {file.name} is no JSON: {error}") from None
    numbers = found.values() if isinstance(found, dict) else ()
    if not numbers or not all(type(number) is int and 0 <= number < MOST for number in numbers):
        raise UserError(f"The vocabulary {file.name} must be a JSON object of words and their numbers from 0.")
    missing = [word for word in (PAD, UNKNOWN, BEGIN, END) if word not in found]
    if missing or found[PAD] != 0:
        raise UserError(f"The vocabulary {file.name} needs {PAD} with the number 0, {UNKNOWN}, {BEGIN} and {END}.")
    return Vocabulary(found)


def read_pairs(job: Job, channel: str, sizes: tuple[int, int]) -> tuple[Sequences, Sequences]:
    """The sources and targets of a channel's records. sizes: of their vocabularies.

    UserError: there are none, or they are not what the vocabularies say.
    """
    folder = job.channel(channel)
    files = sorted(file for file in folder.rglob("*") if file.is_file()) if folder else []
    found: tuple[Sequences, Sequences] = ([], [])
    for file in files:
        for record in _records(file, channel):
            if not len(record.get(SOURCE, ())) or not len(record.get(TARGET, ())):
                raise UserError(f"A record of channel {channel} has no {SOURCE} or no {TARGET}.")
            for side, name, size in zip(found, (SOURCE, TARGET), sizes, strict=True):
                side.append(check(record[name], size, f"{name} of channel {channel}"))
    if not found[0]:
        raise UserError(f"No data in the {channel} channel.")
    return found


def _records(file: Path, channel: str) -> Iterator[dict[str, Any]]:
    try:
        yield from recordio.read_integers(file.read_bytes())
    except UserError as error:
        raise UserError(f"{file.name} of channel {channel}: {error}") from None


def check(numbers: Any, size: int, where: str) -> Any:
    """The numbers, which a vocabulary of such a size has. UserError: it has not."""
    if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < size:
        bad = next(int(number) for number in numbers if not 0 <= number < size)
        raise UserError(f"The token {bad} in {where} is not in the vocabulary, whose {size} tokens count from 0.")
    return numbers


def pad(rows: Sequence[Any], width: int) -> Any:
    """(rows, width) of int32: what is longer is cut, what is shorter is filled with 0."""
    found = np.zeros((len(rows), width), np.int32)
    for row, numbers in zip(found, rows, strict=True):
        part = numbers[:width]
        row[: len(part)] = part
    return found


@dataclass(frozen=True)
class Batches:
    """size: of a batch. longest: of source and target, to which sequences are cut. width: the step between the
    lengths of batches; None: all are as long as the longest."""

    size: int
    longest: tuple[int, int]
    width: int | None

    def draw(
        self, pairs: tuple[Sequences, Sequences], rng: np.random.Generator | None
    ) -> Iterator[tuple[Any, Any]]:
        """(sources, targets) of each batch, (rows, tokens). rng: the order is by chance; None: as it is."""
        buckets: dict[tuple[int, int], list[int]] = {}
        for row, both in enumerate(zip(*pairs, strict=True)):
            buckets.setdefault(self._bucket(*map(len, both)), []).append(row)
        batches = [
            (widths, rows[start : start + self.size])
            for widths, rows in ((widths, self._mixed(rows, rng)) for widths, rows in sorted(buckets.items()))
            for start in range(0, len(rows), self.size)
        ]
        order = rng.permutation(len(batches)) if rng else range(len(batches))
        for widths, rows in (batches[number] for number in order):
            first, second = (
                pad([side[row] for row in rows], width) for side, width in zip(pairs, widths, strict=True)
            )
            yield first, second

    def _mixed(self, rows: list[int], rng: np.random.Generator | None) -> list[int]:
        return [rows[place] for place in rng.permutation(len(rows))] if rng else rows

    def _bucket(self, source: int, target: int) -> tuple[int, int]:
        return self._width(source, self.longest[0]), self._width(target, self.longest[1])

    def _width(self, length: int, longest: int) -> int:
        return longest if self.width is None else min(longest, -(-max(length, 1) // self.width) * self.width)
