"""Endpoint configurations: Create, Describe, List, Delete.

A configuration says which models an endpoint serves, on how many instances, and what it does with requests.
"""

from __future__ import annotations

from collections.abc import Mapping

from sagelab.cloud.context import Cloud
from sagelab.cloud.resources import hosting_rules, models
from sagelab.cloud.resources.call import Call, Handler, Params
from sagelab.cloud.resources.records import Records
from sagelab.cloud.store import Document, Store

KIND = "endpoint-config"
SUMMARY = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
DEFAULT_WEIGHT = 1.0


def records(store: Store) -> Records:
    """The endpoint configurations in a store."""
    return Records(store, KIND, "EndpointConfig", "endpoint configuration", SUMMARY)


class EndpointConfigs:
    """The family of endpoint configurations of one local cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.records = cloud, records(cloud.store)
        self.models = models.records(cloud.store)

    def operations(self) -> Mapping[str, Handler]:
        return {"CreateEndpointConfig": self.create, **self.records.operations()}

    def create(self, call: Call) -> Params:
        hosting_rules.check_config(call.params, self.cloud.client)
        for variant in call.params["ProductionVariants"]:
            self.models.find(call.arn(models.KIND, variant["ModelName"]))
        return {"EndpointConfigArn": self.records.add(call, _document(call.params))}


def _document(params: Params) -> Document:
    """The request with the defaults that AWS's Describe shows."""
    request = {name: value for name, value in params.items() if name != "Tags"}
    variants = [{"InitialVariantWeight": DEFAULT_WEIGHT, **one} for one in request["ProductionVariants"]]
    if "DataCaptureConfig" in request:
        request["DataCaptureConfig"] = {"EnableCapture": True, **request["DataCaptureConfig"]}
    return {"EnableNetworkIsolation": False, **request, "ProductionVariants": variants}
