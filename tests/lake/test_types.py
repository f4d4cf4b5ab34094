"""Types of the catalogue: read, written, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PLAIN = st.sampled_from(["int", "bigint", "string", "double", "decimal(10,2)", "timestamp", "date", "boolean"])
TYPES = st.recursive(
    PLAIN,
    lambda inner: (
        inner.map("array<{}>".format)
        | st.tuples(PLAIN, inner).map(lambda two: f"map<{two[0]},{two[1]}>")
        | st.lists(inner, min_size=1, max_size=3).map(
            lambda parts: f"struct<{','.join(f'f{at}:{part}' for at, part in enumerate(parts))}>"
        )
    ),
    max_leaves=8,
)
FIXTURES = [HealthCheck.function_scoped_fixture]


@settings(max_examples=60, deadline=None, suppress_health_check=FIXTURES)
@given(text=TYPES)
def test_a_type_is_what_was_written_of_it(room: Any, text: str) -> None:
    assert str(room.types.read(text)) == text


@pytest.mark.parametrize(
    ("text", "own", "duckdb"),
    [
        ("INT", "int", "INTEGER"),
        ("integer", "int", "INTEGER"),
        ("varchar(20)", "varchar(20)", "VARCHAR"),
        ("decimal", "decimal", "DECIMAL(10, 0)"),
        ("decimal(12)", "decimal(12)", "DECIMAL(12, 0)"),
        ("array<struct<a:int,`B c`:map<string,double>>>",) * 2
        + ('STRUCT("a" INTEGER, "b c" MAP(VARCHAR, DOUBLE))[]',),
        ("row(a int, b varchar)", "struct<a:int,b:varchar>", 'STRUCT("a" INTEGER, "b" VARCHAR)'),
    ],
)
def test_types_are_told_in_the_words_of_each(room: Any, text: str, own: str, duckdb: str) -> None:
    found = room.types.read(text)
    assert str(found) == own.replace("`B c`", "b c")
    assert found.duckdb == duckdb


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "array",
        "array<int",
        "array<int,int>",
        "map<string>",
        "struct<a:int>>",
        "decimal(10",
        "int; DROP TABLE x",
        "int\x00",
        "array<" * 100_000,
        "struct<a:" * 40 + "int" + ">" * 40,
    ],
)
def test_what_is_no_type_is_refused(room: Any, text: str) -> None:
    with pytest.raises(room.types.BadType):
        room.types.read(text)


def test_a_struct_may_have_as_many_members_as_the_catalogue_can_keep(room: Any) -> None:
    names = [f"f{number}" for number in range(8_000)]
    found = room.types.read(f"struct<{','.join(f'{name}:int' for name in names)}>")
    assert list(found.names) == names
    assert room.types.read("decimal(" + "9" * 5000 + ")").sizes == ()


def test_what_a_query_finds_is_told_as_athena_does(room: Any, shelf: Any) -> None:
    sql = (
        "SELECT 1::BIGINT AS a, 1.5::DECIMAL(5, 2) AS b, [1] AS c, {'x': 1} AS d, MAP {'k': now()} AS e,"
        " 'x'::BLOB AS f, NULL AS g, 1::FLOAT AS h, uuid() AS i"
    )
    kinds = shelf.connection.sql(sql).types
    told = ["bigint", "decimal", "array", "row", "map", "varbinary", "unknown", "float", "varchar"]
    assert [room.types.told(kind) for kind in kinds] == told
    own = "bigint decimal(5,2) array<int> struct<x:int> map<string,timestamp> binary string float string".split()
    assert [str(room.types.of_table(kind)) for kind in kinds] == own
