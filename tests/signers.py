"""boto3's sessions in tests, one a signer: reading AWS's models anew is most of what a client costs."""

from __future__ import annotations

import functools

import boto3
from botocore.loaders import create_loader

MODELS = create_loader()


@functools.cache
def session(key: str, secret: str, token: str | None = None) -> boto3.Session:
    """The session of one signer, which may make clients in several threads."""
    made = boto3.Session(key, secret, token, region_name="us-east-1")
    made._session.register_component("data_loader", MODELS)
    made.client(
        "sts"
    )  # botocore makes the parts of a session with the first client, and not safely in two threads
    return made
