"""The images of the algorithms for pictures: GPU types alone, an augmented manifest in Pipe mode, an endpoint."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import numpy as np
import pytest

from tests.algorithms import scenes
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs
from tests.conftest import LocalCloud

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/{}:1"
NAMES = ("image-classification", "object-detection", "semantic-segmentation")
SETTINGS = {"num_classes": "3", "num_training_samples": "6", "mini_batch_size": "6", "num_layers": "20"}
GPU = {"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    made, chance, lines = Jobs(cloud), np.random.default_rng(0), []
    for number in range(6):
        uri = made.put(f"pictures/{number}.png", scenes.encoded(scenes.shape(number % 3, chance)))
        lines.append({"source-ref": uri, "class": str(number % 3), "class-metadata": {"class-name": "shape"}})
    made.put("manifest", "\n".join(map(json.dumps, lines)).encode())
    return made


def request(jobs: Jobs, name: str = NAMES[0], **changes: str) -> dict[str, Any]:
    """A training job on an augmented manifest. changes: of its hyperparameters."""
    wrapped = {"ContentType": "application/x-recordio", "RecordWrapperType": "RecordIO"}
    channels = [
        jobs.channel(channel, f"s3://{jobs.bucket}/manifest", S3DataType="AugmentedManifestFile") | wrapped
        for channel in ("train", "validation")
    ]
    for channel in channels:
        channel["DataSource"]["S3DataSource"]["AttributeNames"] = ["source-ref", "class"]
    return jobs.request(
        AlgorithmSpecification={"TrainingImage": IMAGE.format(name), "TrainingInputMode": "Pipe"},
        HyperParameters=SETTINGS | {"image_shape": "3,28,28", "epochs": "1"} | changes,
        InputDataConfig=channels,
        ResourceConfig=GPU,
    )


@pytest.mark.parametrize("name", NAMES)
def test_instance_without_a_gpu_is_refused_at_once(jobs: Jobs, name: str) -> None:
    asked = request(jobs, name) | {"ResourceConfig": GPU | {"InstanceType": "ml.c5.xlarge"}}
    words = f"Instance type ml.c5.xlarge is not supported by algorithm {name}; only GPU instances are supported"
    with pytest.raises(botocore.exceptions.ClientError, match=words):
        jobs.sagemaker.create_training_job(**asked)


@pytest.mark.slow
def test_label_that_is_no_class_fails_the_job(jobs: Jobs) -> None:
    ended = jobs.run(request(jobs, num_classes="2"))
    assert ended["TrainingJobStatus"] == "Failed"
    assert ended["FailureReason"] == (
        "ClientError: Label 2 of image 2 of stream is not a class from 0 to 1 (num_classes - 1)., exit code: 2"
    )


@pytest.mark.long
def test_manifest_in_pipe_mode_is_trained_on_and_the_model_answers(cloud: LocalCloud, jobs: Jobs) -> None:
    ended = jobs.run(request(jobs))
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    assert {each["MetricName"] for each in ended["FinalMetricDataList"]} == {
        "train:accuracy",
        "validation:accuracy",
    }
    artifact = ended["ModelArtifacts"]["S3ModelArtifacts"]
    assert set(jobs.unpack(artifact)) == {
        "image-classification-0001.params",
        "image-classification-symbol.json",
    }
    hosting = Hosting(cloud)
    model = hosting.model(None, Image=IMAGE.format(NAMES[0]), ModelDataUrl=artifact)
    asked = {"EndpointName": hosting.serve(hosting.config(model))}
    picture = scenes.encoded(scenes.shape(scenes.DISC, np.random.default_rng(1)), "JPEG")
    answer = hosting.runtime.invoke_endpoint(**asked, ContentType="application/x-image", Body=picture)
    assert sum(json.loads(answer["Body"].read())) == pytest.approx(1, abs=1e-5)
    with pytest.raises(botocore.exceptions.ClientError, match=r"\(400\).*Unable to decode image"):
        hosting.runtime.invoke_endpoint(**asked, ContentType="image/png", Body=b"none")
    with pytest.raises(botocore.exceptions.ClientError, match=r"\(415\).*Content-type 'text/csv'"):
        hosting.runtime.invoke_endpoint(**asked, ContentType="text/csv", Body=b"1,2")
    hosting.close()
