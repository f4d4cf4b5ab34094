"""Files of S3 that frames are written to.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-connect-s3-home.html
"""

from __future__ import annotations

import time
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from sagelab.spark.awsglue import choices, sources

FORMATS = {"json": "json", "csv": "csv", "parquet": "parquet", "glueparquet": "parquet", "orc": "orc"}
_COMPRESSED = {
    "gz": "gzip",
    "gzip": "gzip",
    "snappy": "snappy",
    "bzip2": "bzip2",
    "none": "none",
    "uncompressed": "none",
}


def write(frame: DataFrame, place: str, form: str, options: dict[str, Any], given: dict[str, Any]) -> None:
    """Files are added to those that are there. ValueError: nothing here writes such a format."""
    if form not in FORMATS:
        raise ValueError(f"format {form!r} is not something the local cloud can write: {', '.join(FORMATS)} are")
    for name in choices.members(frame):
        frame = choices.resolved(frame, name, "make_struct")
    writer = frame.write.mode("append")
    if keys := given.get("partitionKeys"):
        writer = writer.partitionBy(*keys)
    if packed := given.get("compression") or options.get("compression"):
        writer = writer.option("compression", _COMPRESSED.get(str(packed).lower(), str(packed)))
    if form == "csv":
        head = str(options.get("writeHeader", True)).lower() != "false"
        writer = writer.options(
            header=head, sep=options.get("separator", ","), quote=options.get("quoteChar", '"')
        )
    writer.save(place, format=FORMATS[form])


def purge(place: str, hours: float) -> None:
    limit = time.time() - hours * 3600
    from urllib.parse import urlparse

    bucket = urlparse(place).netloc
    old = [uri for uri, at in sources.objects([place], [], recurse=True) if at < limit]
    for start in range(0, len(old), 1000):
        keys = [{"Key": uri[len(f"s3://{bucket}/") :]} for uri in old[start : start + 1000]]
        sources.client("s3").delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})


class Sink:
    """What a context's getSink gives: files, and the catalogue's table of them."""

    def __init__(self, session: SparkSession, place: str, options: dict[str, Any]) -> None:
        self._session, self._place, self._given = session, place, options
        self._form, self._options = "json", dict[str, Any]()
        self._table: tuple[str, str] | None = None

    def setFormat(self, format: str, **options: Any) -> None:  # noqa: N802
        self._form, self._options = format, options

    def setCatalogInfo(self, catalogDatabase: str, catalogTableName: str, **_: Any) -> None:  # noqa: N802, N803
        self._table = (catalogDatabase, catalogTableName)

    def writeFrame(self, dynamic_frame: Any, info: str = "") -> Any:  # noqa: N802, ARG002
        frame = dynamic_frame.toDF()
        write(frame, self._place, self._form, self._options, self._given)
        if self._table and self._given.get("enableUpdateCatalog"):
            from sagelab.spark.awsglue.catalog import keep

            keep(
                frame, self._table, self._place, FORMATS[self._form], list(self._given.get("partitionKeys") or ())
            )
        return dynamic_frame
