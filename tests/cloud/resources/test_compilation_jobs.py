"""Compilation jobs that compile, and serve what they compiled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import numpy as np
import pytest

from sagelab.neo import emulator
from tests.cloud.compilations import Compilations, make_models, pack
from tests.cloud.endpoints import Hosting
from tests.conftest import LocalCloud

NCHW = json.dumps({"image": [1, 2, 6, 4]})
NHWC = json.dumps({"image": [1, 6, 4, 2]})


@pytest.fixture(scope="module")
def neo(cloud: LocalCloud) -> Compilations:
    return Compilations(cloud)


@pytest.fixture(scope="module")
def hosting(cloud: LocalCloud) -> Iterator[Hosting]:
    made = Hosting(cloud)
    yield made
    made.close()


@pytest.fixture(scope="module")
def models() -> Path:
    return make_models()


@pytest.fixture(scope="module")
def answers(models: Path) -> Any:
    return np.load(models / "answers.npz")


@pytest.fixture(scope="module")
def compiled(neo: Compilations, models: Path) -> dict[str, Any]:
    """A job that compiled net.keras for ml_c5."""
    tags = [{"Key": "lab", "Value": "five"}]
    job = neo.run(neo.request(pack(models / "net.keras"), DataInputConfig=NCHW, Tags=tags))
    assert job["CompilationJobStatus"] == "COMPLETED", job["FailureReason"]
    return job


# What a shell without TensorFlow does with an artifact: its own runtime.py, and nothing of sagelab.
USE = """
import sys, numpy as np
import runtime
x = np.load(sys.argv[1])["x"]
program = runtime.load(".")
np.save(sys.argv[2], next(iter(program.run({sys.argv[3]: x}).values())))
assert not [name for name in sys.modules if name.split(".")[0] in ("tensorflow", "keras", "sagelab")]
"""


def use(artifact: Path, models: Path, name: str = "image") -> Any:
    """The answers of an artifact to those of answers.npz, by the runtime that lies in it."""
    out = artifact / "answers.npy"
    command = [sys.executable, "-c", USE, str(models / "answers.npz"), str(out), name]
    done = subprocess.run(command, cwd=artifact, capture_output=True, text=True, env={"PYTHONPATH": "."})
    assert done.returncode == 0, done.stderr
    return np.load(out)


@pytest.mark.slow
def test_a_keras_model_is_compiled_and_its_own_runtime_answers_as_keras_does(
    neo: Compilations, compiled: dict[str, Any], models: Path, answers: Any, tmp_path: Path
) -> None:
    assert compiled["ModelArtifacts"]["S3ModelArtifacts"].endswith("/out/model-ml_c5.tar.gz")
    assert compiled["ModelDigests"]["ArtifactDigest"].startswith("sha256:")
    assert compiled["CompilationEndTime"] > compiled["CompilationStartTime"] >= compiled["CreationTime"]
    assert ".amazonaws.com/sagemaker-neo-keras:2.2.4-cpu-py3" in compiled["InferenceImage"]
    artifact = neo.fetch(compiled, tmp_path)
    manifest = json.loads((artifact / "manifest.json").read_text())
    assert (manifest["target"], manifest["cpu"], manifest["family"]) == ("ml_c5", "skylake-avx512", "ml.c5")
    assert manifest["inputs"] == [{"name": "image", "dtype": "float32", "shape": [1, 6, 4, 2]}]
    assert manifest["source"]["checksum"].startswith("sha256:")
    assert manifest["check"]["difference"] < 1e-4
    assert np.abs(use(artifact, models) - answers["y"]).max() < 1e-5


@pytest.mark.slow
def test_the_log_says_what_was_compiled_and_how_it_was_checked(
    neo: Compilations, compiled: dict[str, Any]
) -> None:
    log = neo.log(compiled["CompilationJobName"])
    assert "ml_c5 is skylake-avx512 (x86_64-linux-gnu)" in log
    assert "Found net.keras (KERAS)" in log
    assert "Inputs: image: float32 [1, 6, 4, 2]" in log
    assert "5 random inputs, largest difference to the original" in log


FORMATS = [
    pytest.param("net.h5", "KERAS", NCHW, id="h5"),
    pytest.param("net", "TENSORFLOW", NHWC, id="SavedModel"),
    pytest.param("net.tflite", "TFLITE", NHWC, id="TFLite"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("file", "framework", "config"), FORMATS)
def test_every_format_gives_the_same_answers(
    neo: Compilations, models: Path, answers: Any, tmp_path: Path, file: str, framework: str, config: str
) -> None:
    job = neo.run(neo.request(pack(models / file), framework, DataInputConfig=config, TargetDevice="ml_m4"))
    assert job["CompilationJobStatus"] == "COMPLETED", job["FailureReason"]
    assert np.abs(use(neo.fetch(job, tmp_path), models) - answers["y"]).max() < 1e-5


@pytest.mark.slow
def test_an_onnx_model_is_compiled(neo: Compilations, models: Path, tmp_path: Path) -> None:
    request = neo.request(pack(models / "net.onnx"), "ONNX", DataInputConfig='{"x": [2, 2]}')
    job = neo.run(request)
    assert job["CompilationJobStatus"] == "COMPLETED", job["FailureReason"]
    manifest = json.loads((neo.fetch(job, tmp_path) / "manifest.json").read_text())
    assert manifest["outputs"] == [{"name": "y", "dtype": "float32", "shape": [2, 3]}]


@pytest.mark.slow
def test_shapes_that_the_model_fixes_need_no_datainputconfig(neo: Compilations, models: Path) -> None:
    job = neo.run(neo.request(pack(models / "net.keras"), TargetDevice="ml_m4"))
    assert job["CompilationJobStatus"] == "COMPLETED", job["FailureReason"]
    assert json.loads(job["DerivedInformation"]["DerivedDataInputConfig"]) == {"image": [1, 2, 6, 4]}


@pytest.mark.slow
def test_arm64_code_is_checked_under_emulation(
    neo: Compilations, models: Path, tmp_path: Path, cloud: LocalCloud
) -> None:
    try:
        emulator.fetch(cloud.home.path / "cache")
    except emulator.NoEmulator as error:
        pytest.skip(str(error))
    request = neo.request(pack(models / "net.keras"), DataInputConfig=NCHW, TargetDevice="jetson_xavier")
    job = neo.run(request)
    assert job["CompilationJobStatus"] == "COMPLETED", job["FailureReason"]
    assert "InferenceImage" not in job
    log = neo.log(job["CompilationJobName"])
    assert "Checked under emulation (qemu-aarch64): 2 random inputs" in log
    assert "the Volta GPU is not used" in log
    manifest = json.loads((neo.fetch(job, tmp_path) / "manifest.json").read_text())
    assert (manifest["triple"], manifest["cpu"]) == ("aarch64-linux-gnu", "carmel")


def model_of(hosting: Hosting, job: dict[str, Any]) -> str:
    """A model of the artifact, as Neo's image serves it."""
    name = f"model-{job['CompilationJobName']}"
    container = {"Image": job["InferenceImage"], "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    hosting.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=job["RoleArn"])
    return name


@pytest.mark.slow
def test_the_artifact_serves_on_the_family_it_was_compiled_for(
    hosting: Hosting, compiled: dict[str, Any], answers: Any
) -> None:
    model = model_of(hosting, compiled)
    endpoint = hosting.serve(hosting.config(model, InstanceType="ml.c5.large"))
    got = hosting.invoke(endpoint, {"instances": answers["x"].tolist()})["predictions"]
    assert np.abs(np.array(got) - answers["y"]).max() < 1e-5
    wrong = hosting.start(hosting.config(model, InstanceType="ml.m5.large"))
    failed = hosting.wait(wrong)
    assert failed["EndpointStatus"] == "Failed"
    assert (
        "was compiled for ml_c5 (skylake-avx512) and cannot be deployed on ml.m5.large" in failed["FailureReason"]
    )


@pytest.mark.slow
def test_neos_image_serves_nothing_but_compiled_models(
    hosting: Hosting, compiled: dict[str, Any], models: Path
) -> None:
    model = hosting.model(pack(models / "net"), Image=compiled["InferenceImage"])
    failed = hosting.wait(hosting.start(hosting.config(model)))
    assert failed["EndpointStatus"] == "Failed"
    assert "The model archive is not what a compilation job made" in failed["FailureReason"]


@pytest.mark.slow
def test_lists_tags_and_deletion(neo: Compilations, compiled: dict[str, Any]) -> None:
    name, arn = compiled["CompilationJobName"], compiled["CompilationJobArn"]
    found = neo.sagemaker.list_compilation_jobs(NameContains=name, StatusEquals="COMPLETED")
    assert [job["CompilationJobName"] for job in found["CompilationJobSummaries"]] == [name]
    assert found["CompilationJobSummaries"][0]["CompilationTargetDevice"] == "ml_c5"
    assert neo.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "lab", "Value": "five"}]
    with pytest.raises(botocore.exceptions.ClientError, match="is in status COMPLETED"):
        neo.sagemaker.stop_compilation_job(CompilationJobName=name)


def test_a_failed_job_is_a_record_that_can_be_deleted(neo: Compilations) -> None:
    job = neo.run(neo.request(None))
    assert job["CompilationJobStatus"] == "FAILED"
    name = job["CompilationJobName"]
    assert job["FailureReason"] == (
        "ClientError: InputConfiguration: S3 object does not exist."
        f" Bucket: {neo.bucket}, Key: {name}/model.tar.gz"
    )
    neo.sagemaker.delete_compilation_job(CompilationJobName=name)
    with pytest.raises(botocore.exceptions.ClientError, match="does not exist") as refused:
        neo.sagemaker.describe_compilation_job(CompilationJobName=name)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFound"


def test_a_name_is_used_once(neo: Compilations) -> None:
    request = neo.request(None)
    neo.run(request)
    with pytest.raises(botocore.exceptions.ClientError, match="already exists") as refused:
        neo.sagemaker.create_compilation_job(**request)
    assert refused.value.response["Error"]["Code"] == "ResourceInUse"
