"""Requests for models and endpoint configurations that are right, for tests to change one thing of."""

from __future__ import annotations

import uuid
from typing import Any

from tests.cloud.jobs import ROLE, Jobs, pack

SERVING = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.20.0-cpu"


def name(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:12]}"


def container(jobs: Jobs, **changes: Any) -> dict[str, Any]:
    """A container whose model data is there; a change to None takes a member away."""
    data = jobs.put("models/model.tar.gz", pack({"1/saved_model.pb": "nothing that loads"}))
    found = {"Image": SERVING, "ModelDataUrl": data} | changes
    return {key: value for key, value in found.items() if value is not None}


def model(jobs: Jobs, **changes: Any) -> dict[str, Any]:
    """A CreateModel request."""
    return {
        "ModelName": name("model"),
        "PrimaryContainer": container(jobs),
        "ExecutionRoleArn": ROLE,
    } | changes


def made(jobs: Jobs, **changes: Any) -> str:
    """The name of a new model."""
    request = model(jobs, **changes)
    jobs.sagemaker.create_model(**request)
    return str(request["ModelName"])


def variant(model_name: str, **changes: Any) -> dict[str, Any]:
    """A production variant; a change to None takes a member away."""
    found = {
        "VariantName": "AllTraffic",
        "ModelName": model_name,
        "InstanceType": "ml.c5.large",
        "InitialInstanceCount": 1,
    } | changes
    return {key: value for key, value in found.items() if value is not None}


def config(*variants: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A CreateEndpointConfig request."""
    return {"EndpointConfigName": name("config"), "ProductionVariants": list(variants)} | changes
