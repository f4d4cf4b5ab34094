"""What bad input gets: a reason in the words a learner needs, and nothing left behind."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.engine.compilation import run
from tests.cloud.compilations import Compilations, make_models, pack
from tests.conftest import LocalCloud

NCHW = json.dumps({"image": [1, 2, 6, 4]})


@pytest.fixture(scope="module")
def neo(cloud: LocalCloud) -> Compilations:
    return Compilations(cloud)


@pytest.fixture(scope="module")
def models() -> Path:
    return make_models()


def fail(neo: Compilations, request: dict[str, Any]) -> str:
    """The FailureReason of a job; nothing of it may be left."""
    job = neo.run(request)
    assert job["CompilationJobStatus"] == "FAILED"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == ""
    out = request["OutputConfig"]["S3OutputLocation"].removeprefix(f"s3://{neo.bucket}/")
    assert "Contents" not in neo.s3.list_objects_v2(Bucket=neo.bucket, Prefix=out)
    assert not list(neo.cloud.home.jobs.glob(f"{job['CompilationJobName']}-*"))
    return str(job["FailureReason"])


def climbing() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as out:
        out.addfile(tarfile.TarInfo("../../net.keras"))
    return archive.getvalue()


ARCHIVES = {
    "no archive": (lambda: b"not a tar file", "Unable to untar input model"),
    "corrupt": (lambda: pack(a_DOT_keras=bytes(9999))[:60], "Unable to untar input model"),
    "climbing": (climbing, "would be written outside its folder"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("archive", "words"), ARCHIVES.values(), ids=ARCHIVES)
def test_a_bad_archive_is_refused(neo: Compilations, archive: Any, words: str) -> None:
    reason = fail(neo, neo.request(archive()))
    assert reason.startswith("ClientError: InputConfiguration: ")
    assert words in reason


CONTENTS = {
    "no model": ({"README_DOT_md": b"hello"}, "KERAS", "No model found. .*The archive has README.md"),
    "another framework's": ({"net_DOT_onnx": b"x"}, "KERAS", "It looks like ONNX"),
    "two models": ({"a_DOT_keras": b"x", "b_DOT_h5": b"x"}, "KERAS", "Exactly one model is allowed"),
    "a broken Keras file": ({"a_DOT_keras": b"x"}, "KERAS", "Unable to load provided Keras model. Error: "),
    "a broken SavedModel": ({"1__saved_model_DOT_pb": b"x"}, "TENSORFLOW", "Unable to load provided TensorFlow"),
    "a broken ONNX file": ({"a_DOT_onnx": b"x"}, "ONNX", "Unable to load provided ONNX model. Error: "),
    "a broken TFLite file": ({"a_DOT_tflite": b"x"}, "TFLITE", "Unable to load provided TFLite model. Error: "),
}


@pytest.mark.slow
@pytest.mark.parametrize(("members", "framework", "words"), CONTENTS.values(), ids=CONTENTS)
def test_what_is_not_one_model_is_refused(
    neo: Compilations, members: dict[str, bytes], framework: str, words: str
) -> None:
    assert re.search(words, fail(neo, neo.request(pack(**members), framework)), re.DOTALL)


INPUTS = {
    "order": ('{"image": [1, 6, 4, 2]}', 'in NCHW format. Give {"image": [1, 2, 6, 4]}'),
    "shape": ('{"image": [1, 2, 7, 4]}', "in NCHW format. The model's own order is NHWC: image (any, 6, 4, 2)"),
    "name": ('{"input_1": [1, 2, 6, 4]}', "the model has no input input_1 and image is missing"),
    "range": ('{"image": ["1..8", 2, 6, 4]}', "a range or a choice of shapes"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("config", "words"), INPUTS.values(), ids=INPUTS)
def test_inputs_that_do_not_fit_are_explained(neo: Compilations, models: Path, config: str, words: str) -> None:
    reason = fail(neo, neo.request(pack(models / "net.keras"), DataInputConfig=config))
    assert words in reason


@pytest.mark.slow
def test_an_unknown_operator_is_named(neo: Compilations, models: Path) -> None:
    request = neo.request(pack(models / "strings"), "TENSORFLOW", DataInputConfig='{"x": [1, 2]}')
    reason = fail(neo, request)
    assert reason.startswith("ClientError: OperatorNotImplemented: ")
    assert "AsString" in reason


@pytest.mark.slow
def test_a_stopped_job_leaves_nothing(neo: Compilations, models: Path) -> None:
    request = neo.request(pack(models / "net.keras"), DataInputConfig=NCHW)
    name = request["CompilationJobName"]
    neo.sagemaker.create_compilation_job(**request)
    neo.sagemaker.stop_compilation_job(CompilationJobName=name)
    job = neo.wait(name, "STOPPED", "FAILED", "COMPLETED")
    assert job["CompilationJobStatus"] == "STOPPED"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == ""
    assert not list(neo.cloud.home.jobs.glob(f"{name}-*"))


@pytest.mark.slow
def test_a_job_that_takes_too_long_has_timed_out(neo: Compilations) -> None:
    """A matrix of many layers takes the compiler longer than a second."""
    request = neo.request(pack(net_DOT_onnx=many_layers()), "ONNX", DataInputConfig='{"x": [1, 64]}')
    request["StoppingCondition"]["MaxRuntimeInSeconds"] = 1
    assert "TimeOut: the compilation did not end within MaxRuntimeInSeconds (1)" in fail(neo, request)


def many_layers(count: int = 60) -> bytes:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    sizes = [64 + n % 7 for n in range(count)]
    shapes = zip([64, *sizes], sizes, strict=False)
    weights = [
        numpy_helper.from_array(random.random(shape, np.float32), f"w{n}") for n, shape in enumerate(shapes)
    ]
    names = ["x", *(f"h{n}" for n in range(count))]
    nodes = [helper.make_node("MatMul", [names[n], f"w{n}"], [names[n + 1]]) for n in range(count)]
    value = helper.make_tensor_value_info
    ends = [value("x", TensorProto.FLOAT, [1, 64])], [value(names[-1], TensorProto.FLOAT, [1, sizes[-1]])]
    graph = helper.make_graph(nodes, "deep", *ends, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(made.SerializeToString())


REASONS = {
    "its own": (1, "InputConfiguration: no", [], "ClientError: InputConfiguration: no"),
    "killed": (137, "", [], "ClientError: OutOfMemory: the model does not fit into the memory of the job"),
    "abort": (134, "", ["terminate called after throwing 'std::bad_alloc'"], "ClientError: OutOfMemory: "),
    "crash": (
        139,
        "",
        ["Fatal Python error"],
        "ClientError: CompilerFailed: the compiler crashed. Exit code: 139",
    ),
}


@pytest.mark.parametrize(("code", "failure", "tail", "words"), REASONS.values(), ids=REASONS)
def test_the_end_of_a_compiler_is_explained(code: int, failure: str, tail: list[str], words: str) -> None:
    assert str(run.explain(code, failure, tail)).startswith(words)


@pytest.mark.parametrize("code", [134, 139])
def test_a_crash_where_memory_is_tight_comes_of_that(code: int) -> None:
    assert str(run.explain(code, "", ["Found 1/saved_model.pb"], tight=True)).startswith(
        "ClientError: OutOfMemory"
    )
    assert str(run.explain(1, "", ["no"], tight=True)).startswith("ClientError: CompilerFailed")
