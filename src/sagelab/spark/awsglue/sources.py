"""What frames are read from: files of S3, by their format, those that a bookmark has not seen.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-format.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlparse

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 # as all name it

from sagelab.spark.awsglue import choices
from sagelab.spark.awsglue.job import BOOKMARK

BAND = 900.0  # seconds before a run in which a file may have come that it did not see
CORRUPT = "_sagelab_malformed"
FORMATS = ("json", "csv", "parquet", "orc", "avro", "xml", "ion", "grokLog", "hudi", "delta", "iceberg")
HERE = ("json", "csv", "parquet", "orc")


@dataclass
class Source:
    """What was read. malformed: records that are none; None: the format has none such."""

    frame: DataFrame
    malformed: DataFrame | None = None


@dataclass
class Format:
    """name: json, csv, parquet or orc. options: Glue's. types: column -> its type, where a catalogue says it."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)


@cache
def client(service: str) -> Any:
    import boto3

    return boto3.client(service)


def objects(paths: list[str], exclusions: list[str], recurse: bool) -> Iterator[tuple[str, float]]:
    """(URI, seconds since 1970) of each object with content below any of the paths."""
    from fnmatch import fnmatch

    for path in paths:
        place = urlparse(path)
        prefix = place.path.lstrip("/")
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=prefix)
        for page in pages:
            for one in page.get("Contents", ()):
                key, uri = str(one["Key"]), f"s3://{place.netloc}/{one['Key']}"
                rest = key[len(prefix) :]
                if rest and not prefix.endswith("/") and not rest.startswith("/"):
                    continue  # another object, whose name begins alike
                parts = rest.strip("/").split("/")
                hidden = any(part.startswith(("_", ".")) for part in parts)
                deep = len(parts) > 1 and not recurse and not any("=" in part for part in parts[:-1])
                if one["Size"] and not hidden and not deep and not any(fnmatch(uri, each) for each in exclusions):
                    yield uri, one["LastModified"].timestamp()


def unseen(found: list[tuple[str, float]], context: str) -> list[str]:
    """Those that no run before has read; with a bookmark, this one has now."""
    if not BOOKMARK.enabled or not context:
        return [uri for uri, _ in found]
    before = BOOKMARK.read.get(context, {})
    since, seen = float(before.get("time", 0)) - BAND, set(before.get("files", ()))
    fresh = [uri for uri, at in found if at > since and f"{uri}@{at}" not in seen]
    now = max([time.time(), *(at for _, at in found)])
    recent = [f"{uri}@{at}" for uri, at in found if at > now - BAND]
    BOOKMARK.now[context] = {"time": now, "files": recent}
    return fresh


def read(spark: SparkSession, uris: list[str], how: Format, base: str = "") -> Source:
    """ValueError: nothing here reads such a format. base: below which folders k=v are partitions."""
    if how.name not in HERE:
        known = "is not something the local cloud can read" if how.name in FORMATS else "is no format of Glue's"
        raise ValueError(f"format {how.name!r} {known}: {', '.join(HERE)} are")
    if "withSchema" in how.options:
        raise ValueError(
            "format_options withSchema is not something the local cloud can do: cast columns afterwards"
        )
    if not uris:
        return Source(spark.createDataFrame([], ", ".join(f"`{n}` {t}" for n, t in how.types.items()) or "_ int"))
    reader = spark.read.option("basePath", base) if base else spark.read
    if how.name == "csv":
        return _csv(reader, uris, how)
    if how.name == "json":
        return choices.of_json(spark, reader, uris, how.options)
    return Source(reader.load(uris, format=how.name))


def _csv(reader: Any, uris: list[str], how: Format) -> Source:
    """Every column is a string, but where a catalogue says what it is."""
    given = how.options
    header = str(given.get("withHeader", False)).lower() == "true"
    options = {"sep": given.get("separator", ","), "quote": given.get("quoteChar", '"'), "header": header}
    options |= {"escape": given.get("escaper", '"'), "mode": "PERMISSIVE", "columnNameOfCorruptRecord": CORRUPT}
    if str(given.get("multiline", given.get("multiLine", False))).lower() == "true":
        options["multiLine"] = True
    if str(given.get("skipFirst", False)).lower() == "true":
        options["header"] = True
    names = list(how.types) or reader.options(**options).load(uris, format="csv").columns
    files = [name for name in names if name != CORRUPT]
    wanted = ", ".join(f"`{name}` string" for name in (*files, CORRUPT))
    found = reader.options(**options, enforceSchema=True).schema(wanted).load(uris, format="csv").cache()
    bad = found.where(F.col(CORRUPT).isNotNull()).select(F.col(CORRUPT).alias("record"))
    good = found.where(F.col(CORRUPT).isNull()).drop(CORRUPT)
    if not how.types and not header:
        good = good.toDF(
            *(f"col{number}" if name.startswith("_c") else name for number, name in enumerate(good.columns))
        )
    return Source(choices.typed(good, how.types), bad)
