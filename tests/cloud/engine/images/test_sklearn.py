"""scikit-learn's image: a script trains, and the model server answers with the script's functions."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import botocore.exceptions
import numpy as np
import pytest

from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs, pack
from tests.conftest import LocalCloud
from tests.wheels import make_wheel

pytestmark = pytest.mark.slow  # a Python that imports scikit-learn

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:{}"
TRAIN = """
import os, sys
print("warm", "sklearn" in sys.modules)
import joblib, sklearn
try:
    import tensorflow
except ModuleNotFoundError as error:
    print(error)
from sklearn.linear_model import LinearRegression
print("scikit-learn", sklearn.__version__)
joblib.dump(LinearRegression().fit([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], [1, 2, 6]), "/opt/ml/model/line.joblib")
"""
SERVE = """
import joblib
def model_fn(folder):
    return joblib.load(folder + "/line.joblib")
"""
INSTALLED = """
import sys
from sagemaker_containers.beta.framework import content_types, encoders, env, modules, transformer, worker
warm = "scipy.sparse" in sys.modules
import heard_of_never
def model_fn(folder):
    return None
def transform_fn(model, body, content_type, accept):
    return worker.Response(encoders.encode([heard_of_never.__name__, warm], content_types.JSON), accept)
"""
WHOLE = """
def model_fn(folder):
    return None
def transform_fn(model, body, content_type, accept):
    if body == "stop":
        raise ValueError("as the script says")
    return f"{type(body).__name__} {body} as {content_type} for {accept}", "text/plain"
"""


@pytest.fixture(scope="module")
def archive(cloud: LocalCloud) -> str:
    """Where the model of a training job is."""
    jobs = Jobs(cloud)
    request = jobs.script(TRAIN)
    request["AlgorithmSpecification"]["TrainingImage"] = IMAGE.format("1.2-1-cpu-py3")
    ended = jobs.run(request)
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    log = jobs.log(request["TrainingJobName"])
    assert "scikit-learn 1." in log
    assert "warm True\nNo module named 'tensorflow'" in log
    return str(ended["ModelArtifacts"]["S3ModelArtifacts"])


def model(hosting: Hosting, data: str, script: str) -> str:
    """A model with its code in S3, as the SDK has it."""
    code = hosting.put("code/sourcedir.tar.gz", pack({"serve.py": script}))
    told = {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": code}
    return hosting.model(None, Image=IMAGE.format("1.2-1-cpu-py3"), ModelDataUrl=data, Environment=told)


def ask(hosting: Hosting, name: str, body: bytes, kind: str, accept: str = "*/*") -> bytes:
    found = hosting.runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=kind, Accept=accept)
    return bytes(found["Body"].read())


def test_model_answers_what_numpy_json_and_csv_ask(cloud: LocalCloud, archive: str) -> None:
    hosting = Hosting(cloud)
    name = hosting.serve(hosting.config(model(hosting, archive, SERVE)))
    content = io.BytesIO()
    np.save(content, np.array([[1.0, 1.0], [3.0, 0.0]]))
    npy = "application/x-npy"
    found: Any = np.load(io.BytesIO(ask(hosting, name, content.getvalue(), npy, npy)))
    np.testing.assert_allclose(found, [3, 6], atol=1e-5)
    assert json.loads(ask(hosting, name, b"[[1, 1]]", "application/json")) == pytest.approx([3], abs=1e-5)
    assert float(ask(hosting, name, b"3,0", "text/csv", "text/csv")) == pytest.approx(6, abs=1e-5)
    for kind, accept, status in (("image/png", "*/*", 415), ("text/csv", "image/png", 406)):
        with pytest.raises(botocore.exceptions.ClientError, match=rf"client error \({status}\)"):
            ask(hosting, name, b"1,1", kind, accept)
    hosting.close()


def test_script_answers_as_a_whole(cloud: LocalCloud, archive: str) -> None:
    hosting = Hosting(cloud)
    name = hosting.serve(hosting.config(model(hosting, archive, WHOLE)))
    assert ask(hosting, name, b"one", "text/plain", "text/x") == b"str one as text/plain for text/x"
    assert ask(hosting, name, b"\xff", "image/png", "text/x") == b"bytes b'\\xff' as image/png for text/x"
    with pytest.raises(
        botocore.exceptions.ClientError, match=r"server error \(500\).*ValueError: as the script says"
    ):
        ask(hosting, name, b"stop", "text/plain")
    hosting.close()


def test_packages_of_a_script_are_installed_and_its_server_stays_warm(
    cloud: LocalCloud, archive: str, tmp_path: Path
) -> None:
    hosting = Hosting(cloud)
    make_wheel(tmp_path, "heard-of-never", "1.5")
    files = {"serve.py": INSTALLED, "requirements.txt": "--no-index\n--find-links 1\nheard-of-never\n"}
    code = hosting.put("code/sourcedir.tar.gz", pack(files, tmp_path))
    told = {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": code}
    image = IMAGE.format("1.2-1-cpu-py3")
    made = hosting.model(None, Image=image, ModelDataUrl=archive, Environment=told)
    name = hosting.serve(hosting.config(made))
    assert json.loads(ask(hosting, name, b"", "text/plain", "application/json")) == ["heard_of_never", True]
    hosting.close()


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("", "Please provide a model_fn implementation"),
        (WHOLE + "def predict_fn(data, model):\n    pass\n", "Cannot use transform_fn implementation with"),
        ("raise RuntimeError('at its import')", "RuntimeError: at its import"),
    ],
)
def test_script_that_cannot_serve_is_the_reason(cloud: LocalCloud, archive: str, script: str, why: str) -> None:
    hosting = Hosting(cloud)
    name = hosting.start(hosting.config(model(hosting, archive, script)))
    described = hosting.wait(name)
    assert described["EndpointStatus"] == "Failed"
    assert why in described["FailureReason"]
    hosting.close()
