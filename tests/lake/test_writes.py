"""What CTAS, INSERT and UNLOAD write: each format reads back as it was, in the folders of its partitions."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pyarrow.parquet
import pytest

SQL = "SELECT 1 AS id, 'a\tb' AS text, 1.5::DOUBLE AS price UNION ALL SELECT 2, NULL, NULL ORDER BY id"
NAMES = ["id", "text", "price"]


def write(room: Any, shelf: Any, sql: str = SQL, names: list[str] = NAMES, **target: Any) -> Any:
    return room.writes.write(shelf.place, sql, names, room.writes.Target(shelf.uri("made/"), **target))


def test_parquet_is_read_back(room: Any, shelf: Any) -> None:
    written = write(room, shelf)
    [file] = written.files
    assert (written.rows, file.startswith(shelf.uri("made/"))) == (2, True)
    rows = pyarrow.parquet.read_table(io.BytesIO(shelf.get(file))).to_pylist()
    assert rows == [{"id": 1, "text": "a\tb", "price": 1.5}, {"id": 2, "text": None, "price": None}]
    assert room.writes.manifest(written) == f"{file}\n".encode()


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ({"format": "TEXTFILE", "delimiter": "|"}, b"1|a\tb|1.5\n2|\\N|\\N\n"),
        ({"format": "CSV"}, b'"1","a\tb","1.5"\n"2",,\n'),
        ({"format": "JSON"}, b'{"id":1,"text":"a\\tb","price":1.5}\n{"id":2,"text":null,"price":null}\n'),
    ],
)
def test_texts_are_written_as_their_serde_reads_them(
    room: Any, shelf: Any, target: dict[str, Any], body: bytes
) -> None:
    [file] = write(room, shelf, **target).files
    assert file.endswith(".gz")
    assert gzip.decompress(shelf.get(file)) == body


def test_each_partition_has_a_folder_whatever_its_value_is(room: Any, shelf: Any) -> None:
    sql = "SELECT * FROM (VALUES (1, 'a/b', 1), (2, 'c d', 2), (3, 'c d', 2)) AS v(n, k, m)"
    written = write(room, shelf, sql, ["n", "k", "m"], partitioned=("k", "m"))
    assert (written.rows, len(written.files)) == (3, 2)
    assert set(written.partitions) == {("a/b", "1"), ("c d", "2")}
    assert all(where.startswith(shelf.uri("made/k=")) for where in written.partitions.values())
    assert shelf.uri("made/k=a/b") not in "".join(written.files)


def test_too_many_partitions_leave_nothing_behind(room: Any, shelf: Any) -> None:
    sql = "SELECT x, x AS k FROM range(101) AS r(x)"
    with pytest.raises(room.errors.QueryFault, match="HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100"):
        write(room, shelf, sql, ["x", "k"], partitioned=("k",))
    assert list(shelf.objects.list(shelf.uri())) == []


def test_a_query_that_fails_half_way_leaves_nothing_behind(room: Any, shelf: Any) -> None:
    import duckdb

    sql = "SELECT CASE WHEN x = 300000 THEN error('late') ELSE x END AS x FROM range(300001) AS r(x)"
    with pytest.raises(duckdb.Error, match="late"):
        write(room, shelf, sql, ["x"])
    assert list(shelf.objects.list(shelf.uri())) == []


@pytest.mark.parametrize(
    ("names", "target", "reason"),
    [
        (NAMES, {"format": "ORC"}, "NOT_SUPPORTED: The format ORC"),
        (NAMES, {"format": "JSON", "compression": "SNAPPY"}, "NOT_SUPPORTED: Unsupported compression SNAPPY"),
        (NAMES, {"partitioned": ("nope",)}, "HIVE_COLUMN_ORDER_MISMATCH: Partition column.s. .nope. not present"),
        (NAMES, {"partitioned": ("id",)}, "HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last"),
        (["k"], {"partitioned": ("k",)}, "INVALID_TABLE_PROPERTY: Table contains only partition columns"),
    ],
)
def test_what_nothing_writes_is_refused(
    room: Any, shelf: Any, names: list[str], target: dict[str, Any], reason: str
) -> None:
    with pytest.raises(room.errors.QueryFault, match=reason):
        write(room, shelf, f"SELECT {', '.join(f'1 AS {name}' for name in names)}", names, **target)
    assert list(shelf.objects.list(shelf.uri())) == []


def test_a_table_is_not_made_where_something_is(room: Any, shelf: Any) -> None:
    room.writes.check_empty(shelf.place, shelf.uri("there/"))
    shelf.put("there/a", b"x")
    with pytest.raises(room.errors.QueryFault, match="HIVE_PATH_ALREADY_EXISTS: Target directory"):
        room.writes.check_empty(shelf.place, shelf.uri("there/"))
    with pytest.raises(room.errors.QueryFault, match="is not a path of S3"):
        room.writes.check_empty(shelf.place, "file:///etc/")
