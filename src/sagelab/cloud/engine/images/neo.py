"""The images that serve compiled models: names by framework, and which URI is one.

https://docs.aws.amazon.com/sagemaker/latest/dg/neo-deployment-hosting-services-container-images.html; accounts by
region as the SageMaker SDK's table of Neo's TensorFlow image has them.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import re
from pathlib import Path
from typing import Any

IMAGES = {
    "KERAS": ("sagemaker-neo-keras", "2.2.4"),
    "TENSORFLOW": ("sagemaker-inference-tensorflow", "2.9"),
    "ONNX": ("sagemaker-neo-onnx", "1.5.0"),
    "TFLITE": ("sagemaker-inference-tensorflow", "2.9"),
}
URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z.]+/(?P<repository>[a-z-]+):(?P<tag>\S+)"
)
DEFAULT_REGION = "us-east-1"


def uri(framework: str, region: str) -> str:
    """The InferenceImage of a model compiled for an instance."""
    repository, version = IMAGES[framework]
    account = accounts().get(region, accounts()[DEFAULT_REGION])
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{domain}/{repository}:{version}-cpu-py3"


def is_neo(image: str) -> bool:
    """Whether an image serves compiled models, on a processor."""
    found = URI.fullmatch(image)
    if found is None or found["account"] not in accounts().values():
        return False
    names = {repository for repository, _ in IMAGES.values()}
    return found["repository"] in names and "-cpu-" in found["tag"]


@functools.cache
def accounts() -> dict[str, str]:
    """Region -> the account that Neo's images are in."""
    files = importlib.metadata.files("sagemaker-core") or []
    table = next(file for file in files if file.name == "neo-tensorflow.json")
    versions: dict[str, Any] = json.loads(Path(str(table.locate())).read_text())["versions"]
    found: dict[str, str] = next(iter(versions.values()))["registries"]
    return found
