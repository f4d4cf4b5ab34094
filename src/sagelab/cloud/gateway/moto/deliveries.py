"""Whether a queue, a topic, a function or a log group takes what a service of AWS's sends to it.

Where there is no role, its own policy decides: the service is the principal; aws:SourceArn and aws:SourceAccount
say for what it acts. Each check is given the arguments of a method of moto's, by name (checks.py).
https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html
"""

from __future__ import annotations

from typing import Any

from moto.backends import get_backend
from moto.s3.exceptions import InvalidNotificationDestination, S3ClientError

from sagelab.cloud.gateway.auth import policies, verdict
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.auth.policies import Policy
from sagelab.cloud.gateway.auth.verdict import Guarded, Rights
from sagelab.cloud.gateway.moto import functions, service_roles
from sagelab.cloud.gateway.moto.functions import FunctionAccess
from sagelab.cloud.gateway.moto.persistence import change_tracking

Asked = dict[str, Any]

_S3, _SNS, _ALARMS = "s3.amazonaws.com", "sns.amazonaws.com", "cloudwatch.amazonaws.com"
_ACTIONS = {"sqs": "sqs:SendMessage", "sns": "sns:Publish", "lambda": "lambda:InvokeFunction"}
_NOT_VALID = "Unable to validate the following destination configurations"
_SPELLED = {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}  # for functions
_ODD = (AttributeError, LookupError, TypeError, ValueError)  # of what is no policy


class Unheard(Exception):
    """Nobody takes what would be sent: it is not, and whoever caused it hears nothing, as on AWS."""


class Answered(Exception):
    """What is asked of moto is done here; the answer is what moto's method returns."""

    def __init__(self, answer: Any = None) -> None:
        super().__init__(answer)
        self.answer = answer


def check_destinations(asked: Asked) -> None:
    """S3ClientError: what a bucket is to notify is not there, or does not take it from S3."""
    bucket, config = asked["self"], asked["notification_config"] or {}
    for kind in ("Queue", "Topic", "CloudFunction"):
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


def check_function(asked: Asked) -> None:
    """S3 has an event for a function, which the engine calls by and by; moto would not."""
    _check_notified(asked["fn_arn"], asked)
    FunctionAccess.current.deliver(asked["fn_arn"], asked["event_body"])
    raise Unheard


def check_subscriber(asked: Asked) -> None:
    """A topic sends to a queue or a function that is subscribed to it; the engine calls that by and by."""
    subscription = asked["self"]
    if subscription.protocol not in ("sqs", "lambda"):
        return  # there is none of these, and outgoing.py would not let it out
    if not _takes(subscription.endpoint, _SNS, subscription.topic.arn, subscription.account_id):
        raise Unheard
    if subscription.protocol == "lambda":
        _call_subscriber(subscription, asked)
        raise Unheard


def _call_subscriber(subscription: Any, asked: Asked) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html"""
    message, attributes = asked["message"], asked.get("message_attributes")
    matcher = subscription._filter_policy_matcher
    if matcher is not None and not matcher.matches(attributes, message):
        return
    if asked.get("message_structure") == "json":
        message = subscription._parse_message_structure(message, "lambda")
    told = subscription.get_post_data(message, asked["message_id"], asked.get("subject"), attributes)
    told = {_SPELLED.get(name, name): value for name, value in told.items()}
    sns = {"Subject": None, "MessageAttributes": {}} | told
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": sns,
    }
    FunctionAccess.current.deliver(subscription.endpoint, {"Records": [record]})


def _check_notified(arn: str, asked: Asked, *reached: str) -> None:
    event = asked["event_body"]
    records = event.get("Records")
    source = records[0]["s3"]["bucket"]["arn"] if records else f"arn:aws:s3:::{event['Bucket']}"
    if not _takes(arn, _S3, source, asked["account_id"]):
        raise Unheard
    change_tracking.noted().reached.update(reached)


def _takes(arn: str, service: str, source: str, account: str) -> bool:
    """Whether a queue, topic or function of the account lets a service act on it for one of its resources."""
    parts = arn.split(":", 5)
    of_account = len(parts) == 6 and parts[2] in _ACTIONS and parts[4] == account
    return of_account and bool(takes(service, _ACTIONS[parts[2]], arn, source))


def takes(service: str, action: str, arn: str, source: str) -> bool | None:
    """Whether a resource lets a service do something to it for a source, an ARN. None: it is not there.

    service: "events.amazonaws.com", or the ARN of a role that EventBridge takes on, whose policies decide then.
    """
    if service.startswith("arn:"):
        return service_roles.may_as("events.amazonaws.com", service, Needed(action, arn))
    _, _, of, region, account, name = arn.split(":", 5)
    try:
        policy = _policy_of(of, region, account, name)
    except _ODD:
        return None
    known = {"aws:sourcearn": [source], "aws:sourceaccount": [account], "aws:securetransport": ["true"]}
    if service == _ALARMS:
        known["aws:sourceowner"] = [account]  # by which a topic's first policy lets its own account's alarms in
    key = Key("", "", service, "", account, service=service)
    try:
        return verdict.reach(key, Rights(), Guarded(policy), Needed(action, arn), known).effect == "allowed"
    except _ODD:
        return False


def _policy_of(service: str, region: str, account: str, name: str) -> Any:
    """KeyError: there is no such queue, topic, function or log group."""
    if service == "events":
        return {}
    if service == "lambda":
        arn = f"arn:aws:lambda:{region}:{account}:{name}"
        if not functions.is_there(arn):
            raise KeyError(arn)
        return functions.policy_of(arn) or {}
    backend = get_backend(service)[account][region]
    if service == "logs":
        found = backend.groups[name.removeprefix("log-group:").removesuffix(":*")]
        return (
            _together([one.policy_document for one in list(backend.resource_policies.values())]) if found else {}
        )
    if service == "sqs":
        return backend.queues[name]._policy_json
    return backend.topics[f"arn:aws:sns:{region}:{account}:{name}"]._policy_json


def _together(texts: list[str]) -> Policy:
    statements = [one for text in texts for one in policies.statements(policies.read(text))]
    return {"Version": "2012-10-17", "Statement": statements}
