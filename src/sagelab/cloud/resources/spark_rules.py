"""What of Spark's image cannot be here: refused when a job is created."""

from __future__ import annotations

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.images import registry
from sagelab.cloud.engine.images.environments import SPARK
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Params

HISTORY = "smspark-history-server"


def check(application: Params, cloud: Cloud) -> None:
    """ValidationException: a job of Spark's image asks for HDFS or a history server."""
    image = cloud.launcher.images.find(application["ImageUri"], registry.PROCESS)
    if image is None or image.environment != SPARK:
        return
    entry_point = application.get("ContainerEntrypoint", [])
    if HISTORY in entry_point:
        raise ValidationException(
            f"ContainerEntrypoint: the local cloud has no {HISTORY}; the event log is in S3, where any history"
            " server of Spark's reads it."
        )
    for word in (*entry_point, *application.get("ContainerArguments", [])):
        if "hdfs://" in word:
            raise ValidationException(
                f"AppSpecification: {word}: the local cloud has no HDFS. Give an s3:// or s3a:// URI, or a path"
                " below /opt/ml/processing."
            )
