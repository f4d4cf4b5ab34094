"""Files and their keys: CSV that any reader reads back, Parquet that loses no row, a folder for each table."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow.parquet as parquet
from hypothesis import given
from hypothesis import strategies as st

from sagelab.replication import files
from sagelab.replication.files import Form
from sagelab.replication.mappings import Output
from sagelab.replication.rows import MISSING, Value
from sagelab.replication.target import Stamps, folder

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
WORDS = [Output("a", "text", 0), Output("b", "text", 1)]


def written(form: Form, outputs: list[Output], rows: list[tuple[Value, ...]], with_op: bool = False) -> bytes:
    file = files.make(form, outputs, with_op)
    for row in rows:
        file.write("I", "2026-01-01 00:00:00.000000", row)
    path = Path(file.close())
    try:
        return path.read_bytes()
    finally:
        path.unlink()


@given(st.lists(st.tuples(TEXT, st.none() | TEXT), min_size=1, max_size=5), st.sampled_from(",|"))
def test_csv_is_read_back_as_it_was(rows: list[tuple[str, str | None]], delimiter: str) -> None:
    text = written(Form(delimiter=delimiter, null="\\N"), WORDS, [*rows]).decode()
    found = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    assert found == [[a, "\\N" if b is None else b] for a, b in rows]


def test_a_text_that_looks_like_null_is_told_apart() -> None:
    assert written(Form(), WORDS, [("NULL", None), ("a", MISSING)]) == b'"NULL",NULL\na,NULL\n'
    assert written(Form(unknown="?"), WORDS, [("", MISSING)]) == b",?\n"


def test_values_that_a_column_has_no_room_for_are_null_and_counted() -> None:
    outputs = [Output("n", "integer", 0), Output("d", "date", 1), Output("p", "numeric(4,2)", 2)]
    file = files.make(Form(format="parquet"), outputs, False)
    file.write("I", "", ("1", "2026-01-01", "12.34"))
    file.write("I", "", (str(1 << 40), "infinity", "NaN"))
    file.write("I", "", (None, None, "12345.678"))
    path = Path(file.close())
    rows = parquet.read_table(path).to_pylist()
    path.unlink()
    assert [[str(value) for value in row.values()] for row in rows] == [
        ["1", "2026-01-01", "12.34"],
        ["None", "None", "None"],
        ["None", "None", "None"],
    ]
    assert file.misfits == 4


NAMES = st.text("a./%2Fe", min_size=1, max_size=6)


@given(NAMES, NAMES, NAMES, NAMES)
def test_no_two_tables_have_the_same_folder(schema: str, table: str, other: str, second: str) -> None:
    first, last = folder("x", (schema, table)), folder("x", (other, second))
    assert (first == last) == ((schema, table) == (other, second))
    assert first.count("/") == 3
    assert not {".", ".."} & set(first.split("/"))


def test_stamps_go_up() -> None:
    stamps = Stamps("20991231-235959998")
    assert [stamps.next(), stamps.next()] == ["20991231-235959999", "21000101-000000000"]
