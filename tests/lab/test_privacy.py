"""A scan of a bucket for personal data."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sagelab.lab import privacy, security
from sagelab.lab.session import Lab


def test_scan_tells_what_and_where_and_shows_nothing(
    lab: Lab, unique: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    bucket, s3 = security.bucket(lab, unique("b")[:10]), lab.client("s3")
    long = "x" * 50_000 + "\n"
    letters = f"{long}{long}Mina\nada@example.com\n4111 1111 1111 1111 and ida@example.com\n"
    for key, body in {
        "in/letters.csv": letters.encode(),
        "in/clean.csv": b"1,2\n",
        "in/picture.png": b"\x89PNG\0ada@example.com",
        "in/blank.txt": b" \n",
        "out/other.csv": b"ada@example.com",
    }.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    found = privacy.scan(lab, bucket, "in/")
    assert found[["key", "type", "found", "first_line"]].values.tolist() == [
        ["in/letters.csv", "CREDIT_DEBIT_NUMBER", 1, 5],
        ["in/letters.csv", "EMAIL", 2, 4],
    ]
    assert "Names and addresses" in capsys.readouterr().out
    assert "example.com" not in found.to_string()


def test_pieces_are_cut_at_lines_and_fit() -> None:
    text = "ü" * 30 + "\n" + "a\n" * 40 + "😀" * 30
    found = list(privacy.pieces(text, 40))
    assert "".join(found) == text
    assert max(len(piece.encode()) for piece in found) <= 40
    assert list(privacy.pieces("")) == []
