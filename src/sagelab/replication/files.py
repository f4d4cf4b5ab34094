"""The files that DMS puts into S3: rows as CSV or as Parquet, written to the host's disk first.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html
"""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from sagelab.replication import values
from sagelab.replication.mappings import Output
from sagelab.replication.rows import MISSING, Value

GROUP = 10_000  # rows of a row group of Parquet
OP = "Op"


@dataclass(frozen=True)
class Form:
    """What the endpoint's S3Settings say of files."""

    format: str = "csv"
    delimiter: str = ","
    row_delimiter: str = "\n"
    null: str = "NULL"
    unknown: str | None = None  # what stands for a value that the source does not tell; None: a null
    header: bool = False
    quoted: bool = True  # as RFC 4180 has it
    gzip: bool = False
    timestamp: str = ""  # the name of its column; "": there is none
    op: bool = False  # whether loaded rows have the operation, too
    millis: bool = False
    inserts: bool = False  # inserts alone, or updates too, of changes
    updates: bool = False
    dates: str = ""  # the folders of changes by the dates of their commits, for strftime
    largest: int = 1 << 30  # bytes of a file of loaded rows
    batch: int = 32_000 << 10  # bytes, and seconds, after which changes are put
    interval: float = 60.0

    @property
    def ending(self) -> str:
        return self.format + (".gz" if self.gzip and self.format == "csv" else "")

    def takes(self, op: str) -> bool:
        """Whether changes of a kind are written."""
        if self.inserts or self.updates:
            return op == "I" or (op == "U" and self.updates)
        return True


class File(Protocol):
    """size: bytes so far, more or less. misfits: values that its columns have no room for."""

    size: int
    misfits: int

    def write(self, op: str, time: str, row: Sequence[Value]) -> None: ...

    def close(self) -> str:
        """Its path."""

    def discard(self) -> None: ...


def make(form: Form, outputs: list[Output], with_op: bool) -> File:
    kind = Parquet if form.format == "parquet" else Csv
    return kind(form, outputs, with_op)


class _Draft:
    """A file that is being written."""

    def __init__(self, form: Form, outputs: list[Output], with_op: bool) -> None:
        self._form, self._outputs, self._with_op = form, outputs, with_op
        descriptor, self.path = tempfile.mkstemp()
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        self.size = self.misfits = 0

    def _names(self) -> list[str]:
        own = ([OP] if self._with_op else []) + ([self._form.timestamp] if self._form.timestamp else [])
        return own + [one.name for one in self._outputs]

    def _cells(self, op: str, time: str, row: Sequence[Value]) -> list[Value]:
        own = [*([op] if self._with_op else []), *([time] if self._form.timestamp else [])]
        return [*own, *(one.constant if one.index is None else row[one.index] for one in self._outputs)]

    def discard(self) -> None:
        self._file.close()
        Path(self.path).unlink()


class Csv(_Draft):
    def __init__(self, form: Form, outputs: list[Output], with_op: bool) -> None:
        super().__init__(form, outputs, with_op)
        self._out: Any = gzip.GzipFile("", "wb", 6, self._file, mtime=0) if form.gzip else self._file
        own = [str] * (len(self._names()) - len(outputs))
        self._plain = [*own, *(values.plain(one.type) if one.index is not None else str for one in outputs)]
        self._special = {'"', "\r", "\n", *form.delimiter, *form.row_delimiter}
        if form.header:
            self._put([self._quote(name) for name in self._names()])

    def write(self, op: str, time: str, row: Sequence[Value]) -> None:
        found = self._cells(op, time, row)
        self._put([self._text(value, plain) for value, plain in zip(found, self._plain, strict=True)])

    def close(self) -> str:
        if self._out is not self._file:
            self._out.close()
        self._file.close()
        return self.path

    def _put(self, cells: list[str]) -> None:
        line = (self._form.delimiter.join(cells) + self._form.row_delimiter).encode("utf-8", "surrogatepass")
        self._out.write(line)
        self.size += len(line)

    def _text(self, value: Value, plain: Any) -> str:
        if value == MISSING:
            return self._form.null if self._form.unknown is None else self._form.unknown
        if value is None:
            return self._form.null
        return self._quote(plain(value))

    def _quote(self, text: str) -> str:
        """A text that is what stands for null is quoted, too, so that the two are told apart."""
        if self._form.quoted and (text == self._form.null or not self._special.isdisjoint(text)):
            return '"' + text.replace('"', '""') + '"'
        return text


class Parquet(_Draft):
    """Rows are kept until a group of them is written."""

    def __init__(self, form: Form, outputs: list[Output], with_op: bool) -> None:
        super().__init__(form, outputs, with_op)
        import pyarrow
        import pyarrow.parquet

        own = [pyarrow.string()] if with_op else []
        own += [pyarrow.timestamp("ms" if form.millis else "us")] if form.timestamp else []
        kinds = [*own, *(values.arrow(one.type, form.millis) for one in outputs)]
        self._typed: list[Any] = [str] * with_op + [values.typed("timestamp with time zone")] * bool(
            form.timestamp
        )
        self._typed += [_reader(one) for one in outputs]
        self._arrow = pyarrow
        self._schema = pyarrow.schema(list(zip(self._names(), kinds, strict=True)))
        compression = "gzip" if form.gzip else "none"
        self._writer = pyarrow.parquet.ParquetWriter(self._file, self._schema, compression=compression)
        self._rows: list[list[Any]] = []

    def write(self, op: str, time: str, row: Sequence[Value]) -> None:
        found = self._cells(op, time, row)
        self.size += sum(len(value or "") for value in found)
        self._rows.append([self._value(value, typed) for value, typed in zip(found, self._typed, strict=True)])
        if len(self._rows) >= GROUP:
            self._flush()

    def close(self) -> str:
        self._flush()
        self._writer.close()
        self._file.close()
        return self.path

    def _value(self, value: Value, typed: Any) -> Any:
        if value is None or value == MISSING:
            return None
        try:
            return typed(value)
        except (ValueError, ArithmeticError):
            self.misfits += 1
            return None

    def _flush(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            by_column = zip(zip(*rows, strict=True), self._schema.types, strict=True)
            columns = [self._column(list(column), kind) for column, kind in by_column]
            self._writer.write_batch(self._arrow.record_batch(columns, schema=self._schema))

    def _column(self, column: list[Any], kind: Any) -> Any:
        try:
            return self._arrow.array(column, kind)
        except (self._arrow.ArrowInvalid, OverflowError, self._arrow.ArrowTypeError):
            return self._arrow.array([self._fitting(value, kind) for value in column], kind)

    def _fitting(self, value: Any, kind: Any) -> Any:
        try:
            self._arrow.array([value], kind)
        except (self._arrow.ArrowInvalid, OverflowError, self._arrow.ArrowTypeError):
            self.misfits += 1
            return None
        return value


def _reader(output: Output) -> Any:
    plain, typed = values.plain(output.type), values.typed(output.type)
    return (lambda text: typed(plain(text))) if output.index is not None else str
