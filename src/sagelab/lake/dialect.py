"""A query in Athena's SQL as DuckDB's: parsed, held to tables of the catalogue, and put into DuckDB's words.

https://docs.aws.amazon.com/athena/latest/ug/functions.html
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

from sagelab.lake import errors, functions

logging.getLogger("sqlglot").setLevel(logging.ERROR)
# Functions in FROM, of which none reads a file.
_IN_FROM = {"unnest", "generate_series", "range"}
_NOT = (
    "read_",
    "parquet_",
    "sniff_",
    "duckdb_",
    "pragma_",
    "glob",
    "getenv",
    "query",
    "getvariable",
    "arrow_",
    "copy_",
)
ROWS = (exp.Select, exp.SetOperation, exp.Values, exp.Subquery)


@dataclass(eq=False)
class Reference:
    """A table that a query names. conditions: what it must fulfil, by its columns' names alone."""

    database: str
    name: str
    node: exp.Table
    conditions: list[exp.Expr] = field(default_factory=list)
    place: tuple[int, int] = (1, 1)  # line and column


def parse(sql: str) -> exp.Expr:
    """One statement. QueryFault: it is none."""
    try:
        found = [one for one in sqlglot.parse(sql, read="athena") if one is not None]
    except sqlglot.errors.ParseError as error:
        first = (error.errors or [{}])[0]
        line, column = int(first.get("line") or 1), int(first.get("col") or 1)
        shown = str(first.get("highlight") or "<EOF>")
        column = max(1, column - len(shown) + 1)
        raise errors.QueryFault(
            f"SYNTAX_ERROR: line {line}:{column}: mismatched input '{shown}'", errors.SYNTAX
        ) from None
    except sqlglot.errors.TokenError as error:
        raise errors.syntax(str(error).splitlines()[0]) from None
    if len(found) != 1:
        words = "Only one sql statement is allowed" if found else "mismatched input '<EOF>'"
        raise errors.syntax(words)
    return found[0]


def references(query: exp.Expr, database: str) -> list[Reference]:
    """Each table that a query names, its node naming it whole from now on. QueryFault: it reads something else."""
    found = []
    for node in list(query.find_all(exp.Table)):
        if isinstance(node.this, exp.Func):
            continue
        if not isinstance(node.this, exp.Identifier):
            raise errors.syntax("a table is named by its name alone", *_place(node))
        if not node.args.get("db") and _is_common(node):
            continue
        _check_catalog(node)
        name, schema = node.name.lower(), (node.db or database).lower()
        reference = Reference(schema, name, node, list(_conditions(node)), _place(node))
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name, quoted=True)))
        node.set("this", exp.to_identifier(name, quoted=True))
        node.set("db", exp.to_identifier(schema, quoted=True))
        node.set("catalog", None)
        found.append(reference)
    for function in query.find_all(exp.Func):
        check_function(function)
    return found


def _check_catalog(node: exp.Table) -> None:
    if node.catalog and node.catalog.lower() != "awsdatacatalog":
        words = f"Catalog '{node.catalog}' does not exist"
        raise errors.QueryFault(f"CATALOG_NOT_FOUND: line {_line(node)}: {words}", errors.NO_TABLE)


def check_function(function: exp.Expr) -> None:
    name = (function.name if isinstance(function, exp.Anonymous) else function.sql_name()).lower()
    in_from = isinstance(function.parent, exp.Table | exp.Lateral) and function.arg_key == "this"
    if (in_from and name not in _IN_FROM) or name.startswith(_NOT):
        words = f"Function '{name}' not registered"
        raise errors.QueryFault(f"FUNCTION_NOT_FOUND: line {_line(function)}: {words}", errors.SYNTAX)


def _is_common(node: exp.Table) -> bool:
    """Whether a name is one of a WITH around it: in WITH itself, of those before, or its own where that recurs."""
    below: exp.Expr = node
    inner: exp.Expr = node
    while (above := below.parent) is not None:
        clause = above.args.get("with_") or above.args.get("with")
        if clause:
            parts = list(clause.expressions)
            if below is clause:
                at = next(number for number, one in enumerate(parts) if one is inner)
                parts = parts[: at + bool(clause.args.get("recursive"))]
            if node.name.lower() in {one.alias.lower() for one in parts}:
                return True
        inner, below = below, above
    return False


def _conditions(node: exp.Table) -> Iterator[exp.Expr]:
    """What WHERE says of one table, as far as each part is about that table alone."""
    select = node.find_ancestor(exp.Select)
    where = select.args.get("where") if select else None
    if where is None or select is None or not _is_inner(node, select):
        return
    several = len(list(_sources(select))) > 1
    alias = (node.alias or node.name).lower()
    for part in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
        if part.find(exp.Query) or part.find(exp.Placeholder):
            continue
        columns = list(part.find_all(exp.Column))
        if columns and all((one.table.lower() == alias) if one.table else not several for one in columns):
            yield part


def _is_inner(node: exp.Table, select: exp.Select) -> bool:
    """Whether a table is in FROM, or joined so that WHERE holds for all of its rows."""
    parent = node.parent
    if isinstance(parent, exp.Join):
        return not parent.args.get("side") and parent.parent is select
    joins = select.args.get("joins") or []
    return isinstance(parent, exp.From) and not any(one.args.get("side") in ("RIGHT", "FULL") for one in joins)


def _sources(select: exp.Select) -> Iterator[exp.Expr]:
    if start := select.args.get("from_") or select.args.get("from"):
        yield start
    yield from select.args.get("joins") or ()
    yield from select.args.get("laterals") or ()


def keyed(reference: Reference, keys: list[str]) -> list[str]:
    """The conditions of a reference that are about these columns alone, in DuckDB's SQL."""
    found = []
    for part in reference.conditions:
        if {one.name.lower() for one in part.find_all(exp.Column)} <= set(keys):
            plain = part.copy()
            for column in plain.find_all(exp.Column):
                column.set("table", None)
                column.set("this", exp.to_identifier(column.name.lower(), quoted=True))
            found.append(render(plain))
    return found


def name_columns(query: exp.Expr) -> None:
    """Columns without a name are _col0, _col1 ..., as Trino has them."""
    for select in query.find_all(exp.Select):
        if (
            isinstance(select.parent, exp.Subquery | exp.CTE)
            or select.parent is None
            or select is query
            or (isinstance(select.parent, exp.SetOperation))
        ):
            for number, one in enumerate(list(select.expressions)):
                if not isinstance(one, exp.Alias | exp.Column | exp.Star | exp.Dot | exp.Aliases):
                    one.replace(exp.alias_(one.copy(), f"_col{number}"))
                elif isinstance(one, exp.Dot):
                    one.replace(exp.alias_(one.copy(), one.name))


def fill(query: exp.Expr, parameters: list[str]) -> None:
    """Put the parameters of an execution, each an expression, in the places of the question marks."""
    places = list(query.find_all(exp.Placeholder))
    if len(places) != len(parameters):
        words = f"Incorrect number of parameters: expected {len(places)} but found {len(parameters)}"
        raise errors.QueryFault(f"INVALID_PARAMETER_USAGE: line 1:1: {words}", errors.SYNTAX)
    places.sort(key=lambda one: int(one.meta.get("start", 0)))
    for place, text in zip(places, parameters, strict=True):
        place.replace(parse(f"SELECT {text}").expressions[0].copy())


def without_limit_null(query: exp.Expr) -> exp.Expr:
    """LIMIT ALL is no limit."""
    limit = query.args.get("limit")
    if isinstance(limit, exp.Limit) and limit.expression is not None and limit.expression.name.upper() == "ALL":
        query.set("limit", None)
    return query


def split(text: str) -> list[str]:
    """The expressions after USING."""
    if not text.strip():
        return []
    return [render_own(one) for one in parse(f"SELECT {text}").expressions]


def render(query: exp.Expr) -> str:
    """In DuckDB's SQL."""
    return str(functions.mend(query.copy()).sql("duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE))


def render_own(query: exp.Expr) -> str:
    """In Athena's own."""
    return str(query.sql("athena"))


def _place(node: exp.Expr) -> tuple[int, int]:
    """Line and column of its first word."""
    told = [one.meta for one in node.walk() if "line" in one.meta]
    if not told:
        return 1, 1
    first = min(told, key=lambda meta: int(meta.get("start", 0)))
    length = int(first.get("end", 0)) - int(first.get("start", 0))
    return int(first["line"]), max(1, int(first["col"]) - length)


def _line(node: exp.Expr) -> str:
    return "{}:{}".format(*_place(node))
