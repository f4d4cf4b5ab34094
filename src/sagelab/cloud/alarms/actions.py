"""What an alarm's actions do: a message to a topic, a call of a function, whatever others take on (`takers`).

They are done in a thread of their own, one after the other, so that none holds up what watches metrics. What goes
wrong is in the alarm's history, as on AWS.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.alarms.history import History
from sagelab.cloud.alarms.messages import call_of, notification_of, subject_of
from sagelab.cloud.store import Document

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

SCALING = "arn:aws:autoscaling:"
TOPIC, FUNCTION = "arn:aws:sns:", "arn:aws:lambda:"
CALLED = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
ALARMS, LAMBDA_ALARMS = "cloudwatch.amazonaws.com", "lambda.alarms.cloudwatch.amazonaws.com"

logger = logging.getLogger("sagelab")

# (service, action, ARN of what is acted on, ARN of the alarm) -> whether that lets it; None: it is not there.
Takes = Callable[[str, str, str, str], bool | None]


class Refused(Exception):
    """An action cannot be done; it says why."""


class Actions:
    """takes: whether a topic or a function lets CloudWatch act on it; the gateway knows, once it is there."""

    def __init__(self, cloud: Cloud, history: History) -> None:
        self._cloud, self._history = cloud, history
        self.takers: dict[str, Callable[[str, Document, str], None]] = {}
        self.takes: Takes = lambda *_: True
        self._lock, self._closed = threading.Lock(), False
        self._pool: ThreadPoolExecutor | None = None
        self._last: dict[tuple[str, str], str | None] = {}  # (alarm, action) -> what it failed with last

    def perform(self, document: Document, before: Document) -> None:
        """An alarm's state has changed from the one it had before."""
        self._submit(document, before, document[CALLED[document["StateValue"]]], again=False)

    def repeat(self, document: Document) -> None:
        """An alarm's state lasts: what scales is told so again."""
        arns = [arn for arn in document[CALLED[document["StateValue"]]] if arn.startswith(SCALING)]
        self._submit(document, document, arns, again=True)

    def settle(self) -> None:
        """Wait until what was to be done is."""
        if self._pool is not None:
            self._pool.submit(lambda: None).result()

    def close(self) -> None:
        """Do no more."""
        with self._lock:
            self._closed = True
            pool = self._pool
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def _submit(self, document: Document, before: Document, arns: list[str], again: bool) -> None:
        if not document["ActionsEnabled"] or not arns:
            return
        with self._lock:
            if self._closed:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="alarm actions")
            self._pool.submit(self._do_all, document, before, arns, again)

    def _do_all(self, document: Document, before: Document, arns: list[str], again: bool) -> None:
        for arn in arns:
            message, error = None, None
            try:
                message = self._do(arn, document, before)
            except (Refused, ClientError, BotoCoreError) as trouble:
                error = str(trouble)
            except Exception as trouble:
                logger.exception("action %s of alarm %s failed", arn, document["AlarmName"])
                error = f"{type(trouble).__name__}: {trouble}"
            self._note(document, arn, message, error, again)

    def _note(self, document: Document, arn: str, message: str | None, error: str | None, again: bool) -> None:
        """Of what is done each minute, the history has the first time and what is new."""
        place = (document["AlarmArn"], arn)
        if again and self._last.get(place) == error:
            return
        self._last[place] = error
        try:
            self._history.add_action(document, arn, message, error)
        except Exception:
            logger.exception("the history of alarm %s does not have action %s", document["AlarmName"], arn)

    def _do(self, arn: str, document: Document, before: Document) -> str | None:
        """The message that was published, if one was. Refused: it cannot be."""
        for prefix, act in self.takers.items():
            if arn.startswith(prefix):
                act(arn, told(document), document["StateValue"])
                return None
        if arn.startswith(TOPIC):
            return self._publish(arn, document, before)
        if arn.startswith(FUNCTION):
            self._call(arn, document, before)
            return None
        raise Refused(f"nothing in the local cloud acts on {arn}")

    def _publish(self, arn: str, document: Document, before: Document) -> str:
        self._check(ALARMS, "sns:Publish", arn, document)
        message = notification_of(document, before, self._cloud.account)
        client = self._client("sns", arn, document)
        client.publish(TopicArn=arn, Subject=subject_of(document), Message=message)
        return message

    def _call(self, arn: str, document: Document, before: Document) -> None:
        self._check(LAMBDA_ALARMS, "lambda:InvokeFunction", arn, document)
        event = call_of(document, before, self._cloud.account)
        client = self._client("lambda", arn, document)
        client.invoke(FunctionName=arn, InvocationType="Event", Payload=event.encode())

    def _check(self, service: str, action: str, arn: str, document: Document) -> None:
        taken = self.takes(service, action, arn, document["AlarmArn"])
        if taken is None:
            raise Refused(f"{arn} does not exist.")
        if not taken:
            raise Refused(f"CloudWatch Alarms is not authorized to perform: {action} on resource: {arn}")

    def _client(self, service: str, arn: str, document: Document) -> Any:
        return self._cloud.client(service, arn.split(":")[3] or document["Region"])


def told(document: Document) -> Document:
    """An alarm as DescribeAlarms tells it."""
    return {name: value for name, value in document.items() if name not in ("Type", "Region", "Held")}
