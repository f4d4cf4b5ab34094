"""Records whose columns may be of several types, and which count what is malformed.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-dynamic-frame.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F  # noqa: N812 # as all name it
from pyspark.sql.types import ArrayType, DataType, MapType, StructType

from sagelab.spark.awsglue import choices
from sagelab.spark.awsglue.mapping import mapped, path, without

Act = Callable[[Any], Any]


class ThresholdError(Exception):
    """More records are malformed than were to be borne."""


class DynamicFrame:
    """frame: Spark's. errors: what is malformed, a record a row. before: errors of the steps before."""

    def __init__(
        self, frame: DataFrame, glue_ctx: Any, name: str = "", errors: DataFrame | None = None, before: int = 0
    ) -> None:
        self._frame, self.glue_ctx, self.name = frame, glue_ctx, name
        self._errors, self._before = errors, before
        self._count: int | None = None

    @classmethod
    def fromDF(cls, dataframe: DataFrame, glue_ctx: Any, name: str = "") -> DynamicFrame:  # noqa: N802
        return cls(dataframe, glue_ctx, name)

    def toDF(self, options: Any = None) -> DataFrame:  # noqa: N802, ARG002
        return self._frame

    def _next(
        self, frame: DataFrame, name: str, errors: DataFrame | None = None, stage: int = 0, total: int = 0
    ) -> DynamicFrame:
        """What a step makes of it. ThresholdError: more records failed than it may."""
        made = DynamicFrame(frame, self.glue_ctx, name or self.name, errors, self.errorsCount())
        if errors is not None and (stage or total):
            made.assertErrorThreshold(stage, total)
        return made

    # What it is

    def count(self) -> int:
        return int(self._frame.count())

    def schema(self) -> StructType:
        return self._frame.schema

    def printSchema(self) -> None:  # noqa: N802
        """As Glue prints one: a choice has its types below it."""
        print("root")
        for line in _lines(self._frame.schema, 0):
            print(line)

    def show(self, num_rows: int = 20) -> None:
        """A record a line, in JSON."""
        for text in self._frame.limit(num_rows).toJSON().collect():
            print(text)

    def repartition(self, num_partitions: int, *_: Any) -> DynamicFrame:
        return self._next(self._frame.repartition(num_partitions), "")

    def coalesce(self, num_partitions: int, *_: Any) -> DynamicFrame:
        return self._next(self._frame.coalesce(num_partitions), "")

    def getNumPartitions(self) -> int:  # noqa: N802
        return int(self._frame.rdd.getNumPartitions())

    # What is malformed

    def stageErrorsCount(self) -> int:  # noqa: N802
        """Of the step that made it."""
        if self._count is None:
            self._count = 0 if self._errors is None else self._errors.count()
        return self._count

    def errorsCount(self) -> int:  # noqa: N802
        """Of that step and those before it."""
        return self._before + self.stageErrorsCount()

    def errorsAsDynamicFrame(self) -> DynamicFrame:  # noqa: N802
        found = self._errors
        if found is None:
            found = self._frame.sparkSession.createDataFrame([], "record string")
        return DynamicFrame(found, self.glue_ctx, f"{self.name}_errors")

    def assertErrorThreshold(self, stage: int = 0, total: int = 0) -> None:  # noqa: N802
        """ThresholdError: there are more."""
        for limit, found, words in (
            (stage, self.stageErrorsCount(), "stage"),
            (total, self.errorsCount(), "total"),
        ):
            if limit and found > limit:
                raise ThresholdError(f"{found} errors passed {words}Threshold {limit} of {self.name or 'a frame'}")

    # Columns

    def apply_mapping(self, mappings: Iterable[tuple[str, ...]], *_: Any, **more: Any) -> DynamicFrame:
        return self._next(mapped(self._frame, list(mappings)), _name(more))

    def select_fields(self, paths: Iterable[str], *_: Any, **more: Any) -> DynamicFrame:
        wanted = [path(one) for one in _several(paths)]
        there = [one for one in wanted if one[0] in self._frame.columns]
        whole = [F.col(".".join(f"`{part}`" for part in one)).alias(one[-1]) for one in there]
        return self._next(self._frame.select(*whole), _name(more))

    def drop_fields(self, paths: Iterable[str], *_: Any, **more: Any) -> DynamicFrame:
        return self._next(without(self._frame, [path(one) for one in _several(paths)]), _name(more))

    def rename_field(self, oldName: str, newName: str, *_: Any, **more: Any) -> DynamicFrame:  # noqa: N803
        old, new = path(oldName), path(newName)
        if len(old) == 1 and len(new) == 1:
            return self._next(self._frame.withColumnRenamed(old[0], new[0]), _name(more))
        moved = F.col(".".join(f"`{part}`" for part in old))
        return self._next(without(self._frame.withColumn(new[-1], moved), [old]), _name(more))

    def resolveChoice(  # noqa: N802
        self,
        specs: Iterable[tuple[str, str]] | None = None,
        choice: str = "",
        database: str | None = None,
        table_name: str | None = None,
        *_: Any,
        **more: Any,
    ) -> DynamicFrame:
        """specs: (column, action). choice: an action for every column that is one. ValueError: it is none."""
        frame = self._frame
        if choice == "match_catalog":
            table = self.glue_ctx.table(database, table_name)
            pairs = [(one["Name"], f"cast:{one['Type']}") for one in table["StorageDescriptor"]["Columns"]]
            specs = [(name, action) for name, action in pairs if name in choices.members(frame)]
        elif choice:
            specs = [(name, choice) for name in choices.members(frame)]
        for name, action in specs or ():
            frame = choices.resolved(frame, path(name)[0], action)
        return self._next(frame, _name(more))

    # Records

    def filter(self, f: Act, *_: Any, **more: Any) -> DynamicFrame:
        """Those for which it is true. One for which it fails is malformed."""
        return self._each(f, more, keep=True)

    def map(self, f: Act, *_: Any, **more: Any) -> DynamicFrame:
        """What it makes of each. One for which it fails is malformed."""
        return self._each(f, more, keep=False)

    def _each(self, f: Act, more: Mapping[str, Any], *, keep: bool) -> DynamicFrame:
        session = self._frame.sparkSession
        done = self._frame.rdd.mapPartitions(lambda rows: _apply(f, rows, keep=keep)).cache()
        bad = session.createDataFrame(
            done.filter(lambda one: one[0] == "bad").map(lambda one: (one[1], one[2])),
            "record string, error string",
        )
        good = done.filter(lambda one: one[0] == "good").map(lambda one: one[1])
        if keep:
            frame = session.createDataFrame(good, self._frame.schema)
        else:
            frame = session.read.json(good.map(lambda one: json.dumps(one, default=str)))
        return self._next(frame, _name(more), bad, *_thresholds(more))

    def join(self, paths1: Any, paths2: Any, frame2: DynamicFrame, *_: Any, **more: Any) -> DynamicFrame:
        """Records whose fields are equal; of a field that both have, the second's gets a dot before it."""
        pairs = list(zip(_several(paths1), _several(paths2), strict=True))
        left, right = self._frame, frame2.toDF()
        for name in set(left.columns) & set(right.columns):
            right = right.withColumnRenamed(name, f".{name}")
        own = [one if one in right.columns else f".{one}" for _, one in pairs]
        equal = [left[f"`{first}`"] == right[f"`{second}`"] for (first, _), second in zip(pairs, own, strict=True)]
        condition: Column = equal[0]
        for one in equal[1:]:
            condition = condition & one
        return self._next(left.join(right, condition), _name(more))

    def union(self, frame2: DynamicFrame, *_: Any, **more: Any) -> DynamicFrame:
        both = self._frame.unionByName(frame2.toDF(), allowMissingColumns=True)
        return self._next(both, _name(more))

    def relationalize(self, root_table_name: str, staging_path: str = "", *_: Any, **__: Any) -> Any:  # noqa: ARG002
        """Flat tables: one for all that is no list, and one for each list, which `id` leads to."""
        from sagelab.spark.awsglue.collection import DynamicFrameCollection
        from sagelab.spark.awsglue.relations import flattened

        found = flattened(self._frame, root_table_name)
        frames = {name: DynamicFrame(one, self.glue_ctx, name) for name, one in found.items()}
        return DynamicFrameCollection(frames, self.glue_ctx)

    def unnest(self, *_: Any, **more: Any) -> DynamicFrame:
        """Members of structures as columns of their own, with dots in their names."""
        from sagelab.spark.awsglue.relations import flat

        return self._next(flat(self._frame), _name(more))


def _apply(f: Act, rows: Iterable[Row], *, keep: bool) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        record = row.asDict(recursive=True)
        try:
            answer = f(record)
            if not keep:
                yield "good", dict(answer)
            elif answer:
                yield "good", row
        except Exception as error:
            yield "bad", json.dumps(record, default=str), f"{type(error).__name__}: {error}"


def _several(paths: Any) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)


def _name(more: Mapping[str, Any]) -> str:
    return str(more.get("transformation_ctx") or "")


def _thresholds(more: Mapping[str, Any]) -> tuple[int, int]:
    return int(more.get("stageThreshold") or 0), int(more.get("totalThreshold") or 0)


def _lines(kind: DataType, depth: int) -> Iterator[str]:
    lead = "|    " * depth + "|-- "
    if isinstance(kind, StructType):
        for one in kind.fields:
            if one.metadata.get("sagelab.choice") and isinstance(one.dataType, StructType):
                yield f"{lead}{one.name}: choice"
                yield from (f"|    {lead}{each.name}" for each in one.dataType.fields)
            else:
                yield f"{lead}{one.name}: {_title(one.dataType)}"
                yield from _lines(one.dataType, depth + 1)
    elif isinstance(kind, ArrayType):
        yield f"{lead}element: {_title(kind.elementType)}"
        yield from _lines(kind.elementType, depth + 1)


def _title(kind: DataType) -> str:
    if isinstance(kind, StructType | ArrayType | MapType):
        return {"StructType": "struct", "ArrayType": "array"}.get(type(kind).__name__, "map")
    return choices.glue_type(kind.simpleString())
