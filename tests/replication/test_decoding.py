"""The lines of test_decoding, whatever names and values are in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagelab.replication import decoding
from sagelab.replication.decoding import Cell

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NAMES = TEXT.filter(bool)


def named(name: str) -> str:
    """As PostgreSQL writes a name: quoted where it has to be; here always."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


@given(NAMES, NAMES, st.lists(st.tuples(NAMES, NAMES, st.none() | TEXT), min_size=1, max_size=4))
def test_a_row_is_read_as_it_was_written(
    schema: str, table: str, cells: list[tuple[str, str, str | None]]
) -> None:
    told = " ".join(f"{named(name)}[{named(kind)}[]]:{literal(value)}" for name, kind, value in cells)
    found = decoding.parse(f"table {named(schema)}.{named(table)}: INSERT: {told}")
    assert (found.tables, found.op) == (((schema, table),), "I")
    assert [(cell.name, cell.type, cell.value) for cell in found.cells] == [
        (name, f"{named(kind)}[]", value) for name, kind, value in cells
    ]


def test_plain_values_and_old_keys_are_read() -> None:
    line = (
        "table public.t: UPDATE: old-key: id[integer]:-1 new-tuple: id[integer]:2 n[numeric]:NaN b[bit]:B'101'"
        " ok[boolean]:true body[text]:unchanged-toast-datum tags[text[]]:'{a}'"
    )
    found = decoding.parse(line)
    assert found.old == (Cell("id", "integer", "-1"),)
    assert [cell.value for cell in found.cells] == ["2", "NaN", "101", "true", None, "{a}"]
    assert [cell.unchanged for cell in found.cells] == [False, False, False, False, True, False]


def test_tables_are_emptied_together_and_rows_may_be_untold() -> None:
    found = decoding.parse('table public.a, "s.x"."b, c": TRUNCATE: restart_seqs cascade')
    assert (found.tables, found.op) == ((("public", "a"), ("s.x", "b, c")), "T")
    assert decoding.parse("table public.a: DELETE: (no-tuple-data)").cells == ()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "COMMIT 1",
        "table a: INSERT: x[text]:'a'",
        "table a.b: INSERT: x[text]:'a",
        "table a.b: INSERT: x[text",
        "table a.b: UPDATE: old-key: x[text]:'a' y",
    ],
)
def test_what_is_no_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"none of test_decoding's|cut off|without a new row"):
        decoding.parse(line)
