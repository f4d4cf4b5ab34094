"""Nested records as flat tables.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-transforms-Relationalize.html
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 # as all name it
from pyspark.sql.types import ArrayType, StructType


def flat(frame: DataFrame) -> DataFrame:
    """Members of structures as columns, until there is no structure."""
    while any(isinstance(one.dataType, StructType) for one in frame.schema.fields):
        columns = []
        for one in frame.schema.fields:
            if isinstance(one.dataType, StructType):
                inner = one.dataType.names
                columns += [F.col(f"`{one.name}`").getField(each).alias(f"{one.name}.{each}") for each in inner]
            else:
                columns.append(F.col(f"`{one.name}`"))
        frame = frame.select(*columns)
    return frame


def flattened(frame: DataFrame, root: str) -> dict[str, DataFrame]:
    """The table of the root, and one for each list in it: ROOT_NAME, with id, index and NAME.val of its own."""
    found: dict[str, DataFrame] = {}
    frame = flat(frame)
    for one in [each for each in frame.schema.fields if isinstance(each.dataType, ArrayType)]:
        numbered = frame.withColumn("_sagelab_id", F.monotonically_increasing_id()).cache()
        lists = numbered.select(
            F.col("_sagelab_id").alias("id"), F.posexplode(F.col(f"`{one.name}`")).alias("index", "_v")
        )
        rows = lists.withColumnRenamed("_v", f"{one.name}.val")
        found |= flattened(rows, f"{root}_{one.name}")
        frame = numbered.withColumn(one.name, F.col("_sagelab_id")).drop("_sagelab_id")
    return {root: frame} | found
