"""The images of Amazon's own built-in algorithms: jobs, their metrics, a search, an endpoint and a transform."""

from __future__ import annotations

import gzip
import json
import uuid
from typing import Any

import botocore.exceptions
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from tests.algorithms.containers import csv
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import ROLE, Jobs
from tests.cloud.tunings import Tunings
from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = pytest.mark.slow  # a Python that imports scikit-learn

IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:{}"
SETTINGS = {"predictor_type": "binary_classifier", "mini_batch_size": "100", "num_models": "4", "epochs": "5"}
FEATURES, LABELS = load_breast_cancer(return_X_y=True)
TABLE = np.column_stack([LABELS, FEATURES])


@pytest.fixture(scope="module")
def jobs(cloud: LocalCloud) -> Jobs:
    made = Jobs(cloud)
    made.put("train/rows.csv", csv(TABLE[:400]))
    made.put("validation/rows.csv", csv(TABLE[400:]))
    made.put("packed/rows.csv.gz", gzip.compress(csv(TABLE[:400])))
    return made


def request(jobs: Jobs, **changes: str) -> dict[str, Any]:
    """A training job of the algorithm. changes: of its hyperparameters."""
    channels = [
        jobs.channel(name, f"s3://{jobs.bucket}/{name}") | {"ContentType": "text/csv"}
        for name in ("train", "validation")
    ]
    return jobs.request(
        AlgorithmSpecification={"TrainingImage": IMAGE.format("1"), "TrainingInputMode": "File"},
        HyperParameters=SETTINGS | changes,
        InputDataConfig=channels,
    )


def last(job: dict[str, Any]) -> dict[str, float]:
    """The last values of a job's metrics."""
    return {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]}


@pytest.fixture(scope="module")
def trained(jobs: Jobs) -> dict[str, Any]:
    return jobs.run(request(jobs))


def test_algorithm_trains_and_its_metrics_are_the_jobs(jobs: Jobs, trained: dict[str, Any]) -> None:
    assert trained["TrainingJobStatus"] == "Completed", trained.get("FailureReason")
    final = last(trained)
    assert final["validation:binary_classification_accuracy"] > 0.94
    assert final["train:progress"] == 100
    assert 0 < final["validation:objective_loss:final"] < 0.3
    assert {"train:objective_loss", "validation:objective_loss", "train:throughput"} <= final.keys()
    assert "Test data is not provided." in jobs.log(trained["TrainingJobName"])
    assert set(jobs.unpack(trained["ModelArtifacts"]["S3ModelArtifacts"])) == {"model_algo-1"}


def test_channel_in_pipe_mode_says_the_same(jobs: Jobs, trained: dict[str, Any]) -> None:
    asked = request(jobs)
    asked["AlgorithmSpecification"] |= {"TrainingImage": IMAGE.format("latest"), "TrainingInputMode": "Pipe"}
    asked["InputDataConfig"][0]["CompressionType"] = "Gzip"
    asked["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{jobs.bucket}/packed"
    ended = jobs.run(asked)
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")
    assert last(ended)["validation:objective_loss:final"] == pytest.approx(
        last(trained)["validation:objective_loss:final"], rel=1e-6
    )


def test_what_the_user_does_wrong_is_a_client_error(jobs: Jobs) -> None:
    ended = jobs.run(request(jobs, epochs="0"))
    assert ended["TrainingJobStatus"] == "Failed"
    assert ended["FailureReason"] == (
        "ClientError: The value '0' is not valid for the 'epochs' hyperparameter which expects an integer in"
        " [1, inf] (caused by ValidationError), exit code: 2"
    )
    assert "Customer Error: The value '0'" in jobs.log(ended["TrainingJobName"])


def test_search_follows_a_metric_of_the_algorithm(jobs: Jobs) -> None:
    tunings = Tunings(jobs)
    asked = request(jobs)
    definition = {name: asked[name] for name in ("AlgorithmSpecification", "InputDataConfig", "OutputDataConfig")}
    definition |= {name: asked[name] for name in ("RoleArn", "ResourceConfig", "StoppingCondition")}
    rate = {"Name": "learning_rate", "MinValue": "0.001", "MaxValue": "0.1", "ScalingType": "Logarithmic"}

    def search(metric: str, **changes: str) -> dict[str, Any]:
        config = tunings.config(
            2,
            HyperParameterTuningJobObjective={"Type": "Minimize", "MetricName": metric},
            ParameterRanges={"ContinuousParameterRanges": [rate | changes]},
        )
        return tunings.request(config, TrainingJobDefinition=definition | {"StaticHyperParameters": SETTINGS})

    for changed, said in (
        (search("validation:f1"), "[validation:f1], isn't valid for the [linear-learner] algorithm"),
        (search("train:objective_loss"), "Choose a valid objective metric: [validation:objective_loss"),
        (
            search("validation:objective_loss", Name="huber_delta"),
            "The hyperparameter [huber_delta] can't be tuned",
        ),
        (search("validation:objective_loss", MaxValue="2"), "must be within [continuous, from 1e-05 to 1]"),
    ):
        code, message = tunings.refused(changed)
        assert code == "ValidationException"
        assert said in message
    ended = tunings.run(search("validation:objective_loss"))
    best = ended["BestTrainingJob"]
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] < 0.5
    log = jobs.log(best["TrainingJobName"])
    assert '"model": 0}' in log
    assert '"model": 1}' not in log  # a search's jobs train one model


def test_model_answers_at_an_endpoint_and_in_a_batch(
    cloud: LocalCloud, jobs: Jobs, trained: dict[str, Any]
) -> None:
    hosting = Hosting(cloud)
    artifact = trained["ModelArtifacts"]["S3ModelArtifacts"]
    model = hosting.model(None, Image=IMAGE.format("1"), ModelDataUrl=artifact)
    asked = {"EndpointName": hosting.serve(hosting.config(model)), "ContentType": "text/csv"}
    answer = hosting.runtime.invoke_endpoint(**asked, Body=csv(FEATURES[400:]))
    assert answer["ContentType"] == "application/json"
    found = json.loads(answer["Body"].read())["predictions"]
    assert (
        np.mean([one["predicted_label"] == label for one, label in zip(found, LABELS[400:], strict=True)]) > 0.94
    )
    with pytest.raises(botocore.exceptions.ClientError, match=r"\(400\).*a row has 2 features, not 30"):
        hosting.runtime.invoke_endpoint(**asked, Body=b"1,2")
    folder, _, archive = artifact.rpartition("/")
    many = hosting.model(None, Image=IMAGE.format("1"), ModelDataUrl=f"{folder}/", Mode="MultiModel")
    asked["EndpointName"] = hosting.serve(hosting.config(many))
    answer = hosting.runtime.invoke_endpoint(**asked, Body=csv(FEATURES[400:402]), TargetModel=archive)
    assert json.loads(answer["Body"].read())["predictions"] == found[:2]
    hosting.close()
    name = f"transform-{uuid.uuid4().hex[:12]}"
    rows = jobs.put("batch/rows.csv", csv(FEATURES[400:420]))
    hosting.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": rows}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        TransformOutput={"S3OutputPath": f"s3://{jobs.bucket}/scored", "Accept": "application/jsonlines"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    ended = until(
        lambda: hosting.sagemaker.describe_transform_job(TransformJobName=name),
        lambda job: job["TransformJobStatus"] not in ("InProgress", "Stopping"),
    )
    assert ended["TransformJobStatus"] == "Completed", ended.get("FailureReason")
    text = jobs.s3.get_object(Bucket=jobs.bucket, Key="scored/rows.csv.out")["Body"].read().decode()
    assert [json.loads(line) for line in text.splitlines()] == found[:20]


def test_what_no_instance_would_train_is_refused_at_once(jobs: Jobs) -> None:
    asked = request(jobs)
    asked["ResourceConfig"]["InstanceCount"] = 2
    spot = request(jobs) | {
        "EnableManagedSpotTraining": True,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 3601},
    }
    for each, said in (
        (asked, "algorithm linear-learner on one instance"),
        (spot, "linear-learner does not check"),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=said):
            jobs.sagemaker.create_training_job(**each)


@pytest.mark.parametrize(
    ("account", "repository", "name"),
    [
        ("522234722520", "forecasting-deepar", "DeepAR"),
        ("766337827248", "lda", "Latent Dirichlet Allocation"),
        ("382416733822", "ntm", "Neural Topic Model"),
        ("382416733822", "ipinsights", "IP Insights"),
    ],
)
def test_algorithms_that_are_not_here_are_refused_by_name(
    jobs: Jobs, account: str, repository: str, name: str
) -> None:
    asked = request(jobs)
    image = f"{account}.dkr.ecr.us-east-1.amazonaws.com/{repository}:1"
    asked["AlgorithmSpecification"]["TrainingImage"] = image
    with pytest.raises(botocore.exceptions.ClientError, match=f"the built-in algorithm .*{name}"):
        jobs.sagemaker.create_training_job(**asked)
    container = {"Image": image, "ModelDataUrl": f"s3://{jobs.bucket}/none"}
    with pytest.raises(botocore.exceptions.ClientError, match=f"the built-in algorithm .*{name}"):
        jobs.sagemaker.create_model(ModelName=uuid.uuid4().hex, PrimaryContainer=container, ExecutionRoleArn=ROLE)
