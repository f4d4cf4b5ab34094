"""moto's own question before it runs an action: is it the operation that was judged, and is it more than a record?

`BaseResponse.call_action` asks `_authenticate_and_authorize_normal_action` just before it runs what it has found;
what is asked there is ours. S3 asks one of its own, of the bucket and the key that it has found; which of AWS's
operations a request to it is, was read at the door (auth/s3.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.responses import BaseResponse
from moto.core.utils import get_service_model

from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto import services

Place = tuple[str, str]  # (bucket, key)
Judge = Callable[[str | None, Place | None], None]

_judge: ContextVar[Judge | None] = ContextVar("judge", default=None)
_region: ContextVar[str | None] = ContextVar("region", default=None)
_asked: ContextVar[Context | None] = ContextVar("asked", default=None)


@contextmanager
def asking(context: Context, judge: Judge) -> Iterator[None]:
    """Let `judge` hear the name of what moto is about to run in this thread, for who sent a request."""
    before, one = _judge.set(judge), _asked.set(context)
    try:
        yield
    finally:
        _judge.reset(before)
        _asked.reset(one)


def asked() -> Context | None:
    """The request that moto answers in this thread."""
    return _asked.get()


@contextmanager
def placed(region: str) -> Iterator[None]:
    """Let moto act in the region that a request is signed for in this thread, whatever else names one."""
    before = _region.set(region)
    try:
        yield
    finally:
        _region.reset(before)


def _ask(response: Any, _resource: str = "*") -> None:
    action = response._get_action()
    if (judge := _judge.get()) is not None:
        judge(action, None)
    if action is not None:
        package = type(response).__module__.split(".")[1]
        services.check(package, action if action.lower() in _operations(response.boto3_service_name) else "")
    if response.headers.get("X-Amz-Target"):
        response.querystring.clear()  # else parameters of a JSON body are looked for there first


def _find_region(response: Any, request: Any, url: str) -> str:
    """moto takes it from the user agent, and from anything in the URL that looks like a host of AWS's."""
    return _region.get() or str(_region_of(response, request, url))


def _ask_place(_response: Any, bucket_name: str | None = None, key_name: str | None = None) -> None:
    if (judge := _judge.get()) is not None:
        judge(None, (bucket_name or "", key_name or ""))


@cache
def _operations(service: str) -> frozenset[str]:
    """Those of AWS's model: moto would run any method of its own that a request names."""
    return frozenset(name.lower() for name in get_service_model(service).operation_names)


_region_of = BaseResponse.get_region_from_url
BaseResponse.get_region_from_url = _find_region
ActionAuthenticatorMixin._authenticate_and_authorize_normal_action = _ask
ActionAuthenticatorMixin._authenticate_and_authorize_s3_action = _ask_place
