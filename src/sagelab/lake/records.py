"""Records of a delivery stream, inside its host: split, asked for their partition keys, and written as columns.

https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html
https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html
"""

from __future__ import annotations

import base64
import io
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

from sagelab.functions import wire
from sagelab.lake import columns

AT_A_TIME = 200  # records that are told of in one message
KEYS, LONGEST = 50, 1024  # keys of a record, and characters of one
PIECES = 500  # records that one may be split into: of more, AWS splits none
PART = 4 << 20

Tell = Callable[..., None]


def receive(channel: socket.socket) -> list[bytes]:
    """The records that are sent."""
    found: list[bytes] = []
    while True:
        head, payload = wire.receive(channel)
        if head["kind"] == "end":
            return found
        found += wire.unframed(payload)


def work(asked: dict[str, Any], records: list[bytes], tell: Tell) -> dict[str, Any]:
    """asked: "task" with what it needs."""
    if asked["task"] == "convert":
        return _convert(asked, records, tell)
    return _extract(asked, records, tell)


def _extract(asked: dict[str, Any], records: list[bytes], tell: Tell) -> dict[str, Any]:
    """Split records where that is asked for, and find the keys of each."""
    query, split = asked.get("query"), asked.get("split")
    find = _finder(query) if query else lambda _: {}
    rows: list[Any] = []
    for number, record in enumerate(records):
        for piece in _pieces(record, split) if split else (record,):
            try:
                keys = find(piece)
            except _NoKeys as fault:
                code = "DynamicPartitioning.MetadataExtractionFailed"
                tell("fault", b"", of=number, code=code, message=str(fault))
                continue
            if split:
                tell("made", piece, of=number, keys=keys)
            else:
                rows.append((number, keys))
        if len(rows) >= AT_A_TIME:
            tell("rows", json.dumps(rows).encode())
            rows = []
    tell("rows", json.dumps(rows).encode())
    return {}


class _NoKeys(ValueError):
    """A record from which no keys come."""


def _finder(query: str) -> Callable[[bytes], dict[str, str]]:
    import jq

    try:
        program = jq.compile(query)
    except ValueError as error:
        words = f"the query is none: {str(error).splitlines()[0]}"

        def fail(_: bytes) -> dict[str, str]:
            raise _NoKeys(words)

        return fail

    def find(record: bytes) -> dict[str, str]:
        try:
            found = program.input_text(record.decode()).first()
        except (ValueError, StopIteration) as error:
            raise _NoKeys(str(error).partition("\n")[0][:300] or "the query finds nothing") from None
        return _texts(found)

    return find


def _texts(found: Any) -> dict[str, str]:
    """The keys that a query has found. _NoKeys: they are none."""
    if not isinstance(found, dict):
        raise _NoKeys("the result of the query is no JSON object")
    keys = {}
    for name, value in list(found.items())[:KEYS]:
        text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
        if not text or len(text) > LONGEST or not _is_sound(text):
            raise _NoKeys("partitionKeys values must not be null or empty")
        keys[str(name)[:LONGEST]] = text
    return keys


def _is_sound(text: str) -> bool:
    """Whether it has no half of a surrogate pair, and no control character."""
    return text.isprintable() and text.encode(errors="ignore").decode() == text


def _pieces(record: bytes, split: dict[str, str]) -> Iterator[bytes]:
    """The records that are in one; it itself where they cannot be told."""
    found = _delimited(record, split) if split["SubRecordType"] == "DELIMITED" else _documents(record)
    yield from found if found and len(found) <= PIECES else [record]


def _delimited(record: bytes, split: dict[str, str]) -> list[bytes]:
    return [one for one in record.split(base64.b64decode(split["Delimiter"])) if one]


def _documents(record: bytes) -> list[bytes]:
    """JSON objects, one after the other, or in an array."""
    decoder, found, at = json.JSONDecoder(), list[bytes](), 0
    try:
        text = record.decode()
        while (at := _blank(text, at)) < len(text):
            value, end = decoder.raw_decode(text, at)
            if isinstance(value, list):
                found += [json.dumps(one).encode() for one in value]
            else:
                found.append(text[at:end].encode())
            at = end
    except (ValueError, RecursionError):
        return []
    return found


def _blank(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _convert(asked: dict[str, Any], records: list[bytes], tell: Tell) -> dict[str, Any]:
    """A file of columns for each group of records. groups: how many are in each."""
    reader = columns.Reader(asked["columns"], asked["reading"])
    at = 0
    for group, count in enumerate(asked["groups"]):
        rows: list[dict[str, Any]] = []
        for number in range(at, at + count):
            try:
                rows += reader.rows(records[number])
            except columns.BadRecord as fault:
                tell("fault", b"", of=number, code=fault.code, message=str(fault))
        at += count
        if rows:
            content = memoryview(_written(reader, rows, asked["output"], asked["writing"]))
            for start in range(0, len(content), PART):
                tell("file", bytes(content[start : start + PART]), group=group)
    return {}


def _written(reader: columns.Reader, rows: list[dict[str, Any]], output: str, writing: dict[str, Any]) -> bytes:
    import pyarrow as pa

    table, out = pa.Table.from_pylist(rows, schema=reader.schema), io.BytesIO()
    if output == "orc":
        from pyarrow import orc

        packed = {"NONE": "uncompressed", "ZLIB": "zlib"}.get(writing.get("Compression") or "", "snappy")
        orc.write_table(table, out, compression=packed)
    else:
        from pyarrow import parquet

        compression = (writing.get("Compression") or "SNAPPY").lower().replace("uncompressed", "none")
        version = "2.6" if writing.get("WriterVersion") == "V2" else "1.0"
        dictionary = bool(writing.get("EnableDictionaryCompression"))
        parquet.write_table(table, out, compression=compression, version=version, use_dictionary=dictionary)
    return out.getvalue()
