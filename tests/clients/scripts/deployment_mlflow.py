"""MLflow's deployments to SageMaker: made, asked, listed, updated, deleted; and its batch transform.

Arguments: the role, the bucket, the image that serves a model of MLflow's, a name.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow.sagemaker
import mlflow.sklearn
import pandas as pd
from mlflow.deployments import get_deploy_client
from sklearn.linear_model import LinearRegression

ROLE, BUCKET, IMAGE, NAME = sys.argv[1:]
ROWS = pd.DataFrame({"x": [1.0, 2.0, 3.0]})


def save(factor: int) -> str:
    """A model that multiplies by a factor."""
    folder = Path(f"times-{factor}")
    mlflow.sklearn.save_model(LinearRegression().fit(ROWS, factor * ROWS["x"]), folder)
    return str(folder)


def predict() -> list[float]:
    found = client.predict(NAME, ROWS)
    return [round(float(value)) for value in found["predictions"]]


client = get_deploy_client("sagemaker:/us-east-1")
config = {
    "execution_role_arn": ROLE,
    "bucket": BUCKET,
    "image_url": IMAGE,
    "instance_type": "ml.c5.large",
    "instance_count": 1,
    "archive": False,
    "timeout_seconds": 600,
}
client.create_deployment(NAME, save(2), flavor="python_function", config=config)
assert predict() == [2, 4, 6]
assert NAME in [one["EndpointName"] for one in client.list_deployments()]
client.update_deployment(NAME, save(3), flavor="python_function", config={**config, "mode": "replace"})
assert predict() == [3, 6, 9]
client.delete_deployment(NAME, config={"timeout_seconds": 600})
assert NAME not in [one["EndpointName"] for one in client.list_deployments()]
