"""What a request to Kinesis or Firehose needs: its action, on its stream, and the roles that it passes on.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonkinesisdatastreams.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonkinesisfirehose.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagelab.cloud.engine.streams import iterators
from sagelab.cloud.gateway.auth.needed import Needed

_ROLES = ("RoleARN", "RoleArn")
_KINESIS = ("StreamARN", "ResourceARN")


def needs(service: str, operation: str, params: dict[str, Any], where: str) -> Iterator[Needed]:
    """where: "REGION:ACCOUNT"."""
    yield Needed(f"{service}:{operation}", _resource(service, params, where))
    passed = {"iam:passedtoservice": [f"{service}.amazonaws.com"]}
    for role in sorted(set(_roles(params))):
        yield Needed("iam:PassRole", role, passed)


def _resource(service: str, params: dict[str, Any], where: str) -> str:
    if service == "firehose":
        name = params.get("DeliveryStreamName")
        return f"arn:aws:firehose:{where}:deliverystream/{name}" if name else "*"
    arn = next((str(params[member]) for member in _KINESIS if params.get(member)), "")
    if arn:
        return arn
    token = str(params.get("NextToken") or "").partition("/")[0] if "StreamName" not in params else ""
    name = params.get("StreamName") or iterators.stream_of(str(params.get("ShardIterator") or "")) or token
    return f"arn:aws:kinesis:{where}:stream/{name}" if name else "*"


def _roles(params: dict[str, Any]) -> Iterator[str]:
    """The roles of a request, however deep they stand; those of its processors are parameters."""
    left: list[Any] = [params]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield from (str(one[name]) for name in _ROLES if isinstance(one.get(name), str))
            if one.get("ParameterName") == "RoleArn":
                yield str(one.get("ParameterValue"))
            left += one.values()
        elif isinstance(one, list):
            left += one
