"""SQS where moto is slow: it looks at every message of a queue for each one that it sends or hands out."""

from __future__ import annotations

import time
from typing import Any


def install() -> None:
    """Let moto ask a queue for what it wants to know, and a message without making dates."""
    from moto.sqs.models import Message, SQSBackend

    SQSBackend.is_message_valid_based_on_retention_period = _is_kept
    Message.visible, Message.delayed = property(_is_visible), property(_is_delayed)


def _is_kept(backend: Any, queue_name: str, message: Any) -> bool:
    """Whether a message is younger than its queue keeps one."""
    kept = float(backend.get_queue(queue_name).message_retention_period)
    return bool(kept + message.sent_timestamp / 1000 > time.time())


def _is_visible(message: Any) -> bool:
    return bool(time.time() * 1000 > message.visible_at)


def _is_delayed(message: Any) -> bool:
    return bool(time.time() * 1000 < message.delayed_until)
