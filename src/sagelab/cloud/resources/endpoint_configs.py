"""Endpoint configurations: Create, Describe, List, Delete.

A configuration says which models an endpoint serves, on how many instances, and what it does with requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import hosting_rules, listing, models
from sagelab.cloud.resources.call import Call, Handler, Params
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Resource, Store

KIND = "endpoint-config"
SUMMARY = ["EndpointConfigName", "EndpointConfigArn", "CreationTime"]
DEFAULT_WEIGHT = 1.0


class EndpointConfigs:
    """The family of endpoint configurations of one local cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.store = cloud, cloud.store

    def operations(self) -> Mapping[str, Handler]:
        return {
            "CreateEndpointConfig": self.create,
            "DescribeEndpointConfig": self.describe,
            "ListEndpointConfigs": self.list,
            "DeleteEndpointConfig": self.delete,
        }

    def create(self, call: Call) -> Params:
        tags = read_tags(call.params.get("Tags", []))
        hosting_rules.check_config(call.params, self.cloud.client)
        for variant in call.params["ProductionVariants"]:
            models.model_of(self.store, call.arn(models.KIND, variant["ModelName"]))
        name = call.params["EndpointConfigName"]
        arn = call.arn(KIND, name)
        try:
            self.store.add(Resource(arn, KIND, call.region, name, "", _document(call, arn)), tags)
        except Exists:
            raise ValidationException(f'Cannot create already existing endpoint configuration "{arn}".') from None
        return {"EndpointConfigArn": arn}

    def describe(self, call: Call) -> Params:
        return config_of(self.store, _arn(call))

    def list(self, call: Call) -> Params:
        configs, more = self.store.page(listing.read_query(call, KIND))
        summaries = [{name: config[name] for name in SUMMARY} for config in configs]
        return {"EndpointConfigs": summaries, "NextToken": listing.write_token(more)}

    def delete(self, call: Call) -> Params:
        """An endpoint that was made of the configuration goes on serving, as on AWS."""
        try:
            self.store.remove(_arn(call))
        except Missing:
            raise _unknown(_arn(call)) from None
        return {}


def config_of(store: Store, arn: str) -> Document:
    """The endpoint configuration with this ARN. ValidationException: there is none."""
    try:
        return store.get(arn)
    except Missing:
        raise _unknown(arn) from None


def _arn(call: Call) -> str:
    return call.arn(KIND, call.params["EndpointConfigName"])


def _unknown(arn: str) -> ValidationException:
    return ValidationException(f'Could not find endpoint configuration "{arn}".')


def _document(call: Call, arn: str) -> Document:
    """The request with the defaults that AWS's Describe shows."""
    request = {name: value for name, value in call.params.items() if name != "Tags"}
    variants = [{"InitialVariantWeight": DEFAULT_WEIGHT, **one} for one in request["ProductionVariants"]]
    if "DataCaptureConfig" in request:
        request["DataCaptureConfig"] = {"EnableCapture": True, **request["DataCaptureConfig"]}
    return {
        "EnableNetworkIsolation": False,
        **request,
        "ProductionVariants": variants,
        "EndpointConfigArn": arn,
        "CreationTime": datetime.now(UTC),
    }
