"""Whether a queue or a topic takes what a service of AWS's sends to it: its own policy decides, there is no role.

The service is the principal; aws:SourceArn and aws:SourceAccount say for what it acts. Each check is given the
arguments of a method of moto's, by name (checks.py).
https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
"""

from __future__ import annotations

from typing import Any

from moto.backends import get_backend
from moto.s3.exceptions import InvalidNotificationDestination, S3ClientError

from sagelab.cloud.gateway.auth import verdict
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.auth.verdict import Guarded, Rights
from sagelab.cloud.gateway.moto.persistence import change_tracking

Asked = dict[str, Any]

_S3, _EVENTS, _SNS = "s3.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"
_ACTIONS = {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}
_NOT_VALID = "Unable to validate the following destination configurations"
_ODD = (AttributeError, LookupError, TypeError, ValueError)  # of what is no policy


class Unheard(Exception):
    """Nobody takes what would be sent: it is not, and whoever caused it hears nothing, as on AWS."""


def check_destinations(asked: Asked) -> None:
    """S3ClientError: a queue or topic that a bucket is to notify is not there, or does not take it from S3."""
    bucket, config = asked["self"], asked["notification_config"] or {}
    for kind in ("Queue", "Topic"):
        for one in config.get(f"{kind}Configuration") or []:
            arn = str(one[kind])
            if arn.split(":")[3:4] != [bucket.region_name]:
                raise InvalidNotificationDestination
            if not _takes(arn, _S3, bucket.arn, bucket.account_id):
                raise S3ClientError("InvalidArgument", _NOT_VALID)


def check_queue(asked: Asked) -> None:
    """S3 sends to a queue, whose policy may be another one by now."""
    arn = f"arn:aws:sqs:{asked['region_name']}:{asked['account_id']}:{asked['queue_name']}"
    _check_notified(arn, asked, "sqs")


def check_topic(asked: Asked) -> None:
    _check_notified(asked["topic_arn"], asked, "sns", "sqs")


def check_event(_asked: Asked) -> None:
    """S3 sends to EventBridge, which needs nobody's leave; its targets do, whoever has made them known here."""
    from sagelab.cloud.gateway.moto import checks

    checks.hold("events")
    change_tracking.noted().reached.update(("events", "logs", "sqs"))


def check_target(asked: Asked) -> None:
    """A rule of EventBridge's sends to a queue."""
    rule = asked["self"]
    arn = f"arn:aws:sqs:{rule.region_name}:{rule.account_id}:{asked['resource_id']}"
    if not _takes(arn, _EVENTS, rule.arn, rule.account_id):
        raise Unheard


def check_subscriber(asked: Asked) -> None:
    """A topic sends to a queue that is subscribed to it."""
    subscription = asked["self"]
    if not _takes(subscription.endpoint, _SNS, subscription.topic.arn, subscription.account_id):
        raise Unheard


def _check_notified(arn: str, asked: Asked, *reached: str) -> None:
    event = asked["event_body"]
    records = event.get("Records")
    source = records[0]["s3"]["bucket"]["arn"] if records else f"arn:aws:s3:::{event['Bucket']}"
    if not _takes(arn, _S3, source, asked["account_id"]):
        raise Unheard
    change_tracking.noted().reached.update(reached)


def _takes(arn: str, service: str, source: str, account: str) -> bool:
    """Whether a queue or topic of the account lets a service act on it for one of the account's resources."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] not in _ACTIONS or parts[4] != account:
        return False
    known = {"aws:sourcearn": [source], "aws:sourceaccount": [account], "aws:securetransport": ["true"]}
    key, needed = Key("", "", service, "", account, service=service), Needed(_ACTIONS[parts[2]], arn)
    try:
        policy = _policy_of(*parts[2:])
        return verdict.reach(key, Rights(), Guarded(policy), needed, known).effect == "allowed"
    except _ODD:
        return False


def _policy_of(service: str, region: str, account: str, name: str) -> Any:
    """KeyError: there is no such queue or topic."""
    backend = get_backend(service)[account][region]
    found = backend.queues[name] if service == "sqs" else backend.topics[f"arn:aws:sns:{region}:{account}:{name}"]
    return found._policy_json
