"""MXNet's file of arrays, which is what most of these algorithms leave as their model: `mxnet.nd.load` reads it.

https://github.com/apache/mxnet/blob/1.9.1/src/ndarray/ndarray.cc (NDArray::Save, NDArray::Load)
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

FILE, ARRAY = 0x112, 0xF993FAC9
DENSE, CPU = 0, 1
KINDS: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f8"), 4: np.dtype("<i4"), 6: np.dtype("<i8")}
MOST = 8  # dimensions


def write(arrays: Mapping[str, Any]) -> bytes:
    """The file of arrays by their names."""
    parts = [struct.pack("<QQQ", FILE, 0, len(arrays))]
    parts += [_packed(np.asarray(array)) for array in arrays.values()]
    parts.append(struct.pack("<Q", len(arrays)))
    for name in arrays:
        parts.append(struct.pack("<Q", len(name.encode())) + name.encode())
    return b"".join(parts)


def read(data: bytes) -> dict[str, Any]:
    """Arrays by their names; without names, by their numbers. ValueError: it is no such file."""
    try:
        return _read(data)
    except (struct.error, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"it is no file of MXNet's arrays: {error}") from None


def save(file: Path, names: tuple[str, str], arrays: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
    """A zip file with arrays and, as JSON, what else there is of a model. names: of these two in it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(names[0], write(arrays))
        archive.writestr(names[1], json.dumps(extra))
    file.write_bytes(content.getvalue())


def load(file: Path, names: tuple[str, str], largest: int) -> tuple[dict[str, Any], Any]:
    """What `save` wrote: (arrays, the rest). largest: bytes of a part. ValueError, KeyError: it is no such one."""
    with zipfile.ZipFile(file) as archive:
        if any(part.file_size > largest for part in archive.infolist()):
            raise ValueError(f"a part of {file.name} is too large")
        return read(archive.read(names[0])), json.loads(archive.read(names[1]))


def _packed(array: Any) -> bytes:
    kind = next(number for number, each in KINDS.items() if each == array.dtype)
    shape = struct.pack(f"<I{array.ndim}q", array.ndim, *array.shape)
    head = struct.pack("<Ii", ARRAY, DENSE) + shape + struct.pack("<iii", CPU, 0, kind)
    return head + bytes(array.tobytes())


def _read(data: bytes) -> dict[str, Any]:
    magic, _, count = struct.unpack_from("<QQQ", data)
    if magic != FILE or count > len(data):
        raise ValueError("it is no file of MXNet's arrays")
    at, arrays = 24, []
    for _ in range(count):
        array, at = _unpacked(data, at)
        arrays.append(array)
    (named,) = struct.unpack_from("<Q", data, at)
    at += 8
    names = []
    for _ in range(min(named, count)):
        (size,) = struct.unpack_from("<Q", data, at)
        names.append(data[at + 8 : at + 8 + size].decode())
        at += 8 + size
    return dict(zip(names or map(str, range(count)), arrays, strict=True))


def _unpacked(data: bytes, at: int) -> tuple[Any, int]:
    magic, storage, dimensions = struct.unpack_from("<IiI", data, at)
    if magic != ARRAY or storage != DENSE or dimensions > MOST:
        raise ValueError("an array in it is not dense, or of another version")
    shape = struct.unpack_from(f"<{dimensions}q", data, at + 12)
    at += 12 + 8 * dimensions
    kind = KINDS[struct.unpack_from("<iii", data, at)[2]]
    size = int(np.prod([max(0, side) for side in shape], dtype=object))
    if min(shape, default=0) < 0 or at + 12 + size * kind.itemsize > len(data):
        raise ValueError("it ends inside an array")
    found = np.frombuffer(data, kind, size, at + 12).reshape(shape)
    return found, at + 12 + size * kind.itemsize
