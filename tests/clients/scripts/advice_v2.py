"""The Inference Recommender in SDK v2's words: right_size, then deploy what it advises. IMAGE names the image."""

import io
import os
import tarfile
import time
from functools import partial

import boto3
import sagemaker
from sagemaker.inference_recommender.inference_recommender_mixin import ModelLatencyThreshold, Phase
from sagemaker.model import Model
from sagemaker.parameter import CategoricalParameter
from sagemaker.predictor import Predictor

sess = sagemaker.Session(boto3.Session())
role, bucket = sagemaker.get_execution_role(sess), sess.default_bucket()
archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w:gz") as out:
    member = tarfile.TarInfo("rows.csv")
    member.size = 3
    out.addfile(member, io.BytesIO(b"1,2"))
samples = f"s3://{bucket}/advice-v2/samples.tar.gz"
sess.boto_session.client("s3").put_object(Bucket=bucket, Key="advice-v2/samples.tar.gz", Body=archive.getvalue())

# The SDK itself looks every two minutes.
sess.wait_for_inference_recommendations_job = partial(sess.wait_for_inference_recommendations_job, poll=0.2)
model = Model(
    image_uri=os.environ["IMAGE"],
    role=role,
    name="advice-v2",
    predictor_cls=Predictor,
    sagemaker_session=sess,
)
model.right_size(
    sample_payload_url=samples,
    supported_content_types=["text/csv"],
    framework="OTHER",
    job_duration_in_seconds=3600,
    hyperparameter_ranges=[
        {"instance_types": CategoricalParameter(["ml.c5.large"]), "THREADS": CategoricalParameter(["1", "2"])}
    ],
    phases=[Phase(duration_in_seconds=120, initial_number_of_users=1, spawn_rate=1)],
    traffic_type="PHASES",
    max_invocations=1,
    model_latency_thresholds=[ModelLatencyThreshold(percentile="P95", value_in_milliseconds=60000)],
    max_tests=2,
    max_parallel_tests=1,
    log_level="Quiet",
)
found = model.inference_recommendations
print("advised", [each["EndpointConfiguration"]["InstanceType"] for each in found])

predictor = model.deploy(wait=False, endpoint_name="advice-v2")
while (described := sess.sagemaker_client.describe_endpoint(EndpointName="advice-v2"))[
    "EndpointStatus"
] == "Creating":
    time.sleep(0.2)
print("deployed", described["EndpointStatus"], predictor.predict(b"1,2").decode())
predictor.delete_endpoint()
model.delete_model()
