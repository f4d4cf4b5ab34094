"""RecordIO-protobuf, the built-in algorithms' own format: arrays of features and labels.

https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from sagelab.algorithms.job import UserError

MAGIC = 0xCED7230A
FEATURES, LABEL = 1, 2  # of Record, each a map of names to Values
# Value's kinds of tensor, by their field: float32, float64, int32.
KINDS: dict[int, np.dtype[Any]] = {2: np.dtype("<f4"), 3: np.dtype("<f8"), 7: np.dtype("<i4")}
FLOAT32, INT32 = 2, 7
VARINTS = {INT32}
VALUES, KEYS, SHAPE = 1, 2, 3  # of each tensor
NAMED_KEY, NAMED_VALUE = 1, 2  # of an entry of a map
MOST_COLUMNS = 100_000_000  # that a sparse row may say it has

_BROKEN = "The recordio-protobuf data cannot be read: it ends inside a record."
_OTHER = "The recordio-protobuf data cannot be read: a number stands where a record has a tensor or a name."


def read(data: bytes) -> tuple[Any, Any]:
    """(features, labels): rows of numbers, dense or sparse; labels None where the records have none.

    UserError: they are no records.
    """
    rows, labels = [], []
    for record in records(data):
        fields = list(_fields(record))
        rows.append(_tensor(fields, FEATURES))
        labels.append(_tensor(fields, LABEL))
    if not rows or any(row is None for row in rows):
        raise UserError("The recordio-protobuf data has no features.")
    found = [row for row in rows if row is not None]
    if any(label is None or not len(label[0]) for label in labels):
        return _together(found), None
    return _together(found), np.array([label[0][0] for label in labels if label])


def write_labels(columns: Mapping[str, Any]) -> bytes:
    """Records of an answer. columns: name of a label -> its values, (rows,) or (rows, values)."""
    named = [(name.encode(), np.asarray(column, "<f4")) for name, column in columns.items()]
    count = len(named[0][1]) if named else 0
    return b"".join(_framed(b"".join(_label(name, column[row]) for name, column in named)) for row in range(count))


def read_labels(data: bytes) -> list[dict[str, Any]]:
    """What records say of rows, a dict of values for each. UserError: they are no records."""
    found = []
    for record in records(data):
        row = {}
        for number, entry in _fields(record):
            if number == LABEL:
                tensor = _tensor([(LABEL, entry)], LABEL)
                row[_name(entry)] = tensor[0] if tensor else np.array([])
        found.append(row)
    return found


def write_tensors(tensors: Mapping[str, Any]) -> bytes:
    """One record whose features are arrays of floats, or of whole numbers that are not negative, with shapes."""
    return _framed(b"".join(_feature(name.encode(), np.asarray(values)) for name, values in tensors.items()))


def _feature(name: bytes, values: Any) -> bytes:
    whole = values.dtype.kind == "i"
    flat = b"".join(map(_length, values.ravel().tolist())) if whole else values.astype("<f4").tobytes()
    tensor = _bytes(VALUES, flat) + _bytes(SHAPE, b"".join(map(_length, values.shape)))
    return _bytes(FEATURES, _bytes(1, name) + _bytes(NAMED_VALUE, _bytes(INT32 if whole else FLOAT32, tensor)))


def _label(name: bytes, values: Any) -> bytes:
    """An entry of the record's map of labels: its name, and a Value of float32s."""
    tensor = _bytes(VALUES, np.ravel(values).tobytes())
    return _bytes(LABEL, _bytes(1, name) + _bytes(NAMED_VALUE, _bytes(FLOAT32, tensor)))


def _bytes(number: int, content: bytes) -> bytes:
    """A field of a protobuf message, whose value has a length."""
    return bytes([number << 3 | 2]) + _length(len(content)) + content


def _length(value: int) -> bytes:
    """A varint."""
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def _framed(record: bytes) -> bytes:
    return struct.pack("<II", MAGIC, len(record)) + record + bytes(-len(record) % 4)


def _together(rows: list[tuple[Any, Any, int]]) -> Any:
    """rows: (values, keys or None, width)."""
    if all(keys is None for _, keys, _ in rows):
        return np.vstack([values for values, _, _ in rows])
    indices = [np.arange(len(values)) if keys is None else keys for values, keys, _ in rows]
    width = max(_width(values, keys, width) for (values, _, width), keys in zip(rows, indices, strict=True))
    ends = np.cumsum([0, *(len(values) for values, _, _ in rows)])
    return csr_matrix(
        (np.concatenate([one[0] for one in rows]), np.concatenate(indices), ends), (len(rows), width)
    )


def _width(values: Any, keys: Any, width: int) -> int:
    """How many columns a sparse row has. UserError: its keys are none, and SciPy writes where they point."""
    least, most = int(keys.min(initial=0)), max(width, int(keys.max(initial=-1)) + 1)
    if len(keys) != len(values) or least < 0 or most > MOST_COLUMNS:
        raise UserError(
            "The recordio-protobuf data has a sparse row whose keys are not as many as its values, or not columns"
            f" from 0 to {MOST_COLUMNS - 1}."
        )
    return most


def records(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise UserError(_BROKEN)
        magic, size = struct.unpack_from("<II", data, at)
        if magic != MAGIC:
            raise UserError("The data is not recordio-protobuf: a record does not begin as one.")
        if at + 8 + size > len(data):
            raise UserError(_BROKEN)
        yield data[at + 8 : at + 8 + size]
        at += 8 + (size + 3 & ~3)


def _tensor(fields: list[tuple[int, Any]], which: int) -> tuple[Any, Any, int] | None:
    """(values, keys or None, width) of the first Value of a map in a record; None where it has none."""
    entry = next((value for number, value in fields if number == which), None)
    if entry is None:
        return None
    value = next((value for number, value in _fields(entry) if number == NAMED_VALUE), b"")
    for number, tensor in _fields(value):
        if number in KINDS:
            parts = list(_fields(tensor))
            keys, shape = _numbers(parts, KEYS, None), _numbers(parts, SHAPE, None)
            values = _numbers(parts, VALUES, None if number in VARINTS else KINDS[number])
            return values, keys if len(keys) else None, int(shape[-1]) if len(shape) else 0
    return None


def _numbers(parts: list[tuple[int, Any]], which: int, kind: np.dtype[Any] | None) -> Any:
    """A repeated field, packed or not. kind: None for varints."""
    packed = [value for number, value in parts if number == which]
    if kind is not None and len(packed) == 1 and isinstance(packed[0], bytes):
        return _floats(packed[0], kind)
    found: list[Any] = []
    for number, value in parts:
        if number != which:
            continue
        if isinstance(value, int):
            found.append(value)
        elif kind is None:
            found += _varints(value)
        else:
            found += _floats(value, kind).tolist()
    return np.array(found, kind or np.int64)


def _floats(data: bytes, kind: np.dtype[Any]) -> Any:
    if len(data) % kind.itemsize:
        raise UserError(_BROKEN)
    return np.frombuffer(data, kind)


def _varints(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(number, value) of each field of a protobuf message: ints, or bytes. UserError: it is none."""
    if not isinstance(data, bytes):
        raise UserError(_OTHER)
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(wire, len(data) + 1)
        if not 0 <= size <= len(data) - at:
            raise UserError(_BROKEN)
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            value &= (1 << 64) - 1
            return value - (1 << 64) if value >> 63 else value, at
    raise UserError(_BROKEN)


def read_integers(data: bytes) -> Iterator[dict[str, Any]]:
    """The whole numbers of each record's named features, (values,) int64. UserError: they are no such records."""
    for record in records(data):
        found = {}
        for number, entry in _fields(record):
            if number == FEATURES:
                found[_name(entry)] = _integers(entry)
        yield found


def _name(entry: bytes) -> str:
    """Of an entry of a map. UserError: it is a number."""
    name = next((value for number, value in _fields(entry) if number == NAMED_KEY), b"")
    if not isinstance(name, bytes):
        raise UserError(_OTHER)
    return name.decode("utf-8", "replace")


def _integers(entry: bytes) -> Any:
    value = next((value for number, value in _fields(entry) if number == NAMED_VALUE), b"")
    fields = list(_fields(value))
    if any(number not in VARINTS for number, _ in fields):
        raise UserError("The recordio-protobuf data has other values than tensors of int32.")
    return _numbers([part for _, tensor in fields for part in _fields(tensor)], VALUES, None)


def write_integers(rows: Iterable[Mapping[str, Iterable[int]]]) -> bytes:
    """Records whose named features are whole numbers, none of them negative."""
    return b"".join(
        write_tensors({name: np.array([*values], np.int64) for name, values in row.items()}) for row in rows
    )
