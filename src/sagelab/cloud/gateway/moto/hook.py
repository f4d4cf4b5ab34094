"""moto's own question before it runs an action: does it read the operation that was judged?

`BaseResponse.call_action` asks `_authenticate_and_authorize_normal_action` just before it runs what it has found;
what is asked there is ours. S3 never asks it: its requests are held to one reading at the door (auth/readings.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from moto.core.authorization import ActionAuthenticatorMixin

Judge = Callable[[str | None], None]

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
        judge(response._get_action())


ActionAuthenticatorMixin._authenticate_and_authorize_normal_action = _ask
