"""sagemaker.core.resources: create, get, get_all, wait, invoke, delete. model.tar.gz and rows.* lie beside it."""

# %% A training job from its parts
import json
import time

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, ProcessingJob, TrainingJob, TransformJob
from sagemaker.core.shapes import (
    AlgorithmSpecification,
    AppSpecification,
    ContainerDefinition,
    OutputDataConfig,
    ProcessingClusterConfig,
    ProcessingResources,
    ProductionVariant,
    ResourceConfig,
    StoppingCondition,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)

session = Session()
role, bucket, region = get_execution_role(session), session.default_bucket(), session.boto_region_name
stamp = str(time.time_ns())
image = image_uris.retrieve(
    "tensorflow", region, version="2.19", image_scope="training", instance_type="ml.m5.large"
)
job = TrainingJob.create(
    training_job_name=f"resources-{stamp}",
    role_arn=role,
    algorithm_specification=AlgorithmSpecification(
        training_image=image,
        training_input_mode="File",
        container_entrypoint=["/bin/sh", "-c"],
        container_arguments=["echo made > /opt/ml/model/model.txt"],
    ),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/resources-v3"),
    resource_config=ResourceConfig(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=10),
    stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
    tags=[{"key": "team", "value": "resources"}],
)
job.wait(poll=1)
same = TrainingJob.get(training_job_name=job.training_job_name)
listed = [one.training_job_name for one in TrainingJob.get_all(name_contains=stamp)]
print("training", same.training_job_status, listed == [job.training_job_name])

# %% Model, endpoint configuration, endpoint
model_data = session.upload_data("model.tar.gz", key_prefix=f"resources-v3/{stamp}")
serving = image_uris.retrieve(
    "tensorflow", region, version="2.19", image_scope="inference", instance_type="ml.c5.large"
)
name = f"resources-{stamp}"
model = Model.create(
    model_name=name,
    primary_container=ContainerDefinition(image=serving, model_data_url=model_data),
    execution_role_arn=role,
)
variant = ProductionVariant(
    variant_name="AllTraffic", model_name=name, instance_type="ml.c5.large", initial_instance_count=1
)
config = EndpointConfig.create(endpoint_config_name=name, production_variants=[variant])
endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
endpoint.wait_for_status("InService", poll=1)
answer = endpoint.invoke(
    body=json.dumps({"instances": [[1.0, 2.0]]}), content_type="application/json", accept="application/json"
)
print("answer", json.loads(answer.body.read()))
print("endpoints", [one.endpoint_name for one in Endpoint.get_all(name_contains=stamp)] == [name])

# %% Batch transform with the same model
lines = session.upload_data("rows.jsonl", key_prefix=f"resources-v3/{stamp}/batch")
transform = TransformJob.create(
    transform_job_name=name,
    model_name=name,
    transform_input=TransformInput(
        data_source=TransformDataSource(
            s3_data_source=TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=lines)
        ),
        content_type="application/jsonlines",
        split_type="Line",
    ),
    transform_output=TransformOutput(s3_output_path=f"s3://{bucket}/{name}/out", assemble_with="Line"),
    transform_resources=TransformResources(instance_type="ml.m5.large", instance_count=1),
)
transform.wait(poll=1)
body = boto3.client("s3").get_object(Bucket=bucket, Key=f"{name}/out/rows.jsonl.out")["Body"].read()
print("batch", TransformJob.get(transform_job_name=name).transform_job_status, json.loads(body))

# %% A processing job
processing = ProcessingJob.create(
    processing_job_name=name,
    role_arn=role,
    app_specification=AppSpecification(
        image_uri=image, container_entrypoint=["/bin/sh", "-c"], container_arguments=["echo processed"]
    ),
    processing_resources=ProcessingResources(
        cluster_config=ProcessingClusterConfig(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=10)
    ),
)
processing.wait(poll=1)
print("processing", [one.processing_job_status for one in ProcessingJob.get_all(name_contains=stamp)])

# %% Nothing is left
endpoint.delete()
endpoint.wait_for_delete(poll=1)
config.delete()
model.delete()
print("left", [one.model_name for one in Model.get_all(name_contains=stamp)])
