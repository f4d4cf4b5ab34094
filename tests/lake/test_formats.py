"""How files of text become rows: whatever is in a line, it is a row, a NULL or a fault in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

OPENX, HIVE = "org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe"
LAZY, QUOTED = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", "org.apache.hadoop.hive.serde2.OpenCSVSerde"


def read(room: Any, shelf: Any, body: bytes, serde: str, columns: dict[str, str], **options: str) -> list[Any]:
    shelf.put("t/a", body)
    named = [{"Name": name, "Type": kind} for name, kind in columns.items()]
    library = {
        "SerializationLibrary": serde,
        "Parameters": {key.replace("_", "."): of for key, of in options.items()},
    }
    table = shelf.table(
        StorageDescriptor={"Location": shelf.uri("t/"), "Columns": named, "SerdeInfo": library},
        Parameters={"skip.header.line.count": options.get("skip", "0")},
    )
    room.tables.make(shelf.place, table, 0, [])
    found: list[Any] = shelf.connection.execute('SELECT * FROM "d"."t"').fetchall()
    return found


def test_keys_of_json_are_found_whatever_is_in_them_and_in_any_letters(room: Any, shelf: Any) -> None:
    odd = {'a"b': 1, "c/d": 2, "~e": 3, "": 4, "$.f": 5, "g\\h": 6}
    line = json.dumps({"M": odd, "New/Key~": {"InNer": [{"X": 7}]}, 'q"q': "y"}).encode()
    columns = {"m": "map<string,int>", "new/key~": "struct<inner:array<struct<x:int>>>", 'q"q': "string"}
    shown = room.types.read("struct<inner:array<struct<x:int>>>").duckdb
    assert shown == 'STRUCT("inner" STRUCT("x" INTEGER)[])'
    assert read(room, shelf, line, OPENX, columns) == [(odd, {"inner": [{"x": 7}]}, "y")]


@pytest.mark.parametrize("line", ["not json", "[1]", "3", '{"a": ', '{"a": 1} more', "[" * 5000])
def test_a_line_that_is_no_object_is_null_or_a_fault(room: Any, shelf: Any, line: str) -> None:
    import duckdb

    body = f'{{"a": 1}}\n{line}\n\n{{"a": 2}}\n'.encode()
    found = read(room, shelf, body, OPENX, {"a": "int"}, ignore_malformed_json="true")
    assert found == [(1,), (None,), (2,)]
    shelf.connection.execute('DROP VIEW "d"."t"')
    with pytest.raises(duckdb.Error, match="HIVE_CURSOR_ERROR: Row is not a valid JSON Object"):
        read(room, shelf, body, HIVE, {"a": "int"})


def test_fields_of_a_line_are_nulls_where_they_are_none(room: Any, shelf: Any) -> None:
    body = b"head\n1|a;b|k:1;j:2\nx|\\N\n3|c|z:9|more|and more\n\n"
    columns = {"n": "int", "list": "array<string>", "map": "map<string,int>"}
    options = {"field_delim": "|", "collection_delim": ";", "mapkey_delim": ":", "skip": "1"}
    assert read(room, shelf, body, LAZY, columns, **options) == [
        (1, ["a", "b"], {"k": 1, "j": 2}),
        (None, None, None),
        (3, ["c"], {"z": 9}),
    ]


def test_quoted_fields_hold_what_they_hold(room: Any, shelf: Any) -> None:
    import duckdb

    body = b'"a,1","x""y",3\nb,,\n'
    assert read(room, shelf, body, QUOTED, {"a": "string", "b": "string"}) == [("a,1", 'x"y'), ("b", None)]
    shelf.connection.execute('DROP VIEW "d"."t"')
    with pytest.raises(duckdb.Error, match="HIVE_BAD_DATA: Error parsing field value 'b' for field 0"):
        read(room, shelf, b"1\nb\n", QUOTED, {"a": "int"})


@pytest.mark.parametrize("mark", ["'", "'); DROP VIEW x; --", "\\", "\x01"])
def test_a_separator_is_a_text_and_never_sql(room: Any, shelf: Any, mark: str) -> None:
    body = f"1{mark}2\n".encode()
    assert read(room, shelf, body, LAZY, {"a": "int", "b": "int"}, field_delim=mark) == [(1, 2)]


@pytest.mark.parametrize("serde", ["", "com.example.Own", "org.apache.hadoop.hive.ql.io.orc.OrcSerde"])
def test_a_form_that_nothing_reads_is_refused(room: Any, shelf: Any, serde: str) -> None:
    with pytest.raises(room.errors.QueryFault, match=r"NOT_SUPPORTED: |HIVE_INVALID_METADATA: Unknown SerDe"):
        read(room, shelf, b"x\n", serde, {"a": "int"})
