"""boto3's sessions in tests, one a signer, and AWS's models, read once a process: most of what a client costs."""

from __future__ import annotations

import functools

import boto3
import botocore.session
from botocore.loaders import create_loader

MODELS = create_loader()
botocore.session.create_loader = lambda *_: MODELS  # for every session of this process, whoever makes it


@functools.cache
def session(key: str, secret: str, token: str | None = None) -> boto3.Session:
    """The session of one signer, which may make clients in several threads."""
    made = boto3.Session(key, secret, token, region_name="us-east-1")
    made.client("sts")  # botocore makes a session's parts with its first client, and not safely in two threads
    return made
