"""Tables of the catalogue, read and written as frames.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-partitions.html
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 # as all name it

from sagelab.spark.awsglue import choices, sinks, sources
from sagelab.spark.awsglue.sources import Format, Source

_INPUTS = {
    "json": "org.apache.hadoop.mapred.TextInputFormat",
    "csv": "org.apache.hadoop.mapred.TextInputFormat",
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "orc": "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
}
_SERDES = {
    "json": "org.openx.data.jsonserde.JsonSerDe",
    "csv": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "orc": "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
}


class Table:
    """found: as GetTable has it."""

    def __init__(self, session: SparkSession, found: dict[str, Any]) -> None:
        self._session, self._found = session, found
        self._storage: dict[str, Any] = found.get("StorageDescriptor") or {}
        self._keys = [(one["Name"], one.get("Type", "string")) for one in found.get("PartitionKeys") or ()]

    @property
    def format(self) -> str:
        """ValueError: it is none that is read here."""
        named = (self._found.get("Parameters") or {}).get("classification", "")
        serde = str((self._storage.get("SerdeInfo") or {}).get("SerializationLibrary", "")).lower()
        for word in ("parquet", "json", "orc"):
            if named == word or word in serde:
                return word
        if named in ("", "csv") or "lazysimple" in serde or "opencsv" in serde:
            return "csv"
        raise ValueError(f"table {self._found['Name']}: {named} is not something the local cloud can read")

    @property
    def _format(self) -> Format:
        types = {one["Name"]: one.get("Type", "string") for one in self._storage.get("Columns") or ()}
        if self.format != "csv":
            return Format(self.format)
        serde = (self._storage.get("SerdeInfo") or {}).get("Parameters") or {}
        both = serde | (self._found.get("Parameters") or {})
        options = {
            "separator": both.get("separatorChar") or both.get("field.delim") or both.get("delimiter") or ","
        }
        options["withHeader"] = str(both.get("skip.header.line.count", "0") not in ("", "0"))
        return Format("csv", options, types)

    def read(self, predicate: str, context: str) -> Source:
        """Its files that the bookmark of a context has not seen."""
        if not self._keys:
            found = list(sources.objects([self._place(self._storage)], [], recurse=True))
            return sources.read(self._session, sources.unseen(found, context), self._format)
        read = [self._read(values, uris) for values, uris in self._parts(predicate, context) if uris]
        if not read:
            return sources.read(self._session, [], Format(self.format, {}, self._types()))
        frame = reduce(
            lambda one, other: one.unionByName(other, allowMissingColumns=True), [one.frame for one in read]
        )
        bad = [one.malformed for one in read if one.malformed is not None]
        return Source(frame, reduce(DataFrame.union, bad) if bad else None)

    def _types(self) -> dict[str, str]:
        own = {
            one["Name"]: choices.spark_type(one.get("Type", "string"))
            for one in self._storage.get("Columns") or ()
        }
        return own | {name: choices.spark_type(kind) for name, kind in self._keys}

    def _parts(self, predicate: str, context: str) -> Iterator[tuple[list[str], list[str]]]:
        """(values of a partition, its files): one read for all of them, as the bookmark has them together."""
        wanted = self._wanted(predicate)
        places = [(one["Values"], self._place(one["StorageDescriptor"])) for one in wanted]
        found = [(uri, at) for _, place in places for uri, at in sources.objects([place], [], recurse=True)]
        fresh = set(sources.unseen(found, context))
        for values, place in places:
            yield values, [uri for uri, _ in found if uri in fresh and uri.startswith(place)]

    def _wanted(self, predicate: str) -> list[dict[str, Any]]:
        """Partitions, of which a predicate in SQL is true."""
        pages = sources.client("glue").get_paginator("get_partitions")
        named = {"DatabaseName": self._found["DatabaseName"], "TableName": self._found["Name"]}
        all_ = [one for page in pages.paginate(**named) for one in page["Partitions"]]
        if not predicate or not all_:
            return all_
        rows = [(number, *one["Values"]) for number, one in enumerate(all_)]
        names = ", ".join(["_number int", *(f"`{name}` string" for name, _ in self._keys)])
        frame = self._session.createDataFrame(rows, names)
        for name, kind in self._keys:
            frame = frame.withColumn(name, F.col(f"`{name}`").cast(choices.spark_type(kind)))
        return [all_[row["_number"]] for row in frame.where(predicate).collect()]

    def _read(self, values: list[str], uris: list[str]) -> Source:
        read = sources.read(self._session, uris, self._format)
        frame = read.frame
        for (name, kind), value in zip(self._keys, values, strict=True):
            frame = frame.withColumn(name, F.lit(unquote(value)).cast(choices.spark_type(kind)))
        return Source(frame, read.malformed)

    @staticmethod
    def _place(storage: dict[str, Any]) -> str:
        return f"{str(storage['Location']).rstrip('/')}/"

    def write(self, frame: DataFrame, options: dict[str, Any]) -> None:
        place, keys = self._place(self._storage), [name for name, _ in self._keys]
        own = {} if self.format != "csv" else {"writeHeader": self._format.options["withHeader"]}
        sinks.write(frame, place, self.format, own, {"partitionKeys": keys})
        if options.get("enableUpdateCatalog"):
            add_partitions(frame, self._found, keys)


def keep(frame: DataFrame, table: tuple[str, str], place: str, form: str, keys: list[str]) -> None:
    """Make the catalogue's table of what was written, or add to it what is new."""
    glue, (database, name) = sources.client("glue"), table
    kinds = {one.name.lower(): choices.glue_type(one.dataType.simpleString()) for one in frame.schema.fields}
    hive = {
        name: {"long": "bigint", "short": "smallint", "byte": "tinyint"}.get(kind, kind)
        for name, kind in kinds.items()
    }
    low = [key.lower() for key in keys]
    storage = {
        "Columns": [{"Name": one, "Type": kind} for one, kind in hive.items() if one not in low],
        "Location": place,
        "InputFormat": _INPUTS[form],
        "SerdeInfo": {"SerializationLibrary": _SERDES[form]},
    }
    made: dict[str, Any] = {"Name": name, "TableType": "EXTERNAL_TABLE", "Parameters": {"classification": form}}
    made |= {"StorageDescriptor": storage, "PartitionKeys": [{"Name": one, "Type": hive[one]} for one in low]}
    try:
        glue.create_table(DatabaseName=database, TableInput=made)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AlreadyExistsException":
            raise
        glue.update_table(DatabaseName=database, TableInput=made)
    add_partitions(frame, made | {"DatabaseName": database}, keys)


def add_partitions(frame: DataFrame, table: dict[str, Any], keys: list[str]) -> None:
    """Those of what was written that the catalogue does not have."""
    if not keys:
        return
    storage = table["StorageDescriptor"]
    rows = frame.select(*(F.col(f"`{key}`").cast("string") for key in keys)).distinct().collect()
    glue = sources.client("glue")
    named = {"DatabaseName": table["DatabaseName"], "TableName": table["Name"]}
    inputs: list[Any] = []
    for row in rows:
        folders = "/".join(f"{key}={value}" for key, value in zip(keys, row, strict=True))
        where = f"{str(storage['Location']).rstrip('/')}/{folders}/"
        inputs.append({"Values": list(row), "StorageDescriptor": storage | {"Location": where}})
    for start in range(0, len(inputs), 100):
        glue.batch_create_partition(**named, PartitionInputList=inputs[start : start + 100])
