"""What CTAS, INSERT INTO and UNLOAD write: files of a format, in folders of partitions, and their manifest.

https://docs.aws.amazon.com/athena/latest/ug/create-table-as.html
https://docs.aws.amazon.com/athena/latest/ug/unload.html
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from sagelab.lake import errors, types
from sagelab.lake.filesystem import PROTOCOL
from sagelab.lake.tables import Place
from sagelab.lake.types import HiveType, literal, quoted

MOST = 100  # partitions that one statement writes
_ENDINGS = {"gzip": ".gz", "zstd": ".zst", "none": ""}
_PARQUET = {"SNAPPY": "snappy", "GZIP": "gzip", "ZSTD": "zstd", "LZ4": "lz4_raw", "NONE": "uncompressed"}
_TEXT = {"GZIP": "gzip", "NONE": "none", "ZSTD": "zstd"}
SERDES = {
    "PARQUET": (
        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    ),
    "TEXTFILE": (
        "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
        "org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    "CSV": (
        "org.apache.hadoop.hive.serde2.OpenCSVSerde",
        "org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    "JSON": (
        "org.apache.hive.hcatalog.data.JsonSerDe",
        "org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
}


@dataclass(frozen=True)
class Target:
    """Where and how rows are written. location: ends in "/". partitioned: the last columns, its keys."""

    location: str
    format: str = "PARQUET"
    compression: str = ""
    delimiter: str = "\x01"
    partitioned: tuple[str, ...] = ()
    put: dict[str, Any] = field(default_factory=dict)


@dataclass
class Written:
    """rows: how many. files: what was written. partitions: values -> where."""

    rows: int = 0
    files: list[str] = field(default_factory=list)
    partitions: dict[tuple[str, ...], str] = field(default_factory=dict)


def check(target: Target) -> Target:
    """The target with its compression. QueryFault: nothing here writes that."""
    if target.format not in SERDES:
        words = f"The format {target.format} is none that the local cloud writes: PARQUET, JSON, TEXTFILE, CSV."
        raise errors.QueryFault(f"NOT_SUPPORTED: {words}")
    known = _PARQUET if target.format == "PARQUET" else _TEXT
    asked = target.compression or ("GZIP" if target.format != "PARQUET" else "SNAPPY")
    if asked not in known:
        raise errors.QueryFault(f"NOT_SUPPORTED: Unsupported compression {asked} for {target.format}")
    return Target(target.location, target.format, asked, target.delimiter, target.partitioned, target.put)


def write(place: Place, sql: str, names: list[str], target: Target) -> Written:
    """Run a query and put its rows into files; nothing is in S3 before all of it has run."""
    target = check(target)
    split = [name.lower() for name in target.partitioned]
    _check_partitions(names, split)
    chosen = ((f"CAST({quoted(name)} AS VARCHAR) AS " if name in split else "") + quoted(name) for name in names)
    columns = ", ".join(chosen)
    options = [*_options(target), "OVERWRITE_OR_IGNORE true"] if split else _options(target)
    ending = _ENDINGS.get(_TEXT[target.compression], "") if target.format != "PARQUET" else ""
    stem = f"{uuid.uuid4()}"
    inner = ", ".join(quoted(name) for name in names)
    copied = f"SELECT {columns} FROM ({sql}) AS answer({inner})"
    if split:
        by = ", ".join(quoted(name) for name in split)
        options += [f"PARTITION_BY ({by})", f"FILENAME_PATTERN '{stem}_{{i}}'"]
        address = f"{PROTOCOL}://made"
    else:
        address = f"{PROTOCOL}://made/{stem}{ending}"
    done = place.connection.execute(f"COPY ({copied}) TO '{address}' ({', '.join(options)})").fetchone()
    written = Written(int(done[0]) if done else 0)
    _upload(place, target, written, split, ending)
    return written


def _check_partitions(names: list[str], split: list[str]) -> None:
    if not split:
        return
    if missing := [name for name in split if name not in names]:
        words = f"Partition column(s) [{', '.join(missing)}] not present in schema"
        raise errors.QueryFault(f"HIVE_COLUMN_ORDER_MISMATCH: {words}")
    if names[-len(split) :] != split:
        words = (
            "Partition keys must be the last columns in the table and in the same order as the table properties"
        )
        raise errors.QueryFault(f"HIVE_COLUMN_ORDER_MISMATCH: {words}: [{', '.join(split)}]")
    if len(names) == len(split):
        raise errors.QueryFault("INVALID_TABLE_PROPERTY: Table contains only partition columns")


def _options(target: Target) -> list[str]:
    if target.format == "PARQUET":
        return ["FORMAT parquet", f"COMPRESSION {_PARQUET[target.compression]}"]
    packed = [f"COMPRESSION {_TEXT[target.compression]}"]
    if target.format == "JSON":
        return ["FORMAT json", "TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S.%g'", *packed]
    if target.format == "CSV":
        return ["FORMAT csv", "HEADER false", "FORCE_QUOTE *", *packed]
    marks = [f"DELIMITER {literal(target.delimiter)}", "QUOTE ''", "ESCAPE ''", "NULLSTR '\\N'"]
    return ["FORMAT csv", "HEADER false", *marks, "TIMESTAMPFORMAT '%Y-%m-%d %H:%M:%S.%g'", *packed]


def _upload(place: Place, target: Target, written: Written, split: list[str], ending: str) -> None:
    made = {name: content for name, content in place.files.written.items() if name.startswith("made/")}
    folders = {name.removeprefix("made/").rpartition("/")[0] for name in made} if split else set()
    if len(folders) > MOST:
        words = f"Exceeded limit of {MOST} open writers for partitions/buckets"
        raise errors.QueryFault(f"HIVE_TOO_MANY_OPEN_PARTITIONS: {words}")
    for name, content in made.items():
        rest = name.removeprefix("made/")
        folder, _, file = rest.rpartition("/")
        stem = file.partition(".")[0] + ending
        uri = f"{target.location}{f'{folder}/' if folder else ''}{stem}"
        content.seek(0)
        if split:
            values = tuple(unquote(part.partition("=")[2]) for part in folder.split("/"))
            written.partitions[values] = f"{target.location}{folder}/"
        elif written.rows == 0 and target.format == "PARQUET":
            continue
        place.objects.put(uri, content, target.put)
        written.files.append(uri)


def storage(target: Target, columns: list[tuple[str, HiveType]]) -> dict[str, Any]:
    """The StorageDescriptor of a table of such files."""
    target = check(target)
    library, given, taken = SERDES[target.format]
    parameters = {"serialization.format": "1"}
    if target.format == "TEXTFILE":
        parameters = {"serialization.format": target.delimiter, "field.delim": target.delimiter}
    if target.format == "CSV":
        parameters = {"separatorChar": ",", "quoteChar": '"'}
    return {
        "Columns": [{"Name": name, "Type": str(kind)} for name, kind in columns],
        "Location": target.location,
        "InputFormat": given,
        "OutputFormat": taken,
        "Compressed": False,
        "NumberOfBuckets": 0,
        "SerdeInfo": {"SerializationLibrary": library, "Parameters": parameters},
        "Parameters": {},
    }


def manifest(written: Written) -> bytes:
    return "".join(f"{one}\n" for one in written.files).encode()


def check_empty(place: Place, location: str) -> None:
    """QueryFault: there is something at the place of a new table."""
    for _ in place.objects.list(location):
        raise errors.QueryFault(f"HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {location}")


def named(kinds: list[Any], names: list[str]) -> Iterator[tuple[str, HiveType]]:
    """The columns of a table that a query makes. QueryFault: one has no name, or two have one."""
    seen: set[str] = set()
    for name, kind in zip(names, kinds, strict=True):
        lower = name.lower()
        if lower in seen:
            raise errors.QueryFault(
                f"DUPLICATE_COLUMN_NAME: line 1:1: Column name '{name}' specified more than once"
            )
        seen.add(lower)
        yield lower, types.of_table(kind)
