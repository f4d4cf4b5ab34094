"""What an endpoint and a batch transform write is written with the rights of the model's role."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cloud.endpoints import IMAGE, Hosting, pack_folder
from tests.cloud.engine.test_rights import allow, make_role
from tests.cloud.jobs import Jobs
from tests.waiting import until

pytestmark = pytest.mark.slow


def test_transform_and_capture_have_the_rights_of_the_models_role(
    hosting: Hosting, doubler: Path, unique: Callable[[str], str]
) -> None:
    reading = allow("s3:GetObject", "s3:ListBucket", "logs:*")
    role = make_role(Jobs(hosting.cloud), unique("role"), reading)
    name = unique("model")
    data = hosting.put(f"{name}/model.tar.gz", pack_folder(doubler))
    container = {"Image": IMAGE, "ModelDataUrl": data}
    hosting.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role)
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{hosting.bucket}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    endpoint = hosting.serve(hosting.config(name, options={"DataCaptureConfig": capture}))
    assert hosting.invoke(endpoint, {"instances": [[1.0, 2.0]]}) == {"predictions": [[2.0, 4.0]]}
    hosting.delete(endpoint)  # what was captured would be written by now
    assert hosting.s3.list_objects_v2(Bucket=hosting.bucket, Prefix="captured")["KeyCount"] == 0
    job, source = unique("transform"), hosting.put(f"{name}/in/one.json", b'{"instances": [[1.0, 2.0]]}')
    hosting.sagemaker.create_transform_job(
        TransformJobName=job,
        ModelName=name,
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": "application/json",
        },
        TransformOutput={"S3OutputPath": f"s3://{hosting.bucket}/transformed"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    found = until(
        lambda: hosting.sagemaker.describe_transform_job(TransformJobName=job),
        lambda job: job["TransformJobStatus"] in ("Completed", "Failed"),
    )
    assert found["TransformJobStatus"] == "Failed"
    assert "is not authorized to perform: s3:PutObject" in found["FailureReason"]
