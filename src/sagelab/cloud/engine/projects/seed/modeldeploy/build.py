"""Find the newest approved version of the model; write each stage's parameters. Exit code 1: there is none."""

import json
import os
import sys
from pathlib import Path

import boto3


def main() -> None:
    env, sagemaker = os.environ, boto3.client("sagemaker")
    group = env["MODEL_PACKAGE_GROUP_NAME"]
    try:
        found = sagemaker.list_model_packages(
            ModelPackageGroupName=group,
            ModelApprovalStatus="Approved",
            SortBy="CreationTime",
            SortOrder="Descending",
        )["ModelPackageSummaryList"]
    except sagemaker.exceptions.ClientError as error:
        sys.exit(f"There is no model package group {group} yet: {error}")
    if not found:
        sys.exit(f"No version of {group} is approved.")
    print(f"deploying {found[0]['ModelPackageArn']}")
    for stage in ("staging", "prod"):
        settings = json.loads(Path(f"{stage}.json").read_text())
        parameters = {
            "ModelPackageName": found[0]["ModelPackageArn"],
            "ModelExecutionRoleArn": env["MODEL_EXECUTION_ROLE_ARN"],
            "EndpointName": f"{env['ENDPOINT_NAME']}-{stage}",
            **settings,
        }
        tags = {
            "sagemaker:project-name": env["SAGEMAKER_PROJECT_NAME"],
            "sagemaker:project-id": env["SAGEMAKER_PROJECT_ID"],
        }
        Path(f"{stage}-config.json").write_text(json.dumps({"Parameters": parameters, "Tags": tags}))


if __name__ == "__main__":
    main()
