"""Statements about tables and databases, in the words of Hive: read into what they ask for.

https://docs.aws.amazon.com/athena/latest/ug/ddl-reference.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sagelab.lake import types
from sagelab.lake.tokens import Name, Reader


@dataclass
class Column:
    name: str
    type: str
    comment: str = ""


@dataclass
class Spec:
    """One partition that a statement names. location: "" where it says none."""

    values: list[tuple[str, str, str]]  # (key, comparison, value)
    location: str = ""


@dataclass
class Asked:
    """A statement. verb: "create table", "show partitions" ... ; the rest as far as the verb has it."""

    verb: str
    name: Name = field(default_factory=lambda: Name("", ""))
    lenient: bool = False  # IF [NOT] EXISTS
    columns: list[Column] = field(default_factory=list)
    partitions: list[Column] = field(default_factory=list)
    comment: str = ""
    location: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    serde: str = ""
    serde_properties: dict[str, str] = field(default_factory=dict)
    stored_as: str = ""
    input_format: str = ""
    output_format: str = ""
    delimiters: dict[str, str] = field(default_factory=dict)
    specs: list[Spec] = field(default_factory=list)
    like: str = ""
    cascade: bool = False
    extended: bool = False


def read(sql: str) -> Asked | None:
    """What a statement about tables asks for; None: it is none. QueryFault: it is not in Hive's form."""
    reader = Reader(sql)
    for words, act in _STATEMENTS:
        if reader.take(*words):
            asked = act(reader)
            reader.end()
            return asked
    return None


def _create_database(reader: Reader) -> Asked:
    asked = Asked("create database", lenient=reader.take("if", "not", "exists"))
    asked.name = Name(reader.word(), "")
    while not reader.done and not reader.peek(";"):
        if reader.take("comment"):
            asked.comment = reader.text()
        elif reader.take("location"):
            asked.location = reader.text()
        elif reader.take("with", "dbproperties"):
            asked.properties = reader.pairs()
        else:
            raise reader.fault()
    return asked


def _drop_database(reader: Reader) -> Asked:
    asked = Asked("drop database", lenient=reader.take("if", "exists"))
    asked.name = Name(reader.word(), "")
    asked.cascade = reader.take("cascade")
    reader.take("restrict")
    return asked


def _create_table(reader: Reader) -> Asked:
    asked = Asked("create table", lenient=reader.take("if", "not", "exists"))
    asked.name = reader.name()
    if reader.peek("("):
        asked.columns = _columns(reader)
    while not reader.done and not reader.peek(";"):
        _table_clause(reader, asked)
    return asked


def _table_clause(reader: Reader, asked: Asked) -> None:
    if reader.take("comment"):
        asked.comment = reader.text()
    elif reader.take("partitioned", "by"):
        asked.partitions = _columns(reader)
    elif reader.take("row", "format", "serde"):
        asked.serde = reader.text()
        if reader.take("with", "serdeproperties"):
            asked.serde_properties = reader.pairs()
    elif reader.take("row", "format", "delimited"):
        _delimiters(reader, asked)
    elif reader.take("with", "serdeproperties"):
        asked.serde_properties = reader.pairs()
    elif reader.take("stored", "as", "inputformat"):
        asked.input_format = reader.text()
        reader.need("outputformat")
        asked.output_format = reader.text()
    elif reader.take("stored", "as"):
        asked.stored_as = reader.word()
    elif reader.take("location"):
        asked.location = reader.text()
    elif reader.take("tblproperties"):
        asked.properties = reader.pairs()
    elif reader.peek("clustered"):
        raise reader.fault("CLUSTERED BY is not something the local cloud can do")
    else:
        raise reader.fault()


def _delimiters(reader: Reader, asked: Asked) -> None:
    ways = {
        ("fields", "terminated", "by"): "field.delim",
        ("escaped", "by"): "escape.delim",
        ("collection", "items", "terminated", "by"): "collection.delim",
        ("map", "keys", "terminated", "by"): "mapkey.delim",
        ("lines", "terminated", "by"): "line.delim",
        ("null", "defined", "as"): "serialization.null.format",
    }
    asked.delimiters = {"serialization.format": ","}
    found = True
    while found:
        found = False
        for words, name in ways.items():
            if reader.take(*words):
                asked.delimiters[name], found = reader.text(), True


def _columns(reader: Reader) -> list[Column]:
    reader.need("(")
    found = []
    while True:
        name = reader.word()
        found.append(Column(name, _type(reader)))
        if reader.take("comment"):
            found[-1].comment = reader.text()
        if reader.take(")"):
            return found
        reader.need(",")


def _type(reader: Reader) -> str:
    """The text of a type, checked."""
    begin, depth = reader.at, 0
    while reader.at < len(reader.tokens):
        token = reader.tokens[reader.at]
        plain = depth == 0 and reader.at > begin
        if plain and (token.text in (",", ")") or token.text.lower() == "comment"):
            break
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(token.text, 0)
        reader.at += 1
    text = "".join(one.text for one in reader.tokens[begin : reader.at])
    try:
        return str(types.read(text))
    except (types.BadType, ValueError):
        reader.at = begin
        raise reader.fault() from None


def _drop(verb: str) -> Callable[[Reader], Asked]:
    def act(reader: Reader) -> Asked:
        asked = Asked(verb, lenient=reader.take("if", "exists"))
        asked.name = reader.name()
        return asked

    return act


def _named(verb: str) -> Callable[[Reader], Asked]:
    def act(reader: Reader) -> Asked:
        return Asked(verb, reader.name())

    return act


def _show_tables(verb: str) -> Callable[[Reader], Asked]:
    def act(reader: Reader) -> Asked:
        asked = Asked(verb)
        if reader.take("in") or reader.take("from"):
            asked.name = Name(reader.word(), "")
        reader.take("like")
        if not reader.done and not reader.peek(";"):
            asked.like = reader.text()
        return asked

    return act


def _show_columns(reader: Reader) -> Asked:
    if not (reader.take("in") or reader.take("from")):
        raise reader.fault()
    asked = Asked("show columns", reader.name())
    if reader.take("in") or reader.take("from"):
        asked.name = Name(reader.word(), asked.name.table)
    return asked


def _show_partitions(reader: Reader) -> Asked:
    return Asked("show partitions", reader.name())


def _describe(reader: Reader) -> Asked:
    extended = reader.take("extended") or reader.take("formatted")
    asked = Asked("describe", reader.name(), extended=extended)
    if reader.peek("partition"):
        raise reader.fault("DESCRIBE of a partition is not something the local cloud can do")
    return asked


def _alter(reader: Reader) -> Asked:
    name = reader.name()
    if reader.take("add"):
        lenient = reader.take("if", "not", "exists")
        if reader.take("columns"):
            return Asked("add columns", name, columns=_columns(reader))
        return Asked("add partition", name, lenient=lenient, specs=_specs(reader))
    if reader.take("drop"):
        lenient = reader.take("if", "exists")
        return Asked("drop partition", name, lenient=lenient, specs=_specs(reader))
    if reader.take("replace", "columns"):
        return Asked("replace columns", name, columns=_columns(reader))
    if reader.take("set", "tblproperties"):
        return Asked("set properties", name, properties=reader.pairs())
    if reader.take("set", "location"):
        return Asked("set location", name, location=reader.text())
    specs = _specs(reader) if reader.peek("partition") else []
    if specs and reader.take("set", "location"):
        return Asked("set location", name, location=reader.text(), specs=specs)
    if specs and reader.take("rename", "to"):
        return Asked("rename partition", name, specs=[*specs, *_specs(reader)])
    raise reader.fault()


def _specs(reader: Reader) -> list[Spec]:
    found = []
    while reader.take("partition"):
        reader.need("(")
        values = []
        while not reader.take(")"):
            key, how = reader.word(), reader.next().text
            if how not in ("=", "<", ">", "<=", ">=", "!=", "<>"):
                raise reader.fault()
            values.append((key, how, reader.value()))
            reader.take(",")
        found.append(Spec(values, reader.text() if reader.take("location") else ""))
        reader.take(",")
    if not found:
        raise reader.fault()
    return found


_STATEMENTS: tuple[tuple[tuple[str, ...], Callable[[Reader], Asked]], ...] = (
    (("create", "database"), _create_database),
    (("create", "schema"), _create_database),
    (("drop", "database"), _drop_database),
    (("drop", "schema"), _drop_database),
    (("create", "external", "table"), _create_table),
    (("drop", "table"), _drop("drop table")),
    (("drop", "view"), _drop("drop view")),
    (("show", "databases"), _show_tables("show databases")),
    (("show", "schemas"), _show_tables("show databases")),
    (("show", "tables"), _show_tables("show tables")),
    (("show", "views"), _show_tables("show views")),
    (("show", "partitions"), _show_partitions),
    (("show", "columns"), _show_columns),
    (("show", "tblproperties"), _named("show properties")),
    (("show", "create", "table"), _named("show create table")),
    (("show", "create", "view"), _named("show create view")),
    (("msck", "repair", "table"), _named("repair")),
    (("alter", "table"), _alter),
    (("describe",), _describe),
    (("desc",), _describe),
)
