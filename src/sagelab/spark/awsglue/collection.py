"""Several frames by their names.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-crawler-pyspark-extensions-dynamicframecollection.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sagelab.spark.awsglue.dynamicframe import DynamicFrame


class DynamicFrameCollection:
    """frames: name -> frame."""

    def __init__(self, dynamic_frames: dict[str, DynamicFrame], glue_ctx: Any) -> None:
        self._frames, self.glue_ctx = dict(dynamic_frames), glue_ctx

    def keys(self) -> Iterable[str]:
        return self._frames.keys()

    def values(self) -> Iterable[DynamicFrame]:
        return self._frames.values()

    def select(self, key: str) -> DynamicFrame:
        return self._frames[key]

    __getitem__ = select

    def __len__(self) -> int:
        return len(self._frames)

    def map(self, callable: Callable[..., DynamicFrame], transformation_ctx: str = "") -> DynamicFrameCollection:
        done = {name: callable(frame, transformation_ctx) for name, frame in self._frames.items()}
        return DynamicFrameCollection(done, self.glue_ctx)
