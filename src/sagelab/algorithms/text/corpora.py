"""The text that BlazingText trains on: a sentence a line, from files, an augmented manifest, or a pipe of one.

https://docs.aws.amazon.com/sagemaker/latest/dg/blazingtext.html#blazingtext-data-formats
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagelab.algorithms import recordio
from sagelab.algorithms.job import Job, UserError

LABEL = "__label__"
SHOWN = 80  # characters of a line that a refusal quotes
FRAMED = recordio.MAGIC.to_bytes(4, "little")
SHORT = 1 << 20  # bytes of a part of a text
LONGEST = 1 << 20  # of a channel's one manifest line, in bytes
WORDS = re.compile(rb"[^ \n\r\t\v\f\0]+|\n")  # the end of a line is a word, too


@dataclass(frozen=True)
class Corpus:
    """file: what fastText reads. sentences: lines with words. labelled: those of them with a label."""

    file: Path
    sentences: int
    labelled: int


def read(job: Job, channel: str, scratch: Path, *, labels: bool) -> Corpus | None:
    """The text of a channel as one file; None where the job has no such channel.

    scratch: a folder for what has to be written anew. labels: whether sentences have labels, which a manifest's
    then get. UserError: there is no text, no label, or a line of a manifest that is none.
    """
    folder = job.channel(channel)
    if folder is None:
        return None
    file = _whole(folder, scratch / channel)
    with file.open("rb") as opened:
        head, first = opened.peek(len(FRAMED)), opened.readline(LONGEST + 1).strip()
    if labels and head.startswith(FRAMED):
        (scratch / f"{channel}.txt").write_bytes(_unframed(file.read_bytes()))
        file = scratch / f"{channel}.txt"
    elif labels and first.startswith(b"{") and _is_manifest(first):
        file = _spelled(file, scratch / f"{channel}.txt", channel)
    sentences, labelled = _count(file)
    if not sentences:
        raise UserError(f"No text in the {channel} channel: it needs a sentence a line.")
    if labels and not labelled:
        raise UserError(
            f"No labels found in the {channel} channel. In supervised mode each line needs one or more words with"
            f" the prefix {LABEL}, such as {LABEL}1."
        )
    return Corpus(file, sentences, labelled)


def parts(file: Path, count: int, scratch: Path) -> list[Path]:
    """A text in so many files of about one length; itself where it is short, or is to be in one.

    scratch: a folder for them, which has no others.
    """
    size = file.stat().st_size
    if count < 2 or size < count * SHORT:
        return [file]
    found = [scratch / f"part-{number}" for number in range(1, count + 1)]
    with file.open("rb") as text:
        for number, part in enumerate(found, start=1):
            with part.open("wb") as opened:
                while text.tell() < size * number // count:
                    opened.write(text.readline())
    return found


def _whole(folder: Path, whole: Path) -> Path:
    """One file of all that a channel has."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith((".", "_")))
    if not files:
        raise UserError(f"No files in the {folder.name} channel.")
    if len(files) == 1:
        return files[0]
    with whole.open("wb") as together:
        for file in files:
            with file.open("rb") as opened:
                shutil.copyfileobj(opened, together)
            together.write(b"\n")
    return whole


def _unframed(data: bytes) -> bytes:
    """An augmented manifest in Pipe mode is a record for each attribute, in the order of AttributeNames."""
    records = list(recordio.records(data))
    if len(records) % 2:
        raise UserError("The augmented manifest needs the attributes source and label, in this order.")
    pairs = zip(records[::2], records[1::2], strict=True)
    return b"".join(_labelled(source.decode("utf-8", "replace"), _value(label)) for source, label in pairs)


def _value(record: bytes) -> Any:
    try:
        return json.loads(record)
    except (ValueError, RecursionError):
        return record.decode("utf-8", "replace")


def _is_manifest(line: bytes) -> bool:
    """Sentences may begin with a brace."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and bool({"source", "label"} & found.keys())


def _spelled(manifest: Path, target: Path, channel: str) -> Path:
    with manifest.open("rb") as lines, target.open("wb") as spelled:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                spelled.write(_sentence(line, f"Line {number} of the augmented manifest in {channel}"))
    return target


def _sentence(line: bytes, where: str) -> bytes:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("source"), str) or "label" not in found:
        raise UserError(
            f'{where} is not {{"source": "...", "label": ...}}: {line[:SHOWN].decode("utf-8", "replace")}'
        )
    return _labelled(found["source"], found["label"], where)


def _labelled(source: str, label: Any, where: str = "A record") -> bytes:
    """One or several labels before the words."""
    labels = label if isinstance(label, list) else [label]
    if not labels or not all(isinstance(one, int | str) and str(one).split() == [str(one)] for one in labels):
        raise UserError(f"{where} has no good label: {str(label)[:SHOWN]}")
    words = [str(one) if str(one).startswith(LABEL) else f"{LABEL}{one}" for one in labels]
    return f"{' '.join(words)} {' '.join(source.split())}\n".encode("utf-8", "replace")


def _count(file: Path) -> tuple[int, int]:
    """(lines that are not empty, those with a label)."""
    prefix, found, labelled = LABEL.encode(), 0, 0
    with file.open("rb") as lines:
        for line in lines:
            found += not line.isspace()
            labelled += prefix in line
    return found, labelled


def has_two_words(file: Path, least: int) -> bool:
    """Whether two words occur so often: beside a word fastText draws others, and looks for them without an end."""
    counts: Counter[bytes] = Counter()
    often: set[bytes] = set()
    with file.open("rb") as lines:
        for line in lines:
            words = [word for word in WORDS.findall(line) if not word.startswith(LABEL.encode())]
            counts.update(words)
            often.update(word for word in words if counts[word] >= least)
            if len(often) > 1:
                return True
    return False


def sources(lines: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    """(text, how many predictions) of each line of a request in JSON lines. ValueError: it is none."""
    for line in lines:
        if line.strip():
            found = json.loads(line)
            yield found["source"], found.get("k")
