"""Clients of AWS's services; most of what the first request of one costs is done before a query comes."""

from __future__ import annotations

import encodings.idna  # noqa: F401 # what a first connection would import
import io
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

_SESSION = boto3.Session()  # without keys: it finds those of the query, in the environment of its host
_LISTED = b"<ListBucketResult><Contents><Key>k</Key><Size>1</Size></Contents></ListBucketResult>"
_CONFIG = Config(max_pool_connections=16, retries={"total_max_attempts": 3}, s3={"addressing_style": "path"})


def make(url: str, region: str, *keys: str) -> Callable[..., Any]:
    """service -> a client to the local cloud, by default with the keys of this process's environment.

    keys: (id, secret, token) to use instead; a second argument of what is returned are such of one client.
    """

    def made(service: str, lent: tuple[str, ...] = keys) -> Any:
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        named = dict(zip(names, lent, strict=False))
        return _SESSION.client(service, endpoint_url=url, region_name=region, config=_CONFIG, **named)

    return cache(made)


def warm() -> None:
    """Read the models, and go the way of a request but for the wire: nothing is sent."""
    client = make("http://127.0.0.1:1", "us-east-1", "none", "none")
    glue, s3 = client("glue"), client("s3")
    for one, content in ((glue, b"{}"), (s3, _LISTED)):
        one.meta.events.register("before-send", _Answers(content))
    glue.get_table(DatabaseName="d", Name="t")
    list(s3.get_paginator("list_objects_v2").paginate(Bucket="b", Prefix="p/"))
    s3.get_object(Bucket="b", Key="k", Range="bytes=0-1")["Body"].read()
    s3.put_object(Bucket="b", Key="k", Body=b"")


class _Answers:
    """A handler that answers in the wire's place."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 200, {}, _Body(self._content))


class _Body(io.BytesIO):
    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()
