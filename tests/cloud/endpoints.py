"""Endpoints as tests make them: a tiny real model, real servers, through boto3."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cloud.jobs import ROLE, pack
from tests.conftest import LocalCloud
from tests.waiting import until

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.19-cpu"

DOUBLER = """
import sys
import tensorflow as tf

class Doubler(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])
    def __call__(self, x):
        return {"y": float(sys.argv[2]) * x}

tf.saved_model.save(Doubler(), sys.argv[1])
"""


def pack_folder(folder: Path, **extra: str) -> bytes:
    """A model.tar.gz of a SavedModel's folder, with Python files beside it: name__with__slashes="text"."""
    return pack({f"{name.replace('__', '/')}.py": text for name, text in extra.items()}, folder)


@dataclass
class Hosting:
    """Makes models and endpoints, and removes them."""

    cloud: LocalCloud
    bucket: str = field(default_factory=lambda: f"hosting-{uuid.uuid4().hex[:12]}")
    made: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sagemaker, self.s3 = self.cloud.client("sagemaker"), self.cloud.client("s3")
        self.runtime, self.logs = self.cloud.client("sagemaker-runtime"), self.cloud.client("logs")
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def model(self, archive: bytes | None, **container: Any) -> str:
        """The name of a new model. archive: its model.tar.gz; None for an image that needs none."""
        name = f"model-{uuid.uuid4().hex[:12]}"
        data = {"ModelDataUrl": self.put(f"{name}/model.tar.gz", archive)} if archive is not None else {}
        primary = {"Image": IMAGE} | data | container
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=primary, ExecutionRoleArn=ROLE)
        return name

    def config(
        self, *models: str, count: int | tuple[int, ...] = 1, options: dict[str, Any] | None = None, **variant: Any
    ) -> str:
        """A configuration with a variant a model, named v1, v2, ... count: of servers, of each or one by one."""
        counts = count if isinstance(count, tuple) else (count,) * len(models)
        name = f"config-{uuid.uuid4().hex[:12]}"
        variants = [
            {
                "VariantName": f"v{number + 1}",
                "ModelName": model,
                "InstanceType": "ml.c5.large",
                "InitialInstanceCount": counts[number],
            }
            | variant
            for number, model in enumerate(models)
        ]
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=variants, **(options or {})
        )
        return name

    def serverless(self, model: str, memory: int = 1024, most: int = 2, **plan: int) -> str:
        """A configuration with a serverless variant, v1. plan: more of its ServerlessConfig."""
        name = f"config-{uuid.uuid4().hex[:12]}"
        config = {"MemorySizeInMB": memory, "MaxConcurrency": most, **plan}
        variants = [{"VariantName": "v1", "ModelName": model, "ServerlessConfig": config}]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
        return name

    def start(self, config: str) -> str:
        """Create an endpoint, without waiting for it."""
        name = f"endpoint-{uuid.uuid4().hex[:12]}"
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        self.made.append(name)
        return name

    def serve(self, config: str) -> str:
        """An endpoint in service."""
        name = self.start(config)
        assert self.wait(name)["EndpointStatus"] == "InService", self.describe(name)
        return name

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
        return found

    def wait(self, name: str) -> dict[str, Any]:
        """Wait until the endpoint is in service or has failed."""
        return until(lambda: self.describe(name), lambda one: one["EndpointStatus"] in ("InService", "Failed"))

    def delete(self, name: str) -> None:
        """Delete an endpoint and wait until it is gone."""
        self.sagemaker.delete_endpoint(EndpointName=name)
        self.wait_gone(name)
        self.made.remove(name)

    def wait_gone(self, name: str) -> None:
        until(
            lambda: [one["EndpointName"] for one in self.sagemaker.list_endpoints(NameContains=name)["Endpoints"]],
            lambda names: name not in names,
        )

    def invoke(self, name: str, body: Any, **options: Any) -> Any:
        """The parsed JSON answer to a JSON request."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        options = {"ContentType": "application/json"} | options
        return json.loads(self.runtime.invoke_endpoint(EndpointName=name, Body=data, **options)["Body"].read())

    def log(self, name: str) -> str:
        pages = self.logs.get_paginator("filter_log_events")
        found = pages.paginate(logGroupName=f"/aws/sagemaker/Endpoints/{name}")
        return "\n".join(event["message"] for page in found for event in page["events"])

    def close(self) -> None:
        for name in list(self.made):
            self.wait(name)
            self.delete(name)
