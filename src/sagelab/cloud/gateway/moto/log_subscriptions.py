"""Subscriptions of log groups to streams: lines go to Kinesis and Firehose, with the rights of the filter's role.

Each check is given the arguments of a method of moto's, by name (checks.py).
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

from __future__ import annotations

import gzip
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from moto.logs.exceptions import InvalidParameterException

from sagelab.cloud.context import LOGS
from sagelab.cloud.gateway.moto.deliveries import Answered

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

Asked = dict[str, Any]

STREAMS = {"firehose": "Firehose", "kinesis": "Kinesis"}
_NO_ROLE = "A role is needed, with which the events are put into the stream."

logger = logging.getLogger("sagelab")


class Subscriptions:
    """Those of this process's log groups."""

    current: ClassVar[Subscriptions]

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        Subscriptions.current = self


def check(asked: Asked) -> None:
    """A stream is there, and so moto, which has none, has nothing to say."""
    arn, group = str(asked["destination_arn"]), asked["self"].groups.get(asked["log_group_name"])
    service = _service(arn)
    if service not in STREAMS or group is None:
        return
    if not asked["role_arn"]:
        raise InvalidParameterException(msg=_NO_ROLE)
    if not Subscriptions.current.cloud.store.has(arn):
        words = f"Could not deliver test message to specified {STREAMS[service]} stream. Check if the given"
        raise InvalidParameterException(msg=f"{words} {STREAMS[service]} stream is in ACTIVE state.")
    group.put_subscription_filter(asked["filter_name"], asked["filter_pattern"], arn, asked["role_arn"])
    raise Answered


def deliver(asked: Asked) -> None:
    """Put events that a filter lets through into its stream."""
    if asked["service"] not in STREAMS:
        return
    stream = asked["self"]
    chosen = stream.log_group.subscription_filters[asked["filter_name"]]
    events = [one for one in asked["log_events"] if _matches(chosen.filter_pattern, one["message"])]
    if events:
        told = {
            "messageType": "DATA_MESSAGE",
            "owner": stream.account_id,
            "logGroup": stream.log_group.name,
            "logStream": stream.log_stream_name,
            "subscriptionFilters": [chosen.name],
            "logEvents": events,
        }
        _put(chosen, gzip.compress(json.dumps(told).encode()))
    raise Answered


def _put(chosen: Any, data: bytes) -> None:
    service, region, name = _service(chosen.destination_arn), *_place(chosen.destination_arn)
    try:
        client = Subscriptions.current.cloud.client_as(chosen.role_arn, service, region, by=LOGS)
        if service == "firehose":
            client.put_record(DeliveryStreamName=name, Record={"Data": data})
        else:
            client.put_record(StreamName=name, Data=data, PartitionKey=uuid.uuid4().hex)
    except (ClientError, BotoCoreError) as error:
        logger.warning("the subscription %s puts nothing into %s: %s", chosen.name, chosen.destination_arn, error)


def _matches(pattern: str, message: str) -> bool:
    from moto.logs.utils import EventMessageFilter

    return bool(EventMessageFilter(pattern).matches(message))


def _service(arn: str) -> str:
    return arn.split(":")[2] if arn.count(":") >= 5 else ""


def _place(arn: str) -> tuple[str, str]:
    """Region and name of a stream."""
    return arn.split(":")[3], arn.rpartition("/")[2]
