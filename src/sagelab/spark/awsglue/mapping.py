"""Fields by their paths: moved, cast, left out.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-transforms-ApplyMapping.html
"""

from __future__ import annotations

import re
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 # as all name it
from pyspark.sql.types import StructType

from sagelab.spark.awsglue.choices import members, spark_type

_PART = re.compile(r"`([^`]*)`|([^.`]+)")


def path(text: str) -> list[str]:
    """a.`b.c` -> ["a", "b.c"]."""
    return [quoted or plain for quoted, plain in _PART.findall(text)]


def mapped(frame: DataFrame, mappings: list[tuple[str, ...]]) -> DataFrame:
    """mappings: (source, its type, target, its type), or (source, target). What is not there is left out."""
    tree: dict[str, Any] = {}
    for one in mappings:
        source, target = path(one[0]), path(one[-2] if len(one) == 4 else one[-1])
        if (column := _column(frame, source)) is None:
            continue
        value = column.try_cast(spark_type(one[3])) if len(one) == 4 and _is_simple(one[3]) else column
        place = tree
        for part in target[:-1]:
            place = place.setdefault(part, {})
        place[target[-1]] = value
    return frame.select(*(_built(name, one) for name, one in tree.items()))


def _is_simple(kind: str) -> bool:
    return kind.partition("<")[0].partition("(")[0] not in ("struct", "array", "map", "choice")


def _column(frame: DataFrame, where: list[str]) -> Column | None:
    """None: there is no such field. Of a choice the first type that is set."""
    kind: Any = frame.schema
    for part in where:
        if not isinstance(kind, StructType) or part not in kind.names:
            return None
        kind = kind[part].dataType
    column = F.col(".".join(f"`{part}`" for part in where))
    types = members(frame).get(where[0]) if len(where) == 1 else None
    return F.coalesce(*(column[one].cast("string") for one in types)) if types else column


def _built(name: str, value: Any) -> Column:
    if isinstance(value, dict):
        return F.struct(*(_built(key, one) for key, one in value.items())).alias(name)
    column: Column = value
    return column.alias(name)


def without(frame: DataFrame, paths: list[list[str]]) -> DataFrame:
    for one in paths:
        if len(one) == 1:
            frame = frame.drop(F.col(f"`{one[0]}`")) if one[0] in frame.columns else frame
        elif one[0] in frame.columns:
            inner = ".".join(f"`{part}`" for part in one[1:])
            frame = frame.withColumn(one[0], F.col(f"`{one[0]}`").dropFields(inner))
    return frame
