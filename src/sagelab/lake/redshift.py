"""A statement in Redshift's SQL as DuckDB's.

https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_commands.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.tokens import TokenType

from sagelab.lake import dialect, errors

ROWS = dialect.ROWS
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable, exp.Drop, exp.Alter, exp.Create)
_MADE, _DROPPED = ("TABLE", "VIEW", "SCHEMA"), ("TABLE", "VIEW", "SCHEMA")
_SPREAD = ("distkey", "sortkey")  # how Redshift spreads and orders a table: taken, and of no effect here
_PROPERTIES = (exp.DistKeyProperty, exp.SortKeyProperty, exp.DistStyleProperty)
_PLAIN = re.compile(r"\s*(ANALYZE|VACUUM)\b[\w\s.,\"()%]*;?\s*", re.I)
_SYSTEM = ("information_schema", "pg_catalog")


@dataclass
class Statement:
    """sql: as it was asked. query: parsed; None: it does nothing here. outside: tables of external schemas."""

    sql: str
    query: exp.Expr | None
    before: list[str] = field(default_factory=list)
    outside: list[exp.Table] = field(default_factory=list)

    @property
    def has_rows(self) -> bool:
        return isinstance(self.query, ROWS)


def parse(sql: str) -> Statement:
    """QueryFault: it is none, or nothing here does it."""
    if _PLAIN.fullmatch(sql):
        return Statement(sql, None)
    try:
        found = [one for one in sqlglot.parse(_bare(sql), read="redshift") if one is not None]
    except sqlglot.errors.ParseError as error:
        first = (error.errors or [{}])[0]
        raise syntax(str(first.get("highlight") or "end of input")) from None
    except sqlglot.errors.TokenError:
        raise syntax(sql.strip()[:20]) from None
    if len(found) != 1:
        words = "ERROR: multiple queries in one statement are not supported" if found else "ERROR: no query"
        raise errors.QueryFault(words)
    return _settled(Statement(sql, found[0]))


def syntax(near: str) -> errors.QueryFault:
    return errors.QueryFault(f'ERROR: syntax error at or near "{near}"', errors.SYNTAX)


def _bare(sql: str) -> str:
    """Without DISTKEY and SORTKEY behind a column, which sqlglot does not read."""
    if not re.match(r"\s*CREATE\b", sql, re.I):
        return sql
    tokens = sqlglot.tokenize(sql, read="redshift")
    cut: list[tuple[int, int]] = []
    for at, token in enumerate(tokens):
        opens = at + 1 < len(tokens) and tokens[at + 1].token_type is TokenType.L_PAREN
        if token.text.lower() in _SPREAD and not opens and token.token_type is not TokenType.STRING:
            cut.append((token.start, token.end + 1))
    for start, end in reversed(cut):
        sql = sql[:start] + sql[end:]
    return sql


def _settled(found: Statement) -> Statement:
    query = found.query
    assert query is not None
    if isinstance(query, exp.Command | exp.Set | exp.Grant | exp.Transaction | exp.Commit | exp.Rollback):
        word = (query.name if isinstance(query, exp.Command) else type(query).__name__).upper()
        raise errors.QueryFault(f"ERROR: {word} is not something the local cloud's warehouse does.")
    if not isinstance(query, ROWS + _CHANGES):
        raise syntax(query.sql("redshift").split(" ")[0])
    if isinstance(query, exp.Create):
        _settle_table(found, query)
    if isinstance(query, exp.Drop | exp.Alter) and str(query.args.get("kind") or "TABLE").upper() not in _DROPPED:
        raise errors.QueryFault(
            f"ERROR: {query.args.get('kind')} is not something the local cloud's warehouse drops."
        )
    for function in query.find_all(exp.Func):
        dialect.check_function(function)
    return found


def _settle_table(found: Statement, query: exp.Create) -> None:
    if str(query.kind).upper() not in _MADE:
        raise errors.QueryFault(f"ERROR: CREATE {query.kind} is not something the local cloud's warehouse does.")
    properties = query.args.get("properties")
    if properties:
        kept = [one for one in properties.expressions if not isinstance(one, _PROPERTIES)]
        query.set("properties", exp.Properties(expressions=kept) if kept else None)
    for column in query.find_all(exp.ColumnDef):
        kept = []
        for one in column.args.get("constraints") or ():
            kind = one.args.get("kind")
            if isinstance(kind, exp.GeneratedAsIdentityColumnConstraint):
                kept.append(_identity(found, query, column, kind))
            elif not isinstance(kind, exp.EncodeColumnConstraint):
                kept.append(one)
        column.set("constraints", kept)


def _identity(
    found: Statement, query: exp.Create, column: exp.ColumnDef, kind: exp.GeneratedAsIdentityColumnConstraint
) -> exp.Expr:
    """IDENTITY(seed, step) is a sequence, whose next value is the column's default."""
    table = query.find(exp.Table)
    assert table is not None
    name = f"{table.name}_{column.name}_seq".lower()
    full = f"{table.db or 'public'}.{name}"
    start, step = (str(kind.args.get(one) or default) for one, default in (("start", "1"), ("increment", "1")))
    if not re.fullmatch(r"-?\d{1,18}", start) or not re.fullmatch(r"-?\d{1,18}", step):
        raise errors.QueryFault("ERROR: identity seed and step must be numbers")
    made = exp.to_table(full)
    low = f"MINVALUE {min(0, int(start))} " if int(step) > 0 else ""
    text = f"CREATE SEQUENCE IF NOT EXISTS {made.sql('duckdb', identify=True)} {low}START {start} INCREMENT {step}"
    found.before.append(text)
    default = exp.Anonymous(this="nextval", expressions=[exp.Literal.string(full)])
    return exp.ColumnConstraint(kind=exp.DefaultColumnConstraint(this=default))


def name_tables(found: Statement, schemas: dict[str, str]) -> None:
    """Find the tables of external schemas. schemas: name -> the catalogue of DuckDB's that has their views."""
    query = found.query
    if query is None:
        return
    for node in list(query.find_all(exp.Table)):
        if isinstance(node.this, exp.Func) or not isinstance(node.this, exp.Identifier):
            continue
        if node.name.lower().startswith("duckdb_") or node.catalog:
            raise errors.QueryFault(f'ERROR: relation "{node.name}" does not exist', errors.NO_TABLE)
        if node.db.lower() in schemas:
            if node.parent is not None and not _is_read(node):
                raise errors.QueryFault("ERROR: Operation not supported on external tables")
            found.outside.append(node)
        elif not node.db and "pg_" in node.name.lower()[:3]:
            node.set("db", exp.to_identifier(_SYSTEM[1]))


def _is_read(node: exp.Table) -> bool:
    """Whether a table is one that rows come from."""
    above = node.parent
    return isinstance(above, exp.From | exp.Join | exp.Lateral | exp.Subquery)


def fill(found: Statement, parameters: list[dict[str, str]]) -> None:
    """Put values in the places of :name. QueryFault: one has no value."""
    given = {one["name"]: one["value"] for one in parameters}
    if found.query is None:
        return
    for place in list(found.query.find_all(exp.Placeholder)):
        name = str(place.this or "")
        if name not in given:
            raise errors.QueryFault(f"ERROR: parameter :{name} has no value")
        value = exp.Literal.string(given[name])
        # An untyped text takes the type that stands beside it, as in PostgreSQL.
        place.replace(value)


def render(query: exp.Expr) -> str:
    return str(query.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE))
