"""Athena's SQL as DuckDB's: which tables it names, what it may not name, and how it is put."""

from __future__ import annotations

from typing import Any

import pytest

ATTACKS = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_parquet('/x')",
    "SELECT * FROM parquet_scan('/x')",
    "SELECT * FROM TABLE(read_text('/etc/passwd'))",
    "SELECT * FROM (VALUES 1) t CROSS JOIN LATERAL read_csv('/etc/passwd')",
    "SELECT * FROM (VALUES 1) t, LATERAL (SELECT * FROM read_text('/etc/passwd'))",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "WITH a AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM a",
    "SELECT 1 UNION ALL SELECT count(*) FROM glob('/etc/*')",
    "SELECT * FROM t WHERE x IN (SELECT file FROM glob('/*'))",
    "SELECT getenv('AWS_SECRET_ACCESS_KEY')",
    "SELECT getvariable('x')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('t')",
    "SELECT * FROM pragma_database_list()",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM sqlite_scan('/x', 'y')",
    "SELECT * FROM postgres_scan('host=x', 'y', 'z')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "SELECT * FROM which_secret('s3://x', 's3')",
]


@pytest.mark.parametrize("sql", ATTACKS)
def test_nothing_but_tables_and_sequences_stands_in_from(room: Any, sql: str) -> None:
    with pytest.raises(room.errors.QueryFault) as fault:
        room.dialect.references(room.dialect.parse(sql), "db")
    assert fault.value.reason.startswith(("FUNCTION_NOT_FOUND: line 1:", "SYNTAX_ERROR: line 1:"))


def test_each_table_is_named_whole_and_common_ones_are_left(room: Any) -> None:
    query = room.dialect.parse(
        "WITH recent AS (SELECT * FROM Clicks) SELECT * FROM recent r JOIN awsdatacatalog.Other.sales s"
        " ON r.a = s.a CROSS JOIN UNNEST(r.tags) AS t(tag) WHERE s.x IN (SELECT y FROM recent)"
    )
    found = room.dialect.references(query, "DB")
    assert sorted((one.database, one.name) for one in found) == [("db", "clicks"), ("other", "sales")]
    text = room.dialect.render(query)
    assert '"db"."clicks" AS "Clicks"' in text
    assert '"other"."sales" AS s' in text
    with pytest.raises(
        room.errors.QueryFault, match="CATALOG_NOT_FOUND: line 1:15: Catalog 'nope' does not exist"
    ):
        room.dialect.references(room.dialect.parse("SELECT * FROM nope.a.b"), "db")


def keyed(room: Any, sql: str, *keys: str) -> list[list[str]]:
    query = room.dialect.parse(sql)
    return [room.dialect.keyed(one, list(keys)) for one in room.dialect.references(query, "db")]


def test_conditions_on_keys_are_those_that_hold_for_every_row(room: Any) -> None:
    assert keyed(room, "SELECT * FROM t WHERE d = 1 AND x > 2 AND (d < 5 OR h = 3)", "d", "h") == [
        ['"d" = 1', '"d" < 5 OR "h" = 3']
    ]
    assert keyed(room, "SELECT * FROM t WHERE d = 1 OR x > 2", "d") == [[]]
    joined = "SELECT * FROM a {} JOIN b ON a.k = b.k WHERE a.d = 1 AND b.d = 2 AND d = 3"
    assert keyed(room, joined.format(""), "d") == [['"d" = 1'], ['"d" = 2']]
    assert keyed(room, joined.format("LEFT"), "d") == [['"d" = 1'], []]
    assert keyed(room, joined.format("FULL"), "d") == [[], []]


def test_parameters_go_where_the_question_marks_are(room: Any) -> None:
    query = room.dialect.parse("SELECT ? FROM t WHERE a = ? AND b LIKE ?")
    room.dialect.fill(query, ["1", "'x''y'", "'%?'"])
    assert query.sql("duckdb") == "SELECT 1 FROM t WHERE a = 'x''y' AND b LIKE '%?'"
    with pytest.raises(room.errors.QueryFault, match="expected 1 but found 2"):
        room.dialect.fill(room.dialect.parse("SELECT ?"), ["1", "2"])


def test_columns_without_a_name_have_their_number(room: Any) -> None:
    query = room.dialect.parse("SELECT a, a + 1, count(*) AS n, max(b.c) FROM t")
    room.dialect.name_columns(query)
    assert [one.alias_or_name for one in query.expressions] == ["a", "_col1", "n", "_col3"]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("", "SYNTAX_ERROR: line 1:1: mismatched input '<EOF>'"),
        ("SELECT 1; SELECT 2", "SYNTAX_ERROR: line 1:1: Only one sql statement is allowed"),
        ("SELECT 'x", "SYNTAX_ERROR: line 1:1: "),
        ("SELECT (1", "SYNTAX_ERROR: line 1:"),
    ],
)
def test_what_is_no_statement_is_refused(room: Any, sql: str, reason: str) -> None:
    with pytest.raises(room.errors.QueryFault) as fault:
        room.dialect.parse(sql)
    assert fault.value.reason.startswith(reason)


def test_a_query_that_nests_too_deeply_is_refused_in_words(room: Any) -> None:
    with pytest.raises((room.errors.QueryFault, RecursionError)) as error:
        room.dialect.render(room.dialect.parse("SELECT " + "(" * 20_000 + "1" + ")" * 20_000))
    assert room.errors.explain(error.value).reason.startswith(
        ("GENERIC_USER_ERROR: The query is nested", "SYNTAX")
    )
