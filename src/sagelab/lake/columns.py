"""JSON records as rows of a table of the catalogue, as the OpenX and the Hive SerDe read them.

https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion-concepts.html
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from sagelab.lake import types
from sagelab.lake.types import HiveType

_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_ARROW = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "real": pa.float32(),
    "double": pa.float64(),
    "binary": pa.binary(),
    "varbinary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("ms"),
}
MILLISECONDS = 1e11  # a number of seconds is smaller, of milliseconds larger
_NUMBERS = (int, float)


class BadRecord(ValueError):
    """A record that does not fit. code: DataFormatConversion's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = f"DataFormatConversion.{code}"


class Reader:
    """columns: (name, type) of the table. reading: options of the deserializer."""

    def __init__(self, columns: list[tuple[str, str]], reading: dict[str, Any]) -> None:
        kinds = [(name.lower(), types.read(kind)) for name, kind in columns]
        self.schema = pa.schema([(name, _arrow(kind)) for name, kind in kinds])
        mapped = {name.lower(): key for name, key in (reading.get("ColumnToJsonKeyMappings") or {}).items()}
        self._folds = reading.get("CaseInsensitive", True)
        self._dots = reading.get("ConvertDotsInJsonKeysToUnderscores", False)
        self._formats = reading.get("TimestampFormats") or []
        self._columns = [(name, self._key(mapped.get(name, name)), kind) for name, kind in kinds]

    def rows(self, record: bytes) -> Iterator[dict[str, Any]]:
        """The rows of a record, which may have several objects, one after the other. BadRecord: one is none."""
        return iter([self._row(one) for one in _objects(record)])

    def _key(self, key: str) -> str:
        return key.lower() if self._folds else key

    def _row(self, found: dict[str, Any]) -> dict[str, Any]:
        named = {self._key(key.replace(".", "_") if self._dots else key): value for key, value in found.items()}
        row = {}
        for name, key, kind in self._columns:
            try:
                row[name] = self._cast(named.get(key), kind)
            except (TypeError, ValueError, OverflowError, ArithmeticError, InvalidOperation, binascii.Error):
                raise BadRecord("MalformedData", f"Data does not match the schema: column {name}.") from None
        return row

    def _cast(self, value: Any, kind: HiveType) -> Any:
        if value is None:
            return None
        match kind.name:
            case "array":
                return [self._cast(one, kind.parts[0]) for one in _of(value, list)]
            case "map":
                return [(_text(key), self._cast(one, kind.parts[1])) for key, one in _of(value, dict).items()]
            case "struct":
                named = {key.lower(): one for key, one in _of(value, dict).items()}
                pairs = zip(kind.names, kind.parts, strict=True)
                return {name: self._cast(named.get(name), part) for name, part in pairs}
            case "timestamp":
                return self._timestamp(value)
            case "decimal":
                return _decimal(value, kind)
        return _PLAIN[kind.name](value, kind.name)

    def _timestamp(self, value: Any) -> datetime:
        if isinstance(value, _NUMBERS) and not isinstance(value, bool):
            seconds = value / 1000 if abs(value) >= MILLISECONDS or "millis" in self._formats else value
            return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
        when = datetime.fromisoformat(_of(value, str).strip())
        return when.astimezone(UTC).replace(tzinfo=None) if when.tzinfo else when


def _objects(record: bytes) -> list[dict[str, Any]]:
    decoder, found, at = json.JSONDecoder(), list[dict[str, Any]](), 0
    try:
        text = record.decode().strip()
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            if not isinstance(value, dict):
                raise ValueError("A record has to be a JSON object")
            found.append(value)
            while at < len(text) and text[at].isspace():
                at += 1
    except (ValueError, RecursionError) as error:
        raise BadRecord("ParseError", f"Encountered malformed JSON. {str(error)[:200]}") from None
    if not found:
        raise BadRecord("ParseError", "Encountered malformed JSON. The record is empty")
    return found


def _of(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(kind.__name__)
    return value


def _text(value: Any, _: str = "") -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    text.encode()  # UnicodeEncodeError: half of a surrogate pair
    return text


def _whole(value: Any, kind: str) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise TypeError(kind)
    number, half = int(value), 1 << (_BITS[kind] - 1)
    if not -half <= number < half:
        raise OverflowError(kind)
    return number


def _real(value: Any, kind: str) -> float:
    if isinstance(value, bool):
        raise TypeError(kind)
    return float(value)


def _truth(value: Any, _: str) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return bool(_of(value, bool))


def _decimal(value: Any, kind: HiveType) -> Decimal:
    precision, scale = (*kind.sizes, 0)[:2] if kind.sizes else (10, 0)
    number = Decimal(str(value)).quantize(Decimal(1).scaleb(-scale))
    if len(number.as_tuple().digits) > precision:
        raise OverflowError("decimal")
    return number


_PLAIN: dict[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(("string", "varchar", "char", "json"), _text),
    **dict.fromkeys(_BITS, _whole),
    **dict.fromkeys(("float", "real", "double"), _real),
    "boolean": _truth,
    "date": lambda value, _: date.fromisoformat(_of(value, str)[:10]),
    "binary": lambda value, _: base64.b64decode(_of(value, str), validate=True),
    "varbinary": lambda value, _: base64.b64decode(_of(value, str), validate=True),
}


def _arrow(kind: HiveType) -> pa.DataType:
    match kind.name:
        case "array":
            return pa.list_(_arrow(kind.parts[0]))
        case "map":
            return pa.map_(pa.string(), _arrow(kind.parts[1]))
        case "struct":
            pairs = zip(kind.names, kind.parts, strict=True)
            return pa.struct([(name, _arrow(part)) for name, part in pairs])
        case "decimal":
            precision, scale = (*kind.sizes, 0)[:2] if kind.sizes else (10, 0)
            return pa.decimal128(precision, scale)
    return _ARROW.get(kind.name, pa.string())
