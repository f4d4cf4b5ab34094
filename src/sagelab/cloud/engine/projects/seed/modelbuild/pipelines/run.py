"""Upload the scripts, write the pipeline, run it, and wait for its end: exit code 1 if it fails."""

import io
import json
import os
import sys
import tarfile
import time
from pathlib import Path

import boto3

from pipelines.pipeline import Settings, define

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SCRIPTS = ("prepare.py", "train.py", "evaluate.py")


def upload(bucket: str, commit: str) -> tuple[str, str]:
    """(the scripts as objects, the same as an archive)"""
    s3, here = boto3.client("s3"), Path(__file__).parent
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in SCRIPTS:
            archive.add(here / name, name)
            s3.upload_file(str(here / name), bucket, f"code/{commit}/scripts/{name}")
    s3.put_object(Bucket=bucket, Key=f"code/{commit}/sourcedir.tar.gz", Body=packed.getvalue())
    return f"s3://{bucket}/code/{commit}/scripts", f"s3://{bucket}/code/{commit}/sourcedir.tar.gz"


def main() -> int:
    env, sagemaker = os.environ, boto3.client("sagemaker")
    commit = env["CODEBUILD_RESOLVED_SOURCE_VERSION"][:12] or "unknown"
    code, source = upload(env["ARTIFACT_BUCKET"], commit)
    role, group, name = (
        env["SAGEMAKER_PIPELINE_ROLE_ARN"],
        env["MODEL_PACKAGE_GROUP_NAME"],
        env["SAGEMAKER_PIPELINE_NAME"],
    )
    tags = [
        {"Key": "sagemaker:project-name", "Value": env["SAGEMAKER_PROJECT_NAME"]},
        {"Key": "sagemaker:project-id", "Value": env["SAGEMAKER_PROJECT_ID"]},
    ]
    groups = sagemaker.list_model_package_groups(NameContains=group)["ModelPackageGroupSummaryList"]
    if group not in {each["ModelPackageGroupName"] for each in groups}:
        sagemaker.create_model_package_group(ModelPackageGroupName=group, Tags=tags)
    definition = json.dumps(define(Settings(IMAGE, role, env["ARTIFACT_BUCKET"], code, source, group)))
    try:
        sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=definition, RoleArn=role)
    except sagemaker.exceptions.ResourceNotFound:
        sagemaker.create_pipeline(
            PipelineName=name, PipelineDefinition=definition, RoleArn=role, ClientRequestToken="0" * 32, Tags=tags
        )
    started = sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
    while (status := sagemaker.describe_pipeline_execution(PipelineExecutionArn=started))[
        "PipelineExecutionStatus"
    ] in ("Executing", "Stopping"):
        time.sleep(1)
    print(started, status["PipelineExecutionStatus"], status.get("FailureReason", ""))
    return int(status["PipelineExecutionStatus"] != "Succeeded")


if __name__ == "__main__":
    sys.exit(main())
