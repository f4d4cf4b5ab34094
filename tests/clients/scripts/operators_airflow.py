"""Airflow's operators and sensors for SageMaker, each executed as a task of a DAG is.

The file requests.json in the current directory has a request for each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.operators import sagemaker as operators
from airflow.providers.amazon.aws.sensors import sagemaker as sensors

REQUESTS: dict[str, Any] = json.loads(Path("requests.json").read_text())
WAITING = {"wait_for_completion": True, "check_interval": 1}


def execute(operator: Any) -> Any:
    """What a task leaves for those after it."""
    found = operator.execute({})
    print(operator.task_id, "is done", flush=True)
    return found


def sense(kind: Any, **what: Any) -> None:
    kind(task_id=kind.__name__, poke_interval=1, **what).execute({})


processing, training = REQUESTS["processing"], REQUESTS["training"]
execute(operators.SageMakerProcessingOperator(task_id="process", config=processing, print_log=True, **WAITING))
sense(sensors.SageMakerProcessingSensor, job_name=processing["ProcessingJobName"])
trained = execute(operators.SageMakerTrainingOperator(task_id="train", config=training, print_log=True, **WAITING))
assert trained["Training"]["ModelArtifacts"]["S3ModelArtifacts"].startswith("s3://")
sense(sensors.SageMakerTrainingSensor, job_name=training["TrainingJobName"], print_log=True)
tuning = REQUESTS["tuning"]
execute(operators.SageMakerTuningOperator(task_id="tune", config=tuning, **WAITING))
sense(sensors.SageMakerTuningSensor, job_name=tuning["HyperParameterTuningJobName"])
execute(operators.SageMakerModelOperator(task_id="model", config=REQUESTS["model"]))
transform = REQUESTS["transform"]
execute(operators.SageMakerTransformOperator(task_id="transform", config=transform, **WAITING))
sense(sensors.SageMakerTransformSensor, job_name=transform["TransformJobName"])
execute(operators.SageMakerEndpointConfigOperator(task_id="config", config=REQUESTS["config"]))
endpoint = REQUESTS["endpoint"]
execute(operators.SageMakerEndpointOperator(task_id="deploy", config={"Endpoint": endpoint}, **WAITING))
sense(sensors.SageMakerEndpointSensor, endpoint_name=endpoint["EndpointName"])
execute(
    operators.SageMakerEndpointOperator(
        task_id="update", operation="update", config={"Endpoint": endpoint}, **WAITING
    )
)
run = execute(
    operators.SageMakerStartPipelineOperator(
        task_id="line", pipeline_name=REQUESTS["pipeline"], pipeline_params={"Words": "hello"}, **WAITING
    )
)
sense(sensors.SageMakerPipelineSensor, pipeline_exec_arn=run)
model = {"ModelName": REQUESTS["model"]["ModelName"]}
execute(operators.SageMakerDeleteModelOperator(task_id="delete", config=model))
