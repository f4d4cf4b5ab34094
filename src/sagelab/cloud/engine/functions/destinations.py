"""Where what comes of events goes: queues, topics, functions and buses, with the rights of the function's role.

What cannot be told is not told again, as on AWS; the log of the local cloud says so.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.functions.function import Function, Outcome

logger = logging.getLogger("sagelab")

SERVICES = ("sqs", "sns", "lambda", "events")
DEAD_LETTERS = ("sqs", "sns")
WORDS = 1024  # characters of an error in the attributes of a dead letter
TROUBLE = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)


class Destinations:
    """context_of: what the engine needs, of a region."""

    def __init__(self, context_of: Callable[[str], EngineContext]) -> None:
        self._context_of = context_of

    def tell(self, function: Function, arn: str, record: dict[str, Any], success: bool) -> None:
        """Send the record of a call to a destination."""
        text = json.dumps(record)
        self._send(function, arn, text, {}, f"Lambda Function Invocation Result - {_word(success)}")

    def bury(self, function: Function, arn: str, event: str, request_id: str, outcome: Outcome | None) -> None:
        """Send an event that came to nothing to a queue or topic of dead letters."""
        attributes = {"RequestID": ("String", request_id)}
        if outcome:
            said = json.loads(outcome.payload)
            words = str(said.get("errorMessage", "")) if isinstance(said, dict) else ""
            attributes |= {"ErrorCode": ("Number", "200"), "ErrorMessage": ("String", words[:WORDS] or "-")}
        self._send(function, arn, event, attributes, "")

    def _send(
        self, function: Function, arn: str, text: str, attributes: dict[str, tuple[str, str]], kind: str
    ) -> None:
        service, region = arn.split(":")[2:4]
        told = {name: {"DataType": of, "StringValue": value} for name, (of, value) in attributes.items()}
        try:
            context = self._context_of(region)
            client = context.client_as(function.role, service)
            if service == "sqs":
                queue = context.client("sqs").get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
                client.send_message(QueueUrl=queue, MessageBody=text, MessageAttributes=told)
            elif service == "sns":
                client.publish(TopicArn=arn, Message=text, MessageAttributes=told)
            elif service == "lambda":
                client.invoke(FunctionName=arn, InvocationType="Event", Payload=text.encode())
            else:
                entry = {"Source": "lambda", "DetailType": kind, "Detail": text, "EventBusName": arn}
                client.put_events(Entries=[entry | {"Resources": [arn, function.arn]}])
        except TROUBLE as error:
            logger.warning("what came of an event of %s was not sent to %s: %s", function.arn, arn, error)


def _word(success: bool) -> str:
    return "Success" if success else "Failure"
