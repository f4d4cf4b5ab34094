"""Glue's transforms, by the names under which scripts apply them.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python-transforms.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyspark.sql import functions as F  # noqa: N812 # as all name it

from sagelab.spark.awsglue.collection import DynamicFrameCollection
from sagelab.spark.awsglue.dynamicframe import DynamicFrame


class GlueTransform:
    """`Name.apply(...)`, or `Name()(...)`."""

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        return cls()(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class ApplyMapping(GlueTransform):
    def __call__(self, frame: DynamicFrame, mappings: Iterable[tuple[str, ...]], **more: Any) -> DynamicFrame:
        return frame.apply_mapping(mappings, **more)


class SelectFields(GlueTransform):
    def __call__(self, frame: DynamicFrame, paths: Iterable[str], **more: Any) -> DynamicFrame:
        return frame.select_fields(paths, **more)


class DropFields(GlueTransform):
    def __call__(self, frame: DynamicFrame, paths: Iterable[str], **more: Any) -> DynamicFrame:
        return frame.drop_fields(paths, **more)


class RenameField(GlueTransform):
    def __call__(self, frame: DynamicFrame, old_name: str, new_name: str, **more: Any) -> DynamicFrame:
        return frame.rename_field(old_name, new_name, **more)


class Filter(GlueTransform):
    def __call__(self, frame: DynamicFrame, f: Any, **more: Any) -> DynamicFrame:
        return frame.filter(f, **more)


class Map(GlueTransform):
    def __call__(self, frame: DynamicFrame, f: Any, **more: Any) -> DynamicFrame:
        return frame.map(f, **more)


class Join(GlueTransform):
    def __call__(
        self, frame1: DynamicFrame, frame2: DynamicFrame, keys1: Any, keys2: Any, **more: Any
    ) -> DynamicFrame:
        return frame1.join(keys1, keys2, frame2, **more)


class ResolveChoice(GlueTransform):
    def __call__(self, frame: DynamicFrame, specs: Any = None, choice: str = "", **more: Any) -> DynamicFrame:
        return frame.resolveChoice(specs, choice, **more)


class Relationalize(GlueTransform):
    def __call__(self, frame: DynamicFrame, staging_path: str = "", name: str = "roottable", **more: Any) -> Any:
        return frame.relationalize(name, staging_path, **more)


class UnnestFrame(GlueTransform):
    def __call__(self, frame: DynamicFrame, **more: Any) -> DynamicFrame:
        return frame.unnest(**more)


class DropNullFields(GlueTransform):
    """Leave out the columns that are null in every record."""

    def __call__(self, frame: DynamicFrame, **more: Any) -> DynamicFrame:
        found = frame.toDF()
        counts = found.agg(*(F.count(F.col(f"`{name}`")).alias(name) for name in found.columns)).first()
        return frame.drop_fields([f"`{name}`" for name in found.columns if not counts or not counts[name]], **more)


class SelectFromCollection(GlueTransform):
    def __call__(self, dfc: DynamicFrameCollection, key: str, **_: Any) -> DynamicFrame:
        return dfc.select(key)


class SplitRows(GlueTransform):
    """Two frames: records whose columns compare as asked for, and the others. {"age": {">": 10, "<": 20}}."""

    def __call__(
        self,
        frame: DynamicFrame,
        comparison_dict: dict[str, dict[str, Any]],
        name1: str = "frame1",
        name2: str = "frame2",
        **_: Any,
    ) -> DynamicFrameCollection:
        condition = F.lit(True)
        for column, rules in comparison_dict.items():
            own = F.col(f"`{column}`")
            for how, value in rules.items():
                tests = {">": own > value, "<": own < value, ">=": own >= value, "<=": own <= value}
                condition = condition & (tests | {"=": own == value, "!=": own != value})[how]
        found = frame.toDF()
        parts = {name1: found.where(condition), name2: found.where(~condition | condition.isNull())}
        frames = {name: DynamicFrame(one, frame.glue_ctx, name) for name, one in parts.items()}
        return DynamicFrameCollection(frames, frame.glue_ctx)
