"""What a crawler finds a file to be, by its beginning."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest


def look(room: Any, shelf: Any, body: bytes, key: str = "a") -> Any:
    found = shelf.put(key, body)
    address = shelf.files.add("c", [], found)
    return room.classify.classify(shelf.connection, shelf.files, address, found)


def shown(found: Any) -> dict[str, str]:
    return {name: str(kind) for name, kind in found.columns.items()}


def test_a_csv_has_the_types_of_its_rows_and_a_head_where_there_is_one(room: Any, shelf: Any) -> None:
    found = look(room, shelf, b'Id,Name,Price,Ok,Name\n1,"a,b",1.5,true,x\n22,,2,FALSE,\n')
    assert (found.classification, found.delimiter, found.header, found.rows) == ("csv", ",", True, 2)
    assert shown(found) == {
        "id": "bigint",
        "name": "string",
        "price": "double",
        "ok": "boolean",
        "name_1": "string",
    }
    bare = look(room, shelf, b"a|x\nb|y\nc|z\n")
    assert (bare.delimiter, bare.header, bare.rows) == ("|", False, 3)
    assert shown(bare) == {"col0": "string", "col1": "string"}


def test_json_lines_have_the_type_that_holds_all_of_a_member(room: Any, shelf: Any) -> None:
    lines = [
        {"A": 1, "b": {"X": 1}, "c": [1], "d": None, "e": 1 << 40, "f": 1, "g": True},
        {"A": 2.5, "b": {"X": "y", "z": [{"q": 1}]}, "c": [], "d": None, "e": 5, "f": "text", "g": False},
    ]
    body = "\n".join(json.dumps(one) for one in lines).encode()
    expected = {
        "a": "double",
        "b": "struct<x:string,z:array<struct<q:int>>>",
        "c": "array<string>",
        "d": "string",
        "e": "bigint",
        "f": "string",
        "g": "boolean",
    }
    found = look(room, shelf, body)
    assert (found.classification, shown(found), found.rows) == ("json", expected, 2)
    packed = look(room, shelf, gzip.compress(body), "a.gz")
    assert (packed.classification, packed.compression, shown(packed)) == ("json", "gzip", expected)


def test_parquet_says_itself_what_it_has(room: Any, shelf: Any) -> None:
    body = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"N": [1, 2], "tags": [["a"], []]}), body)
    found = look(room, shelf, body.getvalue())
    assert (found.classification, found.rows) == ("parquet", 2)
    assert shown(found) == {"n": "bigint", "tags": "array<string>"}


@pytest.mark.parametrize(
    "body",
    [
        b"one column\nand nothing\n",
        b"a,b\n",
        b"PAR1 and nothing else",
        b"PAR1" + b"\xff" * 100 + b"PAR1",
        b"\x1f\x8b and nothing else",
        bytes(range(256)) * 8,
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 10_000 + b"}",
        b"x" * 300_000,
        b'"' + b"a,\n" * 100_000,
    ],
)
def test_what_is_nothing_known_is_unknown(room: Any, shelf: Any, body: bytes) -> None:
    assert look(room, shelf, body).classification == room.classify.UNKNOWN


def test_no_more_is_unpacked_than_is_looked_at(room: Any, shelf: Any) -> None:
    found = look(room, shelf, gzip.compress(b"1,2\n" * (32 << 18)), "bomb.gz")
    assert (found.classification, found.rows) == ("csv", room.classify.ROWS)
    assert found.size == 4 * room.classify.READ


def test_a_type_that_holds_two_is_found_within_what_is_nested(room: Any) -> None:
    read, widen = room.types.read, room.classify.widen
    pairs = [
        ("int", "bigint", "bigint"),
        ("bigint", "double", "double"),
        ("int", "boolean", "string"),
        ("array<int>", "array<double>", "array<double>"),
        ("struct<a:int>", "struct<a:string,b:int>", "struct<a:string,b:int>"),
        ("array<int>", "int", "string"),
    ]
    assert [str(widen(read(one), read(two))) for one, two, _ in pairs] == [both for _, _, both in pairs]
