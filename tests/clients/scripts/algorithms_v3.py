"""Amazon's own built-in algorithms by SDK v3: a ModelTrainer without a script, a ModelBuilder of its model."""

# %% The addresses of the images, all in one account or another of Amazon's
import io
import json
import time
from typing import Any

import numpy as np
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import EndpointConfig
from sagemaker.core.training.configs import Compute, InputData
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train import ModelTrainer

session = Session()
role, region, bucket = get_execution_role(session), session.boto_region_name, session.default_bucket()
names = (
    *("linear-learner", "kmeans", "pca", "knn", "randomcutforest", "factorization-machines", "blazingtext"),
    *("object2vec", "seq2seq", "image-classification", "object-detection", "semantic-segmentation"),
)
images = {name: image_uris.retrieve(name, region) for name in names}
print("images", len(set(images.values())))

# %% Rows whose label is known, and two jobs at once
rng = np.random.default_rng(0)
rows = rng.normal(size=(400, 3)).astype("float32")
labels = rows[:, 0] + 2 * rows[:, 1] > 0


def put(name: str, table: Any) -> str:
    """A channel's folder with a CSV file that has no header."""
    text = io.StringIO()
    np.savetxt(text, table, delimiter=",", fmt="%.6g")
    session.upload_string_as_file_body(text.getvalue(), bucket, f"algorithms-v3/{name}/rows.csv")
    return f"s3://{bucket}/algorithms-v3/{name}/"


def start(name: str, hyperparameters: dict[str, Any], kind: str, **channels: str) -> Any:
    """Start a training job; returns it. kind: the channels' content type."""
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=role,
        base_job_name=f"{name}-v3",
        training_image=images[name],
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters=hyperparameters,
    )
    inputs = [InputData(channel_name=each, data_source=uri, content_type=kind) for each, uri in channels.items()]
    trainer.train(input_data_config=inputs, wait=False, logs=False)
    return trainer._latest_training_job


labelled = put("labelled", np.column_stack([labels, rows]))
jobs = {
    "linear": start(
        "linear-learner",
        {"predictor_type": "binary_classifier", "mini_batch_size": 100, "num_models": 2},
        "text/csv",
        train=labelled,
        validation=labelled,
    ),
    "groups": start(
        "kmeans",
        {"feature_dim": 3, "k": 4, "mini_batch_size": 400, "eval_metrics": ["msd"]},
        "text/csv;label_size=0",
        train=put("plain", rows),
    ),
}
for name, job in jobs.items():
    while job.refresh().training_job_status == "InProgress":
        time.sleep(0.2)
    print(name, job.training_job_status, job.failure_reason or "")
told = {each.metric_name: each.value for each in jobs["linear"].final_metric_data_list}
print("accuracy", told["validation:binary_classification_accuracy"] > 0.9)
print("distance", "train:msd" in {each.metric_name for each in jobs["groups"].final_metric_data_list})

# %% An endpoint of the first
builder = ModelBuilder(
    image_uri=images["linear-learner"],
    s3_model_data_url=jobs["linear"].model_artifacts.s3_model_artifacts,
    role_arn=role,
    sagemaker_session=session,
    instance_type="ml.m5.large",
)
model = builder.build(model_name="algorithms-v3")
endpoint = builder.deploy(endpoint_name="algorithms-v3", initial_instance_count=1)
body = "\n".join(",".join(map(str, row)) for row in rows[:50].tolist())
answer = endpoint.invoke(body=body, content_type="text/csv", accept="application/json")
found = json.loads(answer.body.read())["predictions"]
print("classes", np.mean([one["predicted_label"] for one in found] == labels[:50]) > 0.9)
endpoint.delete()
EndpointConfig.get("algorithms-v3").delete()
model.delete()
