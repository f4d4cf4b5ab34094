"""Statements about tables, read; what is none is refused where it goes wrong."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TABLE = """
CREATE EXTERNAL TABLE IF NOT EXISTS shop.`Orders` ( -- what was bought
  id bigint COMMENT 'a key',
  item struct<name:string, tags:array<string>>
) COMMENT 'it''s one'
PARTITIONED BY (dt string, `hour` int)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '\\t' NULL DEFINED AS ''
STORED AS TEXTFILE
LOCATION 's3://bucket/orders/'
TBLPROPERTIES ('skip.header.line.count'='1', 'a' = 'b');
"""
WORDS = st.sampled_from(
    "CREATE EXTERNAL TABLE ALTER DROP PARTITION ( ) < > , = 'a' `b` int SHOW LOCATION TBLPROPERTIES x 1 ; -- /* '"
    " IF EXISTS ADD COLUMNS".split()
)


def test_a_table_is_read_whole(room: Any) -> None:
    asked = room.ddl.read(TABLE)
    assert (asked.verb, asked.name.database, asked.name.table) == ("create table", "shop", "orders")
    assert (asked.lenient, asked.comment, asked.location) == (True, "it's one", "s3://bucket/orders/")
    assert [(one.name, one.type, one.comment) for one in asked.columns] == [
        ("id", "bigint", "a key"),
        ("item", "struct<name:string,tags:array<string>>", ""),
    ]
    assert [one.name for one in asked.partitions] == ["dt", "hour"]
    assert asked.delimiters["field.delim"] == "\t"
    assert asked.delimiters["serialization.null.format"] == ""
    assert asked.properties == {"skip.header.line.count": "1", "a": "b"}


def test_partitions_are_named_by_their_keys(room: Any) -> None:
    asked = room.ddl.read(
        "ALTER TABLE t ADD IF NOT EXISTS PARTITION (d = 1, e = 'x') LOCATION 's3://b/k/'"
        " PARTITION (d = -2, e = 'y')"
    )
    assert (asked.verb, asked.lenient) == ("add partition", True)
    assert [one.values for one in asked.specs] == [
        [("d", "=", "1"), ("e", "=", "x")],
        [("d", "=", "-2"), ("e", "=", "y")],
    ]
    assert [one.location for one in asked.specs] == ["s3://b/k/", ""]


@pytest.mark.parametrize("sql", ["SELECT 1", "", "INSERT INTO t VALUES (1)", "UNLOAD (SELECT 1) TO 's3://b/'"])
def test_what_is_a_query_is_left_to_others(room: Any, sql: str) -> None:
    assert room.ddl.read(sql) is None


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("DROP TABLE", "1:11"),
        ("CREATE EXTERNAL TABLE t (a nothing)", "1:28"),
        ("CREATE EXTERNAL TABLE t (a int)\nLOCATION x", "2:10"),
        ("CREATE EXTERNAL TABLE t (a int) CLUSTERED BY (a) INTO 4 BUCKETS", "1:33"),
        ("SHOW TABLES LIKE 'a' b", "1:22"),
        ("ALTER TABLE t ADD PARTITION (d ~ 1)", "1:34"),
        ("DROP TABLE a; DROP TABLE b", "1:15"),
    ],
)
def test_what_is_not_in_hives_form_is_refused_at_its_place(room: Any, sql: str, place: str) -> None:
    with pytest.raises(room.errors.QueryFault) as fault:
        room.ddl.read(sql)
    assert fault.value.reason.startswith(f"FAILED: ParseException line {place}: ")
    assert fault.value.kind == room.errors.SYNTAX


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(WORDS, max_size=25) | st.text(max_size=80).map(lambda text: ["DESCRIBE", text]))
def test_any_text_is_read_or_refused(room: Any, words: list[str]) -> None:
    with suppress(room.errors.QueryFault):
        room.ddl.read(" ".join(words))


def test_the_longest_statement_is_refused_as_any_other(room: Any) -> None:
    for text in ("(" * 262_000, "'" + "''" * 130_000, "/*" * 130_000, "a\\" * 80_000):
        with pytest.raises(room.errors.QueryFault):
            room.ddl.read(f"ALTER TABLE t {text}")
