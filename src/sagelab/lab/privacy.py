"""Personal data in a bucket, before anybody trains on it: its objects are read and shown to Comprehend.

On AWS Macie does so for whole accounts; this takes DetectPiiEntities alone, which is paid by the text. What it
finds is told by its kind and place, never shown. Names and addresses are found by AWS's model of language alone.
https://docs.aws.amazon.com/comprehend/latest/APIReference/API_DetectPiiEntities.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

PIECE = 100_000  # bytes of UTF-8 that a call takes
MOST_OBJECTS, MOST_BYTES = 1000, 10 << 20  # of a scan, and of one object
COLUMNS = ["key", "type", "found", "first_line", "score"]
NEEDS_LANGUAGE = "Names and addresses are not looked for here: that needs AWS's model of language."


def scan(lab: Lab, bucket: str, prefix: str = "", language: str = "en") -> pd.DataFrame:
    """What of personal data is in the texts below a prefix: a row for each object and type, by key.

    first_line: counted from 1, where the first one begins. score: the surest. What is no text is left out.
    """
    import pandas as pd

    if lab.local:
        print(NEEDS_LANGUAGE)
    rows = [row for key in _keys(lab, bucket, prefix) for row in _scan(lab, bucket, key, language)]
    return pd.DataFrame(rows, columns=COLUMNS)


def pieces(text: str, size: int = PIECE) -> Iterator[str]:
    """A text in pieces of so many bytes of UTF-8 at most, cut after lines where there are some."""
    piece: list[str] = []
    filled = 0
    for line in text.splitlines(keepends=True):
        for part in _cut(line, size):
            length = len(part.encode())
            if filled + length > size:
                yield "".join(piece)
                piece, filled = [], 0
            piece.append(part)
            filled += length
    if piece:
        yield "".join(piece)


def _cut(line: str, size: int) -> Iterator[str]:
    """A line that is too long for one call, by characters of at most four bytes."""
    if len(line.encode()) <= size:
        yield line
    else:
        yield from (line[start : start + size // 4] for start in range(0, len(line), size // 4))


def _keys(lab: Lab, bucket: str, prefix: str) -> list[str]:
    pages = (
        lab.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=bucket, Prefix=prefix, PaginationConfig={"MaxItems": MOST_OBJECTS})
    )
    return [each["Key"] for page in pages for each in page.get("Contents", ()) if each["Size"] <= MOST_BYTES]


def _scan(lab: Lab, bucket: str, key: str, language: str) -> list[list[Any]]:
    body = lab.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return []
    if "\0" in text:
        return []
    found: dict[str, list[Any]] = {}
    line = 1
    for piece in pieces(text):
        if piece.strip():
            entities = lab.client("comprehend").detect_pii_entities(Text=piece, LanguageCode=language)["Entities"]
            for each in entities:
                at = line + piece.count("\n", 0, each["BeginOffset"])
                row = found.setdefault(each["Type"], [key, each["Type"], 0, at, 0.0])
                row[2], row[4] = row[2] + 1, max(row[4], each["Score"])
        line += piece.count("\n")
    return [found[kind] for kind in sorted(found)]
