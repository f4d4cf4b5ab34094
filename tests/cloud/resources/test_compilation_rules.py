"""What CreateCompilationJob refuses at once."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.compilations import Compilations
from tests.conftest import LocalCloud


@pytest.fixture(scope="module")
def neo(cloud: LocalCloud) -> Compilations:
    return Compilations(cloud)


def refuse(neo: Compilations, framework: str = "KERAS", **changes: Any) -> str:
    request = neo.request(None, framework, **changes)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        neo.sagemaker.create_compilation_job(
            **{name: value for name, value in request.items() if value is not None}
        )
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    return str(refused.value)


@pytest.mark.parametrize("framework", ["MXNET", "DARKNET", "XGBOOST", "PYTORCH", "SKLEARN"])
def test_other_frameworks_are_told_what_is_possible(neo: Compilations, framework: str) -> None:
    words = refuse(neo, framework)
    assert f"Framework {framework}: " in words
    assert all(one in words for one in ("KERAS", "TENSORFLOW", "ONNX", "TFLITE"))


REFUSED = {
    "a GPU": ({"TargetDevice": "ml_p3"}, "ml_p3 is made of a GPU"),
    "Inferentia": ({"TargetDevice": "ml_inf1"}, "AWS Neuron"),
    "both targets": (
        {"TargetDevice": "ml_c5", "TargetPlatform": {"Os": "LINUX", "Arch": "X86_64"}},
        "either TargetDevice or TargetPlatform",
    ),
    "no target": ({"TargetPlatform": None}, "either TargetDevice or TargetPlatform"),
    "options": ({"CompilerOptions": '{"mcpu": "m68k"}'}, "the processor 'm68k' is not known"),
    "no archive": ({"S3Uri": "s3://bucket/model.keras"}, "must point to one .tar.gz archive"),
    "no bucket": ({"S3OutputLocation": "s3://no-such-bucket-anywhere/out"}, "could not be reached"),
    "too long": ({"StoppingCondition": {"MaxRuntimeInSeconds": 29 * 86400}}, "not be longer than 28 days"),
    "spot": ({"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9}}, "is for training jobs"),
    "no model": ({"InputConfig": None}, "Either ModelPackageVersionArn or InputConfig"),
    "a role": ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_refused_at_once(neo: Compilations, changes: dict[str, Any], words: str) -> None:
    if "TargetPlatform" in changes and changes["TargetPlatform"] is None:
        changes = {"OutputConfig": {"S3OutputLocation": f"s3://{neo.bucket}/out"}}
    assert words in refuse(neo, **changes)
