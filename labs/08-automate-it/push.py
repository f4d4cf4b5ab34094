"""Train what was pushed: the handler of a function that EventBridge calls for each push to a repository.

In    the event "CodeCommit Repository State Change" of a branch; settings.json of the commit: the pipeline's
      parameters, {"BatchSize": 64, "LearningRate": 0.002}
      PIPELINE, GROUP from the environment: what to start, and the models that it has to beat
Out   the ARN of the run, which is called push-<the first 8 letters of the commit>
Log   a line: which commit, which parameters

The bar is not the pusher's: it is the accuracy of the best version in the registry.
"""

import json
import os
from urllib.parse import urlsplit

import boto3

codecommit, s3, sagemaker = (boto3.client(name) for name in ("codecommit", "s3", "sagemaker"))


def handler(event, context):  # noqa: ARG001, so are handlers called
    """Start the pipeline with the settings of a commit."""
    commit, name = event["detail"]["commitId"], event["detail"]["repositoryName"]
    file = codecommit.get_file(repositoryName=name, commitSpecifier=commit, filePath="settings.json")
    settings = {**json.loads(file["fileContent"]), "Bar": best()}
    run = sagemaker.start_pipeline_execution(
        PipelineName=os.environ["PIPELINE"],
        PipelineExecutionDisplayName=f"push-{commit[:8]}",
        PipelineParameters=[{"Name": key, "Value": str(value)} for key, value in settings.items()],
        ClientRequestToken=commit,  # a second delivery of the event starts no second run
    )
    print(f"commit {commit[:8]}: {settings}")
    return run["PipelineExecutionArn"]


def best():
    """The highest accuracy in the registry."""
    listed = sagemaker.list_model_packages(ModelPackageGroupName=os.environ["GROUP"])
    packages = [each["ModelPackageArn"] for each in listed["ModelPackageSummaryList"]]
    return max(map(accuracy, packages), default=0.0)


def accuracy(package):
    """Of one version, from the file that its metrics name."""
    metrics = sagemaker.describe_model_package(ModelPackageName=package)["ModelMetrics"]
    place = urlsplit(metrics["ModelQuality"]["Statistics"]["S3Uri"])
    body = s3.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"]
    return json.load(body)["multiclass_classification_metrics"]["accuracy"]["value"]
