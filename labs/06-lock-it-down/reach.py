"""What code on a notebook instance reaches. The notebook of the lab sends this to a kernel there."""

import json
import urllib.request

import boto3
from botocore.config import Config

HASTE = {"connect_timeout": 5, "read_timeout": 10, "retries": {"total_max_attempts": 1}}


def reach(region, bucket, page):
    """Print a line of JSON: the internet, S3, SageMaker -> yes or no."""

    def client(service):
        return boto3.client(service, region, config=Config(**HASTE))

    ways = {
        "the internet": lambda: urllib.request.urlopen(page, timeout=5).close(),
        "S3": lambda: client("s3").list_objects_v2(Bucket=bucket),
        "SageMaker": lambda: client("sagemaker").list_training_jobs(MaxResults=1),
    }
    print(json.dumps({name: attempt(way) for name, way in ways.items()}))


def attempt(way):
    """Whether a way leads there."""
    try:
        way()
    except Exception:  # whatever is in its way
        return "no"
    return "yes"
