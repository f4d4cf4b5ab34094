"""What Lake Formation grants something on: the catalogue, databases, tables, columns, cells, places in S3.

https://docs.aws.amazon.com/lake-formation/latest/dg/lf-permissions-reference.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

CATALOG, DATABASE, TABLE, EVERY, COLUMNS = "catalog", "database", "table", "every table", "columns"
LOCATION, CELLS = "location", "cells"
NEW = "new tables"  # of a database, which IAM alone does not decide of
ALL, SELECT, DESCRIBE = "ALL", "SELECT", "DESCRIBE"
_OF_TABLES = (ALL, SELECT, "ALTER", "DROP", "DELETE", "INSERT", DESCRIBE)
# What can be granted on each.
PERMISSIONS: dict[str, tuple[str, ...]] = {
    CATALOG: (ALL, "CREATE_DATABASE"),
    DATABASE: (ALL, "ALTER", "CREATE_TABLE", DESCRIBE, "DROP"),
    TABLE: _OF_TABLES,
    EVERY: _OF_TABLES,
    COLUMNS: (SELECT,),
    LOCATION: ("DATA_LOCATION_ACCESS",),
    CELLS: (SELECT,),
}


@dataclass(frozen=True)
class Thing:
    """name: of a table, or a place's ARN. column: one of its columns. excluded: all columns but these; None: no
    such wildcard. filter: the name of a data cells filter."""

    kind: str
    database: str = ""
    name: str = ""
    column: str = ""
    excluded: tuple[str, ...] | None = None
    filter: str = ""

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:40]


def read(resource: dict[str, Any]) -> list[Thing]:
    """A Resource of the API; each of the columns that it names is one. ValueError: it is not one thing."""
    given = [name for name, value in resource.items() if value is not None]
    if len(given) != 1:
        raise ValueError("Exactly one resource must be provided.")
    name, value = given[0], resource[given[0]]
    match name:
        case "Catalog":
            return [Thing(CATALOG)]
        case "Database":
            return [Thing(DATABASE, value["Name"].lower())]
        case "Table":
            return [_table(value)]
        case "TableWithColumns":
            return list(_columns(value))
        case "DataLocation":
            return [Thing(LOCATION, name=place(value["ResourceArn"]))]
        case "DataCellsFilter":
            told = {key: str(value.get(key) or "") for key in ("DatabaseName", "TableName", "Name")}
            if not all(told.values()):
                raise ValueError("A data cells filter is named by its database, its table and its name.")
            return [Thing(CELLS, told["DatabaseName"].lower(), told["TableName"].lower(), filter=told["Name"])]
    raise ValueError(f"{name} is not something the local cloud grants on: name databases, tables and columns.")


def _table(value: dict[str, Any]) -> Thing:
    every = value.get("TableWildcard") is not None
    if every == bool(value.get("Name")):
        raise ValueError("Either a table's name or a TableWildcard must be provided.")
    return Thing(EVERY if every else TABLE, value["DatabaseName"].lower(), (value.get("Name") or "").lower())


def _columns(value: dict[str, Any]) -> Iterator[Thing]:
    names, wildcard = value.get("ColumnNames"), value.get("ColumnWildcard")
    if bool(names) == (wildcard is not None):
        raise ValueError("Either column names or a ColumnWildcard must be provided.")
    whole = Thing(COLUMNS, value["DatabaseName"].lower(), value["Name"].lower())
    if wildcard is None:
        yield from (replace(whole, column=one.lower()) for one in dict.fromkeys(names or ()))
        return
    excluded = tuple(sorted({one.lower() for one in wildcard.get("ExcludedColumnNames") or ()}))
    yield replace(whole, excluded=excluded) if excluded else Thing(TABLE, whole.database, whole.name)


def told(thing: Thing, account: str, columns: tuple[str, ...] = ()) -> dict[str, Any]:
    """As the API has it. columns: all that one grant names."""
    of = {"CatalogId": account, "DatabaseName": thing.database}
    match thing.kind:
        case "catalog":
            return {"Catalog": {}}
        case "database":
            return {"Database": {"CatalogId": account, "Name": thing.database}}
        case "table":
            return {"Table": of | {"Name": thing.name}}
        case "every table":
            return {"Table": of | {"Name": "ALL_TABLES", "TableWildcard": {}}}
        case "location":
            return {"DataLocation": {"CatalogId": account, "ResourceArn": thing.name}}
        case "cells":
            named = {"TableCatalogId": account, "DatabaseName": thing.database, "TableName": thing.name}
            return {"DataCellsFilter": named | {"Name": thing.filter}}
    if thing.excluded is not None:
        shown: dict[str, Any] = {"ColumnWildcard": {"ExcludedColumnNames": list(thing.excluded)}}
    else:
        shown = {"ColumnNames": list(columns or (thing.column,))}
    return {"TableWithColumns": of | {"Name": thing.name} | shown}


def place(arn: str) -> str:
    """The ARN of a place in S3, without a slash at its end. ValueError: it is none."""
    bucket = arn.removeprefix("arn:aws:s3:::")
    if not arn.startswith("arn:aws:s3:::") or not bucket.partition("/")[0]:
        raise ValueError(f"Resource ARN {arn} is not the ARN of a place in S3.")
    return arn.rstrip("/")


def place_of(uri: str) -> str:
    """s3://bucket/folder/ as an ARN; "" of anything else."""
    for start in ("s3://", "s3a://", "s3n://"):
        if uri.startswith(start):
            return f"arn:aws:s3:::{uri.removeprefix(start)}".rstrip("/")
    return ""


def within(inner: str, outer: str) -> bool:
    """Whether a place is in another. Both: ARNs without a slash at the end."""
    return bool(outer) and (inner == outer or inner.startswith(f"{outer}/"))
