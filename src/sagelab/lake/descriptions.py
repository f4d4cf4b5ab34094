"""Tables as the catalogue is told of them, and as SHOW and DESCRIBE tell of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sagelab.lake import errors, types
from sagelab.lake.catalog import Table
from sagelab.lake.ddl import Asked, Column
from sagelab.lake.writes import SERDES

_FORMATS = {
    "parquet": "PARQUET",
    "textfile": "TEXTFILE",
    "jsonfile": "JSON",
    "sequencefile": "",
    "orc": "",
    "avro": "",
}


def plain(columns: list[Column]) -> list[dict[str, str]]:
    return [
        {"Name": one.name, "Type": one.type} | ({"Comment": one.comment} if one.comment else {}) for one in columns
    ]


def storage(asked: Asked) -> dict[str, object]:
    kind = _FORMATS.get(asked.stored_as, "") if asked.stored_as else "TEXTFILE"
    if not kind:
        words = f"STORED AS {asked.stored_as.upper()} is not something the local cloud reads."
        raise errors.QueryFault(f"NOT_SUPPORTED: {words}")
    library, given, taken = SERDES[kind]
    options = asked.serde_properties or asked.delimiters or {"serialization.format": "1"}
    if asked.delimiters.get("field.delim"):
        options = options | {"serialization.format": asked.delimiters["field.delim"]}
    return {
        "Columns": plain(asked.columns),
        "Location": asked.location,
        "InputFormat": asked.input_format or given,
        "OutputFormat": asked.output_format or taken,
        "SerdeInfo": {"SerializationLibrary": asked.serde or library, "Parameters": options},
        "Compressed": False,
        "NumberOfBuckets": -1,
    }


def described(name: str, kind: str, comment: str) -> list[str]:
    return [f"{name:<20}\t{kind:<20}\t{comment:<20}"]


def written(table: Table) -> Iterator[str]:
    """The statement that makes a table."""
    yield f"CREATE EXTERNAL TABLE `{table.name}`("
    for number, (name, kind) in enumerate(table.columns):
        yield f"  `{name}` {kind}{')' if number == len(table.columns) - 1 else ', '}"
    if table.keys:
        yield "PARTITIONED BY ( "
        for number, (name, kind) in enumerate(table.keys):
            yield f"  `{name}` {kind}{')' if number == len(table.keys) - 1 else ', '}"
    serde = table.storage.get("SerdeInfo") or {}
    yield f"ROW FORMAT SERDE \n  {_said(serde.get('SerializationLibrary', ''))} ".replace("\n", "")
    if pairs := serde.get("Parameters"):
        yield "WITH SERDEPROPERTIES ( "
        yield ", ".join(f"{_said(key)}={_said(value)}" for key, value in sorted(pairs.items())) + ") "
    yield f"STORED AS INPUTFORMAT {_said(table.storage.get('InputFormat', ''))} "
    yield f"OUTPUTFORMAT {_said(table.storage.get('OutputFormat', ''))}"
    yield "LOCATION"
    yield f"  {_said(table.location)}"
    kept = {key: value for key, value in table.parameters.items() if key != "EXTERNAL"}
    if kept:
        yield "TBLPROPERTIES ("
        yield ", ".join(f"{_said(key)}={_said(value)}" for key, value in sorted(kept.items())) + ")"


def _said(text: object) -> str:
    return types.literal(re.sub(r"[\x00-\x1f]", lambda found: f"\\u{ord(found[0]):04X}", str(text)))
