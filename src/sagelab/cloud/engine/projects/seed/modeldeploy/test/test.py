"""Ask the endpoint in staging for one digit."""

import os

import boto3
from sklearn.datasets import load_digits

digits = load_digits()
answer = (
    boto3.client("sagemaker-runtime")
    .invoke_endpoint(
        EndpointName=f"{os.environ['ENDPOINT_NAME']}-staging",
        ContentType="text/csv",
        Accept="text/csv",
        Body=",".join(str(pixel) for pixel in digits.data[0]),
    )["Body"]
    .read()
)
print("a", digits.target[0], "is read as", answer.decode().strip())
