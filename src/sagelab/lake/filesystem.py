"""The files that DuckDB sees: names of this query's own, each an object of S3, and what it writes.

A name is `lake://t0/k0=2026-01-01/3.gz`: of which table, of which partition (its values, as Hive has them in a
path), and which of its objects. So DuckDB knows the partition of each file without a look into it, and can name
nothing else: there is no way from a name to another object.
"""

from __future__ import annotations

import bz2
import io
import tempfile
import threading
from datetime import UTC, datetime
from typing import IO, Any
from urllib.parse import quote

import duckdb
from fsspec.spec import AbstractFileSystem

from sagelab.lake.objects import Object, Objects

PROTOCOL = "lake"
NULL = "__HIVE_DEFAULT_PARTITION__"
TAIL, AHEAD = 64 << 10, 4 << 20  # bytes: of a file's end that are read at once, and of a text ahead
IN_MEMORY = 16 << 20  # bytes of a file that is written, before it goes to disk
SMALL = 1 << 20  # bytes of an object that is read as a whole


class Files(AbstractFileSystem):  # type: ignore[misc]
    """add: a name for an object. written: what DuckDB has written, by name. objects: what reads them."""

    protocol = PROTOCOL
    cachable = False
    objects: Objects

    def __init__(self, objects: Objects | None = None) -> None:
        super().__init__()
        if objects is not None:
            self.objects = objects
        self._known: dict[str, Object] = {}
        self._blocks: dict[str, bytes] = {}  # small objects as a whole; ends of large ones
        self.written: dict[str, IO[bytes]] = {}
        self._before: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def add(self, table: str, partition: list[tuple[str, str | None]], found: Object) -> str:
        """The address of an object, by which DuckDB reads it. partition: (name, value) of its keys."""
        folders = [f"{key}={NULL if value is None else quote(value, safe='')}" for key, value in partition]
        ending = next((one for one in (".gz", ".zst") if found.key.endswith(one)), "")
        name = "/".join([table, *folders, f"{len(self._known)}{ending}"])
        self._known[name] = found
        return f"{PROTOCOL}://{name}"

    def object_of(self, address: str) -> Object:
        return self._known[_name(address)]

    def begin(self, name: str, before: bytes) -> str:
        """The address of a file that DuckDB will write, after these bytes."""
        self._before[name] = before
        return f"{PROTOCOL}://{name}"

    # What DuckDB asks

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        name = _name(path)
        if name in self._known:
            return {"name": name, "size": self._size(name), "type": "file"}
        if name in self.written:
            return {"name": name, "size": 0, "type": "file"}
        raise FileNotFoundError(path)

    def exists(self, path: str, **_: Any) -> bool:
        return _name(path) in self._known

    def isfile(self, path: str) -> bool:
        return self.exists(path)

    def isdir(self, path: str) -> bool:  # noqa: ARG002
        return False

    def modified(self, path: str) -> datetime:  # noqa: ARG002
        return datetime.fromtimestamp(0, UTC)

    def glob(self, path: str, **_: Any) -> list[str]:
        return [_name(path)] if self.exists(path) else []

    def ls(self, path: str, detail: bool = False, **_: Any) -> list[str]:  # noqa: ARG002
        return []

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """There are no folders."""

    mkdir = makedirs

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        name = _name(path)
        if "w" in mode:
            made = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 # it is read when all is written
            made.write(self._before.get(name, b""))
            with self._lock:
                self.written[name] = made
            return _Kept(made)
        found = self._known[name]
        if found.key.endswith(".bz2"):
            return io.BytesIO(self._unpacked(name))
        return _Reader(self, name, found)

    def _size(self, name: str) -> int:
        found = self._known[name]
        return len(self._unpacked(name)) if found.key.endswith(".bz2") else found.size

    def _unpacked(self, name: str) -> bytes:
        if name not in self._blocks:
            found = self._known[name]
            self.objects.count(found.size)
            self._blocks[name] = bz2.decompress(self.objects.read(found, 0, found.size))
        return self._blocks[name]

    # What is read

    def span(self, name: str, found: Object, start: int, end: int) -> bytes:
        """Bytes of an object that DuckDB asks for: they count. Ends and small objects are read once."""
        self.objects.count(end - start)
        return self.fetch(name, found, start, end)

    def fetch(self, name: str, found: Object, start: int, end: int) -> bytes:
        begin = 0 if found.size <= SMALL else found.size - TAIL
        if start < begin:
            return self.objects.read(found, start, end)
        if name not in self._blocks:
            self._blocks[name] = self.objects.read(found, begin, found.size)
        return self._blocks[name][start - begin : end - begin]


class _Reader(io.RawIOBase):
    """An object that DuckDB reads: here and there of Parquet, from one end to the other of text."""

    def __init__(self, files: Files, name: str, found: Object) -> None:
        super().__init__()
        self._files, self._name, self._found = files, name, found
        self._at = 0

    def seek(self, to: int, whence: int = 0) -> int:
        self._at = to + (0, self._at, self._found.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        end = self._found.size if size < 0 else min(self._found.size, self._at + size)
        if end <= self._at:
            return b""
        content = self._files.span(self._name, self._found, self._at, end)
        self._at = end
        return content


class _Kept:
    """A file that DuckDB writes and closes, and that is read afterwards."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def write(self, content: bytes) -> int:
        return int(self._made.write(content))

    def tell(self) -> int:
        return int(self._made.tell())

    def seek(self, to: int, whence: int = 0) -> int:
        return int(self._made.seek(to, whence))

    def flush(self) -> None:
        """It is read when all is written."""

    close = flush


def _name(path: str) -> str:
    return path.removeprefix(f"{PROTOCOL}://").lstrip("/")


SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "allow_community_extensions": "false",
    "integer_division": "true",
    "TimeZone": "'UTC'",
    "default_null_order": "'nulls_last'",
    "preserve_insertion_order": "true",
    "temp_directory": "'/tmp/spill'",
    "max_temp_directory_size": "'4GiB'",
    "allowed_directories": f"['{PROTOCOL}://']",
    "enable_external_access": "false",
}


def connect(files: Files, memory: int, threads: int) -> duckdb.DuckDBPyConnection:
    """A DuckDB that sees these files and no others, and that no SQL can let out. memory: bytes."""
    connection = duckdb.connect(config={"threads": threads, "memory_limit": f"{memory >> 20}MB"})
    connection.register_filesystem(files)
    connection.execute(";".join(f"SET {name}={value}" for name, value in SETTINGS.items()))
    return connection


def lock(connection: duckdb.DuckDBPyConnection) -> None:
    """From here on the SQL of strangers runs: it cannot change a setting."""
    connection.execute("SET lock_configuration=true")
