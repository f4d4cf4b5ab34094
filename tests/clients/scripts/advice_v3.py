"""The Inference Recommender in SDK v3's words: ModelBuilder's right_size, and the job as a resource.

IMAGE names the image, SAMPLES the archive of samples in S3.
"""

import os
from functools import partial

import boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.parameter import CategoricalParameter
from sagemaker.core.resources import InferenceRecommendationsJob
from sagemaker.serve.inference_recommendation_mixin import Phase
from sagemaker.serve.model_builder import ModelBuilder

session = Session(boto_session=boto3.Session())
session.wait_for_inference_recommendations_job = partial(session.wait_for_inference_recommendations_job, poll=0.2)
builder = ModelBuilder(
    image_uri=os.environ["IMAGE"],
    s3_model_data_url=os.environ["SAMPLES"],  # an archive; the image has its model itself
    role_arn=get_execution_role(session),
    sagemaker_session=session,
    instance_type="ml.c5.large",
)
model = builder.build(model_name="advice-v3")
builder.right_size(
    sample_payload_url=os.environ["SAMPLES"],
    supported_content_types=["text/csv"],
    framework="OTHER",
    framework_version="1.0",
    job_name="advice-v3",
    hyperparameter_ranges=[
        {"instance_types": CategoricalParameter(["ml.m5.large"]), "THREADS": CategoricalParameter(["1"])}
    ],
    phases=[Phase(duration_in_seconds=120, initial_number_of_users=1, spawn_rate=1)],
    traffic_type="PHASES",
    max_invocations=1,
    log_level="Quiet",
)
print("advised", [each["EndpointConfiguration"]["InstanceType"] for each in builder.inference_recommendations])
job = InferenceRecommendationsJob.get(job_name="advice-v3")
print("job", job.status, job.inference_recommendations[0].endpoint_configuration.instance_type)
model.delete()
