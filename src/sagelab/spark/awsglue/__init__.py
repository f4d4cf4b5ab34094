"""The everyday part of AWS Glue's library for scripts, over Spark's own data frames. Scripts find it as `awsglue`.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-python.html
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """`DynamicFrame` once it is wanted: where Python runs alone there is no Spark."""
    if name == "DynamicFrame":
        from sagelab.spark.awsglue.dynamicframe import DynamicFrame

        return DynamicFrame
    raise AttributeError(f"module 'awsglue' has no attribute {name!r}")
