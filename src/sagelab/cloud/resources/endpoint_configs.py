"""Endpoint configurations: Create, Describe, List, Delete.

A configuration says which models an endpoint serves, on how many instances, and what it does with requests.
"""

from __future__ import annotations

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import hosting_rules, models, serverless_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.models import Models
from sagelab.cloud.resources.records import Records
from sagelab.cloud.store import Document

DEFAULT_WEIGHT = 1.0


class EndpointConfigs(Records):
    """The family of endpoint configurations of one local cloud."""

    kind = catalog.of_stem("EndpointConfig")
    needs = (Models,)
    summary = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")

    def __init__(self, cloud: Cloud, models: Models) -> None:
        super().__init__(cloud)
        self.models = models

    @operation("CreateEndpointConfig")
    def create(self, call: Call) -> Params:
        hosting_rules.check_config(call.params, self.cloud)
        for variant in call.params["ProductionVariants"]:
            model = self.models.named(call, variant["ModelName"])
            serverless_rules.check_model(variant, model)
            if "AsyncInferenceConfig" in call.params and (models.is_direct(model) or models.has_many(model)):
                raise ValidationException(
                    f"InvokeEndpointAsync cannot say for which of model {variant['ModelName']}'s containers or"
                    " models it is: AsyncInferenceConfig is for models of one container or of a row."
                )
        for variant in call.params.get("ShadowProductionVariants", []):
            model = self.models.named(call, variant["ModelName"])
            if models.has_many(model) or len(models.specs(model, {}, {})) > 1:
                raise ValidationException(
                    f"ShadowProductionVariants: model {variant['ModelName']} has several containers or models,"
                    " which a shadow variant cannot have."
                )
        return {"EndpointConfigArn": self.add(call, _document(call.params))}


def _document(params: Params) -> Document:
    """The request with the defaults that AWS's Describe shows."""
    request = {name: value for name, value in params.items() if name != "Tags"}
    for name in {"ProductionVariants", "ShadowProductionVariants"} & set(request):
        request[name] = [{"InitialVariantWeight": DEFAULT_WEIGHT, **one} for one in request[name]]
    if "DataCaptureConfig" in request:
        request["DataCaptureConfig"] = {"EnableCapture": True, **request["DataCaptureConfig"]}
    return {"EnableNetworkIsolation": False, **request}
