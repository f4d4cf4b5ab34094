"""The images of the algorithms for pictures: spot jobs go on, a job begins where another ended, searches, batches.

What they learn is looked at without a cloud, in tests/algorithms/test_vision.py.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import numpy as np
import pytest

from sagelab.algorithms.definitions import known
from sagelab.algorithms.vision import images
from tests.algorithms import scenes
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs
from tests.cloud.spot import interrupt
from tests.cloud.tunings import Tunings
from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1800)]  # dozens of TensorFlow's graphs

IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/{}:1"
RECORDIO = "application/x-recordio"
MARKET = {"rate": "0", "wait": "0.2", "notice": "5"}  # nobody but the test interrupts
SIDE, STREET, WIDE = 28, 64, 150  # pixels
EPOCHS = 20  # of a job that is interrupted
Files = dict[str, dict[str, bytes]]


def shapes(chance: np.random.Generator, count: int) -> Files:
    drawn = [scenes.record(n % 3, scenes.encoded(scenes.shape(n % 3, chance, SIDE))) for n in range(count)]
    return {"": {"pictures.rec": b"".join(drawn)}}


def streets(chance: np.random.Generator, count: int) -> Files:
    drawn = [scenes.street(chance, WIDE) for _ in range(count)]
    return {
        "": {f"{n}.png": scenes.encoded(picture) for n, (picture, _, _) in enumerate(drawn)},
        "_annotation": {f"{n}.json": scenes.annotation(objects, WIDE) for n, (_, _, objects) in enumerate(drawn)},
    }


def roads(chance: np.random.Generator, count: int) -> Files:
    drawn = [scenes.street(chance, STREET) for _ in range(count)]
    return {
        "": {f"{n}.jpg": scenes.encoded(picture, "JPEG") for n, (picture, _, _) in enumerate(drawn)},
        "_annotation": {f"{n}.png": scenes.encoded(mask) for n, (_, mask, _) in enumerate(drawn)},
    }


# How each is trained: (pictures, their content type, hyperparameters, the metric of a search).
CASES: dict[str, tuple[Any, str, dict[str, str], str]] = {
    "image-classification": (
        shapes,
        RECORDIO,
        {"num_classes": "3", "num_layers": "20", "image_shape": f"3,{SIDE},{SIDE}", "mini_batch_size": "6"},
        "validation:accuracy",
    ),
    "object-detection": (streets, "image/png", {"num_classes": "2", "mini_batch_size": "6"}, "validation:mAP"),
    "semantic-segmentation": (
        roads,
        "image/jpeg",
        {"num_classes": "4", "base_size": str(STREET), "crop_size": str(STREET), "mini_batch_size": "6"},
        "validation:mIOU",
    ),
}


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    return Jobs(cloud)


@pytest.fixture(scope="module", params=CASES)
def algorithm(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def asked(jobs: Jobs, algorithm: str) -> dict[str, Any]:
    """A request without a name of its own, of one epoch."""
    draw, kind, sent, _ = CASES[algorithm]
    chance, channels = np.random.default_rng(0), []
    for name, count in (("train", 12), ("validation", 6)):
        for part, files in draw(chance, count).items():
            for file, content in files.items():
                jobs.put(f"{algorithm}/{name}{part}/{file}", content)
            channels.append(
                jobs.channel(f"{name}{part}", f"s3://{jobs.bucket}/{algorithm}/{name}{part}/")
                | {"ContentType": kind}
            )
    return jobs.request(
        AlgorithmSpecification={"TrainingImage": IMAGE.format(algorithm), "TrainingInputMode": "File"},
        HyperParameters={"num_training_samples": "12", "epochs": "1", "learning_rate": "0.001"} | sent,
        InputDataConfig=channels,
        ResourceConfig={"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
    )


def again(asked: dict[str, Any], *channels: dict[str, Any], **changes: str) -> dict[str, Any]:
    """The same with another name and more channels. changes: of its hyperparameters."""
    return asked | {
        "TrainingJobName": f"job-{uuid.uuid4().hex[:12]}",
        "InputDataConfig": [*asked["InputDataConfig"], *channels],
        "HyperParameters": asked["HyperParameters"] | changes,
    }


@pytest.fixture(scope="module")
def interrupted(jobs: Jobs, asked: dict[str, Any]) -> dict[str, Any]:
    """A spot job whose instance was taken away after its first epochs, at its end."""
    spot = again(asked, epochs=str(EPOCHS)) | {
        "CheckpointConfig": {"S3Uri": f"s3://{jobs.bucket}/checkpoints/{uuid.uuid4().hex}"},
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 900, "MaxWaitTimeInSeconds": 7200},
        "Tags": [{"Key": f"sagelab:spot-{name}", "Value": value} for name, value in MARKET.items()],
    }
    name = spot["TrainingJobName"]
    jobs.sagemaker.create_training_job(**spot)
    until(lambda: jobs.log(name), lambda log: bool(epochs(log)))
    interrupt(jobs, name)
    jobs.wait(name, "Interrupted")
    return jobs.wait(name)


def epochs(log: str) -> list[int]:
    """The numbers of the epochs that a log tells the end of, each once."""
    told = re.findall(r"Epoch\[(\d+)\] Validation-|epoch=(\d+), validation m", log)
    return [int(one or other) for one, other in told]


def test_spot_job_goes_on_after_its_last_whole_epoch(jobs: Jobs, interrupted: dict[str, Any]) -> None:
    assert interrupted["TrainingJobStatus"] == "Completed", interrupted.get("FailureReason")
    log = jobs.log(interrupted["TrainingJobName"])
    (last,) = map(int, re.findall(r"resuming after epoch (\d+)", log))
    before, _, after = log.partition("resuming after epoch")
    assert 0 <= last < EPOCHS - 1
    assert last in epochs(before)
    assert epochs(after) == list(range(last + 1, EPOCHS))


def test_job_begins_with_the_model_of_another(
    jobs: Jobs, asked: dict[str, Any], interrupted: dict[str, Any]
) -> None:
    model = jobs.channel("model", interrupted["ModelArtifacts"]["S3ModelArtifacts"])
    kind = {"ContentType": "application/x-sagemaker-model", "InputMode": "File"}
    ended = jobs.run(again(asked, model | kind))
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    assert "Training begins with the model of the model channel" in jobs.log(ended["TrainingJobName"])
    ended = jobs.run(again(asked, model | kind, num_classes="9"))
    assert ended["TrainingJobStatus"] == "Failed"
    assert re.match(r"ClientError: Hyperparameter num_classes must be \d", ended["FailureReason"])


def test_search_follows_the_algorithms_own_metric(jobs: Jobs, algorithm: str, asked: dict[str, Any]) -> None:
    metric = CASES[algorithm][3]
    definition = known(f"sagelab.algorithms.{algorithm.replace('-', '_')}")
    assert definition
    rate: Any = definition.tunable["learning_rate"]
    some = {"Name": "learning_rate", "MinValue": str(rate.low), "MaxValue": "0.01"}  # with more, some diverge
    tunings = Tunings(jobs)
    config = tunings.config(
        2,
        1,
        HyperParameterTuningJobObjective={"Type": "Maximize", "MetricName": metric},
        ParameterRanges={"ContinuousParameterRanges": [some | {"ScalingType": "Logarithmic"}]},
    )
    kept = ("AlgorithmSpecification", "InputDataConfig", "OutputDataConfig", "RoleArn", "ResourceConfig")
    given = {name: asked[name] for name in (*kept, "StoppingCondition")}
    fixed = {name: text for name, text in asked["HyperParameters"].items() if name != "learning_rate"}
    ended = tunings.run(tunings.request(config, TrainingJobDefinition=given | {"StaticHyperParameters": fixed}))
    best = ended["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]
    assert (best["MetricName"], 0 <= best["Value"] <= 1) == (metric, True)
    assert ended["TrainingJobStatusCounters"]["Completed"] == 2


def test_model_answers_for_each_picture_of_a_batch(
    cloud: LocalCloud, jobs: Jobs, algorithm: str, interrupted: dict[str, Any]
) -> None:
    hosting, name = Hosting(cloud), f"transform-{uuid.uuid4().hex[:12]}"
    artifact = interrupted["ModelArtifacts"]["S3ModelArtifacts"]
    model = hosting.model(None, Image=IMAGE.format(algorithm), ModelDataUrl=artifact)
    chance = np.random.default_rng(9)
    drawn = [scenes.shape(n, chance, SIDE) if algorithm == "image-classification" else None for n in range(2)]
    pictures = [each if each is not None else scenes.street(chance, STREET)[0] for each in drawn]
    for number, each in enumerate(pictures):
        jobs.put(f"{name}/{number}.jpg", scenes.encoded(each, "JPEG"))
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.bucket}/{name}/"}}
    hosting.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={"DataSource": source, "ContentType": "image/jpeg"},
        TransformOutput={"S3OutputPath": f"s3://{jobs.bucket}/{name}-scored"},
        TransformResources={"InstanceType": "ml.p3.2xlarge", "InstanceCount": 1},
    )
    ended = until(
        lambda: hosting.sagemaker.describe_transform_job(TransformJobName=name),
        lambda job: job["TransformJobStatus"] not in ("InProgress", "Stopping"),
    )
    assert ended["TransformJobStatus"] == "Completed", ended.get("FailureReason")
    for number in range(2):
        answer = jobs.s3.get_object(Bucket=jobs.bucket, Key=f"{name}-scored/{number}.jpg.out")["Body"].read()
        if algorithm == "semantic-segmentation":
            assert images.decode_mask(answer, "answer").shape == (STREET, STREET)
            continue
        found = json.loads(answer)["prediction"]
        assert len(found) == 3 if algorithm == "image-classification" else isinstance(found, list)
