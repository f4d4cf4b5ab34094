"""What a host is asked to run, as the engine writes it (cloud/engine/emr_serverless/run.py)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from sagelab.spark import words
from sagelab.spark.errors import BASE
from sagelab.spark.serverless.workers import PLANNED, Workers, asked
from sagelab.spark.words import Submission

CONFIG = BASE / "config/serverless.json"
ENVIRONMENT = "spark.emr-serverless.driverEnv."
# What stands for AWS's own, and would only fail here.
IDLE = ("spark.hadoop.hive.metastore.client.factory.class",)


@dataclass(frozen=True)
class Request:
    """entry: the script or jar. parameters: options of spark-submit, split. defaults: properties before these.

    logs: a prefix of S3, "" where none are kept. executors: whether the local cloud wants what those print.
    """

    name: str
    entry: str
    arguments: list[str]
    parameters: list[str]
    defaults: dict[str, str]
    logs: str
    executors: bool

    @property
    def submission(self) -> Submission:
        return words.parse(self.parameters)

    @property
    def properties(self) -> dict[str, str]:
        """All of Spark's, an option of spark-submit before a default."""
        return self.defaults | self.submission.given

    @property
    def workers(self) -> Workers:
        return asked(self.properties)

    def options(self, keeps: Callable[[str], bool]) -> list[str]:
        """Of spark-submit, but for properties that are not kept."""
        found = Submission()
        for name, value in self.submission.options:
            if all(keeps(one) for one in words.property_of(name, value)):
                found.options.append((name, value))
        return found.words

    @property
    def environment(self) -> dict[str, str]:
        """Of the driver."""
        own = {name: value for name, value in self.properties.items() if name.startswith(ENVIRONMENT)}
        return {name.removeprefix(ENVIRONMENT): value for name, value in own.items()}

    @property
    def archives(self) -> list[str]:
        """URIs, each with the name of its folder behind a #."""
        return [one.strip() for one in self.properties.get("spark.archives", "").split(",") if one.strip()]


def kept(name: str) -> bool:
    """Whether Spark itself is told a property."""
    return not name.startswith(PLANNED) and name not in IDLE


def read() -> Request:
    return Request(**json.loads(CONFIG.read_text()))
