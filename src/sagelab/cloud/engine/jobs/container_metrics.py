"""The metrics that a container of Model Monitor leaves as lines of JSON, sent to CloudWatch for it.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-cloudwatch.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.data.trees import Tree

KINDS = {"MODEL_QUALITY": "model", "MODEL_BIAS": "bias", "MODEL_EXPLAINABILITY": "explainability"}
FOLDER = "output/metrics/cloudwatch"
MEMBERS = ("MetricName", "Timestamp", "Dimensions", "Value", "StatisticValues", "Unit")
LARGEST, AT_ONCE = 16 << 20, 500  # bytes of a file that are read; metrics of a request
# What CloudWatch or botocore says of a line that is no metric, or of a role that may not send one.
NO_METRIC = (
    botocore.exceptions.ClientError,
    botocore.exceptions.BotoCoreError,
    ValueError,
    TypeError,
    OverflowError,
)


def namespace(environment: Mapping[str, str]) -> str:
    """Of the metrics of an endpoint's data, or its model's quality, bias or reasons; or of a batch transform's."""
    place = "Endpoints" if environment.get("sagemaker_endpoint_name") else "ModelMonitoring"
    kind = KINDS.get(environment.get("analysis_type", ""), "data")
    return f"aws/sagemaker/{place}/{kind}-metrics"


def send(tree: Tree, environment: Mapping[str, str], cloudwatch: Any) -> list[str]:
    """Send what lies in a host's folder; what is wrong with it, in sentences for the job's log.

    tree: the host's /opt/ml. environment: the job's. cloudwatch: a client with the rights of the job's role.
    """
    found, troubles = [], []
    try:
        lines = list(_lines(tree.below(FOLDER)))
    except OSError as error:
        return [f"{FOLDER} {error}"]
    for line in lines:
        try:
            metric = json.loads(line)
            found.append({member: metric[member] for member in MEMBERS if member in metric})
        except (ValueError, TypeError, RecursionError):
            troubles.append(f"{line[:80]!r} in {FOLDER} is no metric")
    for start in range(0, len(found), AT_ONCE):
        try:
            cloudwatch.put_metric_data(Namespace=namespace(environment), MetricData=found[start : start + AT_ONCE])
        except NO_METRIC as error:
            troubles.append(f"CloudWatch did not take the metrics of {FOLDER}: {error}")
    return troubles[:10]


def _lines(folder: Tree) -> Iterator[bytes]:
    for entry in folder.walk():
        if entry.is_file:
            yield from folder.read(entry.name, LARGEST).splitlines()
