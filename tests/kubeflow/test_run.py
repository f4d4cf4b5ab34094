"""Pipelines by kfp.local, in the environment that has kfp: pulled on first use, so with the long tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import processing
from tests.cloud.endpoints import IMAGE as SERVING
from tests.cloud.jobs import IMAGE, ROLE, Jobs, pack
from tests.conftest import LocalCloud

pytestmark = pytest.mark.long
PIPELINE = """
from kfp import dsl
from sagelab.kubeflow import components as sm

@dsl.component(base_image="python:3.11")
def epochs(number: int) -> dict:
    return {"sagemaker_program": "train.py", "epochs": 2 * number}

@dsl.component(base_image="python:3.11")
def joined(parameters: dict, code: str) -> dict:
    return {**parameters, "sagemaker_submit_directory": code}

@dsl.pipeline
def line(
    role: str, bucket: str, code: str, image: str, serving: str, sklearn: str, name: str, number: int = 1
) -> str:
    common = {"region": "us-east-1", "role": role, "instance_type": "ml.m5.large", "network_isolation": False}
    output = {"OutputName": "o", "S3Output": {
        "S3Uri": f"s3://{bucket}/rows", "LocalPath": "/opt/ml/processing/o", "S3UploadMode": "EndOfJob"}}
    made = sm.processing_job(
        image=sklearn, container_entrypoint=["sh", "-c"], output_config=[output],
        container_arguments=["echo 1 > /opt/ml/processing/o/rows.csv"], **common)
    parameters = joined(parameters=epochs(number=number).output, code=code)
    trained = sm.training_job(
        image=image, hyperparameters=parameters.output, model_artifact_path=f"s3://{bucket}/models",
        channels=[{"ChannelName": "rows", "DataSource": {
            "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/rows"}}}], **common).after(made)
    model = sm.create_model(
        region="us-east-1", role=role, model_name=name, image=serving, network_isolation=False,
        model_artifact_url=trained.outputs["model_artifact_url"])
    return model.outputs["model_name"]
"""
TRAIN = """
import os, pathlib
print("epochs", os.environ["SM_HP_EPOCHS"], pathlib.Path("/opt/ml/input/data/rows/rows.csv").read_text())
pathlib.Path("/opt/ml/model/1").mkdir(parents=True)
pathlib.Path("/opt/ml/model/1/weights.txt").write_text("w")
"""
COMPILE = """
import sys
from sagelab.kubeflow import serverless
from kfp import compiler
sys.path.insert(0, ".")
import line
compiler.Compiler().compile(line.line, "line.yaml")
"""


def run(cloud: LocalCloud, folder: Path, file: str, *parameters: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("sagelab")), "kfp", "run", file, *parameters]
    env = {**os.environ, "SAGELAB_HOME": str(cloud.home.path)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)
    if "could not be downloaded" in done.stderr:
        pytest.skip(done.stderr)
    return done


def parameters_of(jobs: Jobs, name: str, **changes: Any) -> list[str]:
    given = {
        "role": ROLE,
        "bucket": jobs.bucket,
        "code": jobs.put("code/sourcedir.tar.gz", pack({"train.py": TRAIN})),
        "image": IMAGE,
        "serving": SERVING,
        "sklearn": processing.IMAGE,
        "name": name,
        "number": 2,
    } | changes
    return [f"{key}={value}" for key, value in given.items()]


def test_a_pipeline_of_all_kinds_of_steps_runs_as_it_is_and_compiled(cloud: LocalCloud, tmp_path: Path) -> None:
    jobs = Jobs(cloud)
    (tmp_path / "line.py").write_text(PIPELINE)
    done = run(cloud, tmp_path, "line.py", *parameters_of(jobs, f"{jobs.bucket}-one"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"Output": f"{jobs.bucket}-one"}
    assert "epochs 4 1" in done.stdout + done.stderr
    model = cloud.client("sagemaker").describe_model(ModelName=f"{jobs.bucket}-one")
    assert model["PrimaryContainer"]["ModelDataUrl"].startswith(f"s3://{jobs.bucket}/models/")
    python = cloud.home.environments / "kubeflow/bin/python"
    subprocess.run([str(python), "-c", COMPILE], cwd=tmp_path, check=True)
    again = run(cloud, tmp_path, "line.yaml", *parameters_of(jobs, f"{jobs.bucket}-two"))
    assert again.returncode == 0, again.stdout + again.stderr
    assert cloud.client("sagemaker").describe_model(ModelName=f"{jobs.bucket}-two")


def test_a_step_that_fails_fails_the_pipeline_with_its_reason(cloud: LocalCloud, tmp_path: Path) -> None:
    jobs = Jobs(cloud)
    (tmp_path / "line.py").write_text(PIPELINE.replace("echo 1 >", "exit 3 #"))
    done = run(cloud, tmp_path, "line.py", *parameters_of(jobs, "never"))
    assert done.returncode == 1
    assert "JobFailed: Failed: " in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "parameters", "words"),
    [
        ("x = 1", [], "must have one function with @dsl.pipeline; it has none"),
        (PIPELINE, ["nothing=1"], "nothing=1 names no parameter; there are role"),
        (PIPELINE, ["number=two"], "number must be a value of JSON"),
        ("import kfp; kfp.Client()", [], "There is no Kubeflow server here"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(
    cloud: LocalCloud, tmp_path: Path, text: str, parameters: list[str], words: str
) -> None:
    (tmp_path / "line.py").write_text(text)
    done = run(cloud, tmp_path, "line.py", *parameters)
    assert done.returncode == 1
    assert words in done.stderr
