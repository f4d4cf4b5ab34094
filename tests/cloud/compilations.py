"""Compilation jobs as tests make them: small real models, through boto3, on the local cloud."""

from __future__ import annotations

import io
import tarfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.built import build
from tests.cloud.jobs import ROLE
from tests.conftest import LocalCloud
from tests.waiting import until

GROUP = "/aws/sagemaker/CompilationJobs"
ENDED = ("COMPLETED", "FAILED", "STOPPED")

# One small network in every format; its input is 6x4 with 2 channels, so that no two sizes are alike.
MODELS = """
import sys, numpy as np, keras, tensorflow as tf
from pathlib import Path
folder = Path(sys.argv[1])
keras.utils.set_random_seed(1)
layers = keras.layers
model = keras.Sequential([
    keras.Input((6, 4, 2), name="image"),
    layers.Conv2D(3, 2, activation="relu"),
    layers.Flatten(),
    layers.Dense(3, activation="softmax", name="scores"),
])
model.save(folder / "net.keras")
model.save(folder / "net.h5")
model.export(folder / "net" / "1", verbose=False)
(folder / "net.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder / "net" / "1")).convert())
module = tf.Module()
word = tf.TensorSpec((None, 2), tf.float32, "x")
module.f = tf.function(lambda x: {"y": tf.strings.to_number(tf.strings.as_string(x))}, input_signature=[word])
tf.saved_model.save(module, str(folder / "strings" / "1"), signatures=module.f)
random = np.random.default_rng(0)
x = random.random((5, 6, 4, 2), dtype=np.float32)
np.savez(folder / "answers.npz", x=x, y=model(x).numpy())
from onnx import TensorProto, helper, numpy_helper, save
def graph(name, operator, **options):
    weight = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "weight")
    node = helper.make_node(operator, ["x", "weight"], ["y"], **options)
    value = helper.make_tensor_value_info
    made = helper.make_graph([node], "net", [value("x", TensorProto.FLOAT, ["n", 2])],
                             [value("y", TensorProto.FLOAT, ["n", 3])], [weight])
    save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / name)
graph("net.onnx", "MatMul")
"""


def make_models() -> Path:
    """net.keras, net.h5, net/1/saved_model.pb, net.tflite, net.onnx, strings/1; answers.npz of the first four."""
    return build(MODELS)


def pack(*paths: Path, **members: bytes) -> bytes:
    """A .tar.gz of files and folders under their own names, and of `members`."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as out:
        for path in paths:
            out.add(path, path.name)
        for name, content in members.items():
            member = tarfile.TarInfo(name.replace("__", "/").replace("_DOT_", "."))
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return archive.getvalue()


@dataclass
class Compilations:
    """Makes compilation jobs in a bucket of its own and waits for them."""

    cloud: LocalCloud
    bucket: str = field(default_factory=lambda: f"neo-{uuid.uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.sagemaker, self.s3 = self.cloud.client("sagemaker"), self.cloud.client("s3")
        self.logs = self.cloud.client("logs")
        self.s3.create_bucket(Bucket=self.bucket)

    def request(self, archive: bytes | None, framework: str = "KERAS", **changes: Any) -> dict[str, Any]:
        """A request to compile an archive for ml_c5. changes: of InputConfig, OutputConfig or the top level."""
        name = f"neo-{uuid.uuid4().hex[:12]}"
        if archive is not None:
            self.s3.put_object(Bucket=self.bucket, Key=f"{name}/model.tar.gz", Body=archive)
        source = {"S3Uri": f"s3://{self.bucket}/{name}/model.tar.gz", "Framework": framework}
        out = {"S3OutputLocation": f"s3://{self.bucket}/{name}/out/"}
        for key in ("S3Uri", "DataInputConfig", "FrameworkVersion"):
            if key in changes:
                source[key] = changes.pop(key)
        for key in ("S3OutputLocation", "TargetDevice", "TargetPlatform", "CompilerOptions", "KmsKeyId"):
            if key in changes:
                out[key] = changes.pop(key)
        if "TargetPlatform" not in out:
            out = {"TargetDevice": "ml_c5"} | out
        request = {
            "CompilationJobName": name,
            "RoleArn": ROLE,
            "InputConfig": source,
            "OutputConfig": out,
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }
        return request | changes

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Create a job and wait for its end."""
        self.sagemaker.create_compilation_job(**request)
        return self.wait(request["CompilationJobName"], *ENDED)

    def wait(self, name: str, *statuses: str) -> dict[str, Any]:
        """Wait until the job has one of these statuses."""

        def look() -> dict[str, Any]:
            found: dict[str, Any] = self.sagemaker.describe_compilation_job(CompilationJobName=name)
            return found

        return until(look, lambda job: job["CompilationJobStatus"] in statuses)

    def log(self, name: str) -> str:
        """All lines of the job's log; "" before there is one."""
        try:
            pages = self.logs.get_paginator("filter_log_events").paginate(
                logGroupName=GROUP, logStreamNames=[name]
            )
            return "\n".join(event["message"] for page in pages for event in page["events"])
        except self.logs.exceptions.ResourceNotFoundException:
            return ""

    def fetch(self, job: dict[str, Any], folder: Path) -> Path:
        """The artifact of a job, unpacked."""
        bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
        body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            archive.extractall(folder, filter="data")
        return folder
