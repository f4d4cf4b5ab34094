"""Put an approved version of a model behind the endpoint: the handler of a Lambda function that EventBridge calls.

In    the event "SageMaker Model Package State Change" of a version that was approved
      ENDPOINT, ROLE, INSTANCE_TYPE, CAPTURE, TAGS from the environment: the endpoint's name, the model's role,
      where requests are written down, and the tags, as JSON, of all that is made
Out   the name of the configuration that the endpoint moves to
Log   a line: which version goes where
"""

import json
import os

import boto3

sagemaker = boto3.client("sagemaker")


def handler(event, context):  # noqa: ARG001, so are handlers called
    """Make a model and a configuration of the version, and move the endpoint to it, or make it."""
    package = event["detail"]["ModelPackageArn"]
    group, version = package.split("/")[-2:]
    name, tags = f"{group}-v{version}", json.loads(os.environ["TAGS"])
    container = {"ModelPackageName": package}
    role, config = os.environ["ROLE"], {"EndpointConfigName": name}
    once(sagemaker.create_model, ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role, Tags=tags)
    once(sagemaker.create_endpoint_config, **config, **serving(name), Tags=tags)
    endpoint = {"EndpointName": os.environ["ENDPOINT"]}
    try:
        sagemaker.describe_endpoint(**endpoint)
    except sagemaker.exceptions.ClientError:
        sagemaker.create_endpoint(**endpoint, **config, Tags=tags)
    else:
        sagemaker.update_endpoint(**endpoint, **config)
    print(f"version {version} of {group} goes to {endpoint['EndpointName']}")
    return name


def serving(model):
    """What an endpoint configuration says of instances, and of the requests that are kept for the monitor."""
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": model,
        "InstanceType": os.environ["INSTANCE_TYPE"],
        "InitialInstanceCount": 1,
    }
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": os.environ["CAPTURE"],
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
    }
    return {"ProductionVariants": [variant], "DataCaptureConfig": capture}


def once(create, **request):
    """Create what may be there already: EventBridge delivers an event at least once, so perhaps twice."""
    try:
        create(**request)
    except sagemaker.exceptions.ClientError as error:
        if "already exist" not in str(error):
            raise
