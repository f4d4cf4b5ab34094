"""Clients of AWS's services; their models, which are most of what one costs, are read before a query comes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.loaders import create_loader

_MODELS = create_loader()
_SERVICES = ("s3", "glue")


def make(url: str, region: str, **keys: str) -> Callable[..., Any]:
    """service -> a client to the local cloud, by default with the keys of this process's environment.

    A second argument are other keys: (id, secret, token).
    """
    session = boto3.Session(region_name=region, **keys)
    session._session.register_component("data_loader", _MODELS)
    config = Config(max_pool_connections=16, retries={"total_max_attempts": 3}, s3={"addressing_style": "path"})

    def made(service: str, lent: tuple[str, str, str] | None = None) -> Any:
        named = dict(
            zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), lent or (), strict=False)
        )
        return session.client(service, endpoint_url=url, config=config, **named)

    return cache(made)


def warm() -> None:
    """Read the models."""
    client = make("http://127.0.0.1:1", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
    for service in _SERVICES:
        client(service)
