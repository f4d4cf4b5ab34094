"""Models: Create, Describe, List, Delete.

A model is a name for an image, model data and a role. Nothing runs until an endpoint is made of it.
"""

from __future__ import annotations

from sagelab import catalog
from sagelab.cloud.resources import hosting_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.records import Records
from sagelab.cloud.store import Document


class Models(Records):
    """The family of models of one local cloud."""

    kind = catalog.of_stem("Model")
    summary = ("ModelName", "ModelArn", "CreationTime")

    @operation("CreateModel")
    def create(self, call: Call) -> Params:
        hosting_rules.check_model(call.params, self.cloud)
        return {"ModelArn": self.add(call, _document(call.params))}


def _document(params: Params) -> Document:
    request = {name: value for name, value in params.items() if name != "Tags"}
    if "Containers" in request:
        request["Containers"] = [_described(container) for container in request["Containers"]]
    else:
        request["PrimaryContainer"] = _described(request["PrimaryContainer"])
    return {"EnableNetworkIsolation": False, **request}


def _described(container: Params) -> Params:
    """A container with what AWS's Describe adds: its mode, and its data as an S3DataSource."""
    source = hosting_rules.data_source(container)
    data = {"ModelDataSource": {"S3DataSource": source}} if source else {}
    return {"Mode": "SingleModel", "Environment": {}, **container, **data}
