"""Where frames come from and go to: files of S3 and tables of the catalogue.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-glue-context.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from pyspark.context import SparkContext
from pyspark.sql import DataFrame, SparkSession

from sagelab.spark.awsglue import sinks, sources, streaming
from sagelab.spark.awsglue.dynamicframe import DynamicFrame

_NOT_HERE = "connection_type {!r} is not something the local cloud can do: s3 and, for data frames, kinesis are"


class GlueContext:
    """sparkContext: of the application."""

    def __init__(self, sparkContext: SparkContext, **_: Any) -> None:  # noqa: N803 # AWS's name
        self._context = sparkContext
        self.spark_session: SparkSession = SparkSession.builder.getOrCreate()
        self.create_dynamic_frame, self.write_dynamic_frame = Reader(self), Writer(self)
        self.create_data_frame = FrameReader(self)

    def __getattr__(self, name: str) -> Any:
        """What a SQLContext has: of the session, or of its context."""
        if name.startswith("__"):
            raise AttributeError(name)
        session = self.__dict__["spark_session"]
        return getattr(session, name) if hasattr(session, name) else getattr(self.__dict__["_context"], name)

    def get_logger(self) -> logging.Logger:
        return logging.getLogger("GlueLogger")

    def table(self, database: Any, name: Any) -> dict[str, Any]:
        """A table of the catalogue. botocore's ClientError: there is none, or the role may not know."""
        found: dict[str, Any] = sources.client("glue").get_table(DatabaseName=database, Name=name)["Table"]
        return found

    # Reading

    def create_dynamic_frame_from_options(
        self,
        connection_type: str,
        connection_options: dict[str, Any] | None = None,
        format: str | None = None,  # AWS's name
        format_options: dict[str, Any] | None = None,
        transformation_ctx: str = "",
        **_: Any,
    ) -> DynamicFrame:
        """ValueError: nothing here reads so."""
        given = connection_options or {}
        if connection_type not in ("s3", *sources.HERE):
            raise ValueError(_NOT_HERE.format(connection_type))
        kind = format or (connection_type if connection_type != "s3" else "")
        paths = given.get("paths") or ([given["path"]] if "path" in given else [])
        if not paths:
            raise ValueError("connection_options needs paths")
        recurse = str(given.get("recurse", False)).lower() == "true"
        exclusions = given.get("exclusions") or []
        if isinstance(exclusions, str):
            import json

            exclusions = json.loads(exclusions)
        found = list(sources.objects(paths, exclusions, recurse))
        uris = sources.unseen(found, transformation_ctx)
        base = paths[0] if len(paths) == 1 and any("=" in uri[len(paths[0]) :] for uri in uris) else ""
        read = sources.read(self.spark_session, uris, sources.Format(kind, format_options or {}), base)
        return DynamicFrame(read.frame, self, transformation_ctx, read.malformed)

    def create_dynamic_frame_from_catalog(
        self,
        database: str,
        table_name: str,
        redshift_tmp_dir: str = "",  # noqa: ARG002
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        additional_options: dict[str, Any] | None = None,  # noqa: ARG002
        **_: Any,
    ) -> DynamicFrame:
        """Its files, or of its partitions those that a predicate wants."""
        from sagelab.spark.awsglue.catalog import Table

        table = Table(self.spark_session, self.table(database, table_name))
        read = table.read(push_down_predicate, transformation_ctx)
        return DynamicFrame(read.frame, self, transformation_ctx or table_name, read.malformed)

    def create_data_frame_from_options(
        self, connection_type: str, connection_options: dict[str, Any] | None = None, *words: Any, **more: Any
    ) -> DataFrame:
        """Of a stream of Kinesis one that grows."""
        if connection_type == "kinesis":
            return streaming.read(self.spark_session, connection_options or {})
        return self.create_dynamic_frame_from_options(connection_type, connection_options, *words, **more).toDF()

    def create_data_frame_from_catalog(self, database: str, table_name: str, **more: Any) -> DataFrame:
        """Of a table that is a stream, one that grows."""
        found = self.table(database, table_name)
        if streaming.is_stream(found):
            return streaming.of_table(self.spark_session, found, more.get("additional_options") or {})
        return self.create_dynamic_frame_from_catalog(database, table_name, **more).toDF()

    def forEachBatch(  # noqa: N802 # AWS's name
        self,
        frame: DataFrame,
        batch_function: Callable[[DataFrame, int], None],
        options: dict[str, Any] | None = None,
    ) -> None:
        """Until the job is stopped."""
        streaming.for_each_batch(frame, batch_function, options or {})

    # Writing

    def write_dynamic_frame_from_options(
        self,
        frame: DynamicFrame,
        connection_type: str,
        connection_options: dict[str, Any] | None = None,
        format: str | None = None,  # AWS's name
        format_options: dict[str, Any] | None = None,
        transformation_ctx: str = "",  # noqa: ARG002
        **_: Any,
    ) -> DynamicFrame:
        """ValueError: nothing here writes so."""
        if connection_type != "s3":
            raise ValueError(_NOT_HERE.format(connection_type))
        given = connection_options or {}
        sinks.write(frame.toDF(), str(given["path"]), format or "json", format_options or {}, given)
        return frame

    def write_dynamic_frame_from_catalog(
        self,
        frame: DynamicFrame,
        database: str,
        table_name: str,
        redshift_tmp_dir: str = "",  # noqa: ARG002
        transformation_ctx: str = "",  # noqa: ARG002
        additional_options: dict[str, Any] | None = None,
        **_: Any,
    ) -> DynamicFrame:
        """Where the table's files are, in its format; partitions that are new become the catalogue's, if asked."""
        from sagelab.spark.awsglue.catalog import Table

        Table(self.spark_session, self.table(database, table_name)).write(frame.toDF(), additional_options or {})
        return frame

    def getSink(self, connection_type: str, path: str = "", **options: Any) -> sinks.Sink:  # noqa: N802
        if connection_type != "s3":
            raise ValueError(_NOT_HERE.format(connection_type))
        return sinks.Sink(self.spark_session, path, options)

    def purge_s3_path(self, s3_path: str, options: dict[str, Any] | None = None, **_: Any) -> None:
        """Remove what is older than `retentionPeriod` hours, by default a week."""
        sinks.purge(s3_path, float((options or {}).get("retentionPeriod", 168)))


class Reader:
    """`create_dynamic_frame` of a context."""

    def __init__(self, context: GlueContext) -> None:
        self.from_options = context.create_dynamic_frame_from_options
        self.from_catalog = context.create_dynamic_frame_from_catalog
        self._context = context

    def from_rdd(self, data: Any, name: str, schema: Any = None, **_: Any) -> DynamicFrame:
        frame = self._context.spark_session.createDataFrame(data, schema)
        return DynamicFrame(frame, self._context, name)


class FrameReader:
    """`create_data_frame` of a context."""

    def __init__(self, context: GlueContext) -> None:
        self.from_options = context.create_data_frame_from_options
        self.from_catalog = context.create_data_frame_from_catalog


class Writer:
    """`write_dynamic_frame` of a context."""

    def __init__(self, context: GlueContext) -> None:
        self.from_options = context.write_dynamic_frame_from_options
        self.from_catalog = context.write_dynamic_frame_from_catalog
