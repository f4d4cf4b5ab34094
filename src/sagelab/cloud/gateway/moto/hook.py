"""moto's own question before it runs an action: does it read the operation that was judged?

`BaseResponse.call_action` asks `_authenticate_and_authorize_normal_action` just before it runs what it has found;
what is asked there is ours. S3 asks one of its own, of the bucket and the key that it has found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from moto.core.authorization import ActionAuthenticatorMixin

Place = tuple[str, str]  # (bucket, key)
Judge = Callable[[str | None, Place | None], None]

_judge: ContextVar[Judge | None] = ContextVar("judge", default=None)


@contextmanager
def asking(judge: Judge) -> Iterator[None]:
    """Let `judge` hear the name of what moto is about to run in this thread."""
    before = _judge.set(judge)
    try:
        yield
    finally:
        _judge.reset(before)


def _ask(response: Any, _resource: str = "*") -> None:
    if (judge := _judge.get()) is not None:
        judge(response._get_action(), None)


def _ask_place(_response: Any, bucket_name: str | None = None, key_name: str | None = None) -> None:
    if (judge := _judge.get()) is not None:
        judge(None, (bucket_name or "", key_name or ""))


ActionAuthenticatorMixin._authenticate_and_authorize_normal_action = _ask
ActionAuthenticatorMixin._authenticate_and_authorize_s3_action = _ask_place
