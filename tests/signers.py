"""boto3's sessions in tests, one a signer, and once a process what a client costs.

AWS's models are read once. A client's methods and its rules for addresses follow from its service's models alone:
made once, they leave 2 ms of the 8 that a client of SageMaker's takes.
"""

from __future__ import annotations

import functools
from typing import Any

import boto3
import botocore.regions
import botocore.session
from botocore.client import ClientCreator
from botocore.loaders import create_loader

MODELS = create_loader()
botocore.session.create_loader = lambda *_: MODELS  # for every session of this process, whoever makes it

_create_methods = ClientCreator._create_methods
_EndpointProvider = botocore.regions.EndpointProvider
_methods: dict[tuple[str, str], dict[str, Any]] = {}
_providers: dict[tuple[int, Any], tuple[Any, Any]] = {}


def _methods_of(self: Any, model: Any) -> dict[str, Any]:
    key = (model.service_name, model.api_version)
    if key not in _methods:
        _methods[key] = _create_methods(self, model)
    return dict(_methods[key])


def _provider_of(ruleset_data: Any, partition_data: Any, excluded_params: Any = None) -> Any:
    key = (id(ruleset_data), excluded_params and frozenset(excluded_params))
    if key not in _providers:
        _providers[key] = ruleset_data, _EndpointProvider(ruleset_data, partition_data, excluded_params)
    return _providers[key][1]


ClientCreator._create_methods = _methods_of
botocore.regions.EndpointProvider = _provider_of


@functools.cache
def session(key: str, secret: str, token: str | None = None) -> boto3.Session:
    """The session of one signer, which may make clients in several threads."""
    made = boto3.Session(key, secret, token, region_name="us-east-1")
    made.client("sts")  # botocore makes a session's parts with its first client, and not safely in two threads
    return made
