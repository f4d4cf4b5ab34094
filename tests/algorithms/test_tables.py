"""Rows of numbers in each of the forms that the built-in algorithms take, from files and from requests."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagelab.algorithms import recordio, tables
from sagelab.algorithms.job import UserError

ROWS = np.array([[0.0, 1.5, 0.0], [2.0, 0.0, -3.25]], np.float32)
LABELS = np.array([1.0, 0.0], np.float32)


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that holds bytes."""
    return bytes([number << 3 | 2, len(content)]) + content


def varint(value: int) -> bytes:
    """As protobuf writes an int64."""
    value, found = value & (1 << 64) - 1, b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def record(values: Any, label: float | None = None, keys: list[int] | None = None, width: int = 0) -> bytes:
    """A record as https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html has it: a tensor of a type."""
    number, packed = {
        np.dtype(np.float32): (2, values.tobytes()),
        np.dtype(np.float64): (3, values.tobytes()),
        np.dtype(np.int32): (7, bytes(values.tolist()) if values.dtype == np.int32 else b""),
    }[values.dtype]
    tensor = field(1, packed) + (
        field(2, b"".join(map(varint, keys))) + field(3, bytes([width])) if keys is not None else b""
    )
    message = field(1, field(1, b"values") + field(2, field(number, tensor)))
    if label is not None:
        target = field(2, field(1, np.float32(label).tobytes()))
        message += field(2, field(1, b"values") + field(2, target))
    return struct.pack("<II", 0xCED7230A, len(message)) + message + b"\0" * (-len(message) % 4)


def dense(found: Any) -> Any:
    return found.toarray() if hasattr(found, "toarray") else found


@pytest.fixture
def channel(tmp_path: Path) -> Callable[..., Path]:
    def make(**files: str | bytes) -> Path:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        (None, tables.LIBSVM),
        ("text/csv", tables.CSV),
        ("text/csv; label_size=1", tables.CSV),
        ("text/csv;charset=utf-8", tables.CSV),
        ("Text/X-LibSVM", tables.LIBSVM),
        ("application/x-parquet", tables.PARQUET),
        ("application/x-recordio-protobuf", tables.RECORDIO),
    ],
)
def test_content_type_says_the_form(content_type: str | None, kind: str) -> None:
    assert tables.kind_of(content_type) == kind


@pytest.mark.parametrize("content_type", ["application/json", "text/csv; label_size=2"])
def test_other_content_types_are_refused(content_type: str) -> None:
    with pytest.raises(UserError):
        tables.kind_of(content_type)


def test_csv_has_its_label_first_and_gaps_are_missing(channel: Callable[..., Path]) -> None:
    table = tables.read_files(channel(a="1,0,1.5,0\n", b="0;2;;-3.25\n"), tables.CSV)
    assert table is not None
    np.testing.assert_array_equal(table.labels, LABELS)
    np.testing.assert_array_equal(table.features, [[0, 1.5, 0], [2, np.nan, -3.25]])


def test_second_column_of_csv_may_be_weights(channel: Callable[..., Path]) -> None:
    table = tables.read_files(channel(a="1,0.5,7\n0,2,8\n"), tables.CSV, weighted=True)
    assert table is not None
    assert (table.weights.tolist(), table.features.tolist()) == ([0.5, 2.0], [[7.0], [8.0]])


def test_libsvm_counts_columns_from_none(channel: Callable[..., Path]) -> None:
    table = tables.read_files(channel(a="1 1:1.5 # a remark\n0 0:2 2:-3.25\n"), tables.LIBSVM)
    assert table is not None
    np.testing.assert_array_equal(dense(table.features), ROWS)
    np.testing.assert_array_equal(table.labels, LABELS)
    assert table.weights is None


def test_first_column_of_libsvm_that_counts_from_one_is_empty(channel: Callable[..., Path]) -> None:
    table = tables.read_files(channel(a="1 1:1.5 2:7\n"), tables.LIBSVM)
    assert table is not None
    assert (table.features.shape, table.features.nnz) == ((1, 3), 2)
    assert tables.read_request(b"1:1.5 2:7", tables.LIBSVM).shape == (1, 3)


def test_label_of_libsvm_may_have_a_weight_and_files_are_joined(channel: Callable[..., Path]) -> None:
    table = tables.read_files(channel(a="1:0.5 0:1\n", b="0:2 0:2 5:1\n"), tables.LIBSVM)
    assert table is not None
    assert (table.weights.tolist(), table.features.shape) == ([0.5, 2.0], (2, 6))


def test_parquet_has_its_label_first(channel: Callable[..., Path]) -> None:
    import pandas as pd

    content = io.BytesIO()
    pd.DataFrame({"label": LABELS, "a": ROWS[:, 0], "b": ROWS[:, 1], "c": ROWS[:, 2]}).to_parquet(content)
    table = tables.read_files(channel(a=content.getvalue()), tables.PARQUET)
    assert table is not None
    np.testing.assert_array_equal(table.features, ROWS)
    np.testing.assert_array_equal(table.labels, LABELS)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32])
def test_records_are_read(kind: type) -> None:
    rows: Any = np.abs(ROWS).astype(kind)
    features, labels = recordio.read(b"".join(record(row, label) for row, label in zip(rows, LABELS, strict=True)))
    np.testing.assert_array_equal(features, rows)
    np.testing.assert_array_equal(labels, LABELS)


def test_sparse_records_are_read() -> None:
    content = record(np.array([1.5], np.float32), keys=[1], width=3)
    features, labels = recordio.read(content + record(np.array([2.0, -3.25], np.float32), keys=[0, 2], width=3))
    np.testing.assert_array_equal(dense(features), ROWS)
    assert labels is None


@pytest.mark.parametrize("column", ["-1", str(2**31), str(2**70)])
def test_columns_that_no_row_has_are_refused(column: str) -> None:
    with pytest.raises(UserError, match="a column is not from 0"):
        tables.read_request(f"{column}:1.5".encode(), tables.LIBSVM)


@pytest.mark.parametrize(
    ("keys", "width"),
    [((-1,), 3), ((-(2**63),), 3), ((2**62,), 3), ((2**63 - 1,), 3), ((1,), 2**62), ((0, 1), 3), ((), -5)],
)
def test_keys_that_are_no_columns_are_refused(keys: tuple[int, ...], width: int) -> None:
    """SciPy looks at none of them, and would write outside of its arrays."""
    tensor = field(1, np.float32(1).tobytes()) + field(2, b"".join(map(varint, keys))) + field(3, varint(width))
    message = field(1, field(1, b"values") + field(2, field(2, tensor)))
    content = struct.pack("<II", 0xCED7230A, len(message)) + message + bytes(-len(message) % 4)
    if keys:
        with pytest.raises(UserError, match="keys are not as many as its values, or not columns"):
            recordio.read(content + record(np.array([1.0], np.float32), keys=[0], width=3))
    else:
        assert recordio.read(content)[0].tolist() == [[1]]


def test_length_that_leads_backwards_is_refused() -> None:
    with pytest.raises(UserError, match="ends inside a record"):
        list(recordio.read_integers(struct.pack("<II", 0xCED7230A, 12) + b"\x0a" + varint(-11) + b"\0"))


@pytest.mark.parametrize("cut", [1, 5, 9, 12, -1])
def test_records_that_end_early_are_refused(cut: int) -> None:
    with pytest.raises(UserError):
        recordio.read(record(ROWS[0])[:cut])


def test_record_whose_inside_ends_early_is_refused() -> None:
    message = record(ROWS[0])[8:]
    for size in range(4, len(message), 4):
        with pytest.raises(UserError):
            recordio.read(struct.pack("<II", 0xCED7230A, size) + message[:size])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1,2\n3\n", tables.CSV),
        ("a,b\n", tables.CSV),
        ("1\n2\n", tables.CSV),
        ("1,2,3\n", tables.LIBSVM),
        ("1 -1:2\n", tables.LIBSVM),
        (f"1 {2**63}:2\n", tables.LIBSVM),
        ("\n\n", tables.CSV),
        ("no parquet", tables.PARQUET),
        ("no records", tables.RECORDIO),
        (b"\xff\xfe1,2", tables.CSV),
    ],
)
def test_file_that_is_not_what_it_is_said_to_be_is_refused(
    channel: Callable[..., Path], text: str | bytes, kind: str
) -> None:
    with pytest.raises(UserError):
        tables.read_files(channel(a=text), kind)


def test_hidden_and_empty_files_are_no_data(channel: Callable[..., Path]) -> None:
    folder = channel(empty="")
    (folder / ".hidden").write_text("1,2")
    (folder / "_SUCCESS").write_text("1,2")
    assert tables.read_files(folder, tables.CSV) is None


def test_request_has_no_label() -> None:
    np.testing.assert_array_equal(tables.read_request(b"1,2\n3,4\n", tables.CSV), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(
        dense(tables.read_request(b"0:1 2:3\n9 1:4\n", tables.LIBSVM)), [[1, 0, 3], [0, 4, 0]]
    )


@pytest.mark.parametrize("delimiter", [",", ";", "|"])
def test_empty_cells_are_missing_wherever_they_are(delimiter: str) -> None:
    rows = [["1", "", "3"], ["", "2", ""], ['"4"', " ", "6"], ["nan", "8", " 9 "]]
    for end in ("\n", "\r\n"):
        text = end.join(["", *map(delimiter.join, rows), ""])
        found = tables.read_request(text.encode(), tables.CSV)
        wanted = [[1, np.nan, 3], [np.nan, 2, np.nan], [4, np.nan, 6], [np.nan, 8, 9]]
        np.testing.assert_array_equal(found, np.array(wanted, np.float32))


@pytest.mark.parametrize("text", ["1,2\n3\n", "1,2\n3,4,5\n", "1,\n3\n"])
def test_rows_of_several_lengths_are_the_users_error(text: str) -> None:
    with pytest.raises(UserError, match="its rows are not all of one length"):
        tables.read_request(text.encode(), tables.CSV)
