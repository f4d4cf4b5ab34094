"""Models: Create, Describe, List, Delete.

A model is a name for an image, model data and a role, or for a model package and a role. Nothing runs until an
endpoint is made of it.
"""

from __future__ import annotations

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.resources import hosting_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.model_packages import ModelPackages
from sagelab.cloud.resources.records import OWN, Records
from sagelab.cloud.store import Document


class Models(Records):
    """The family of models of one local cloud."""

    kind = catalog.of_stem("Model")
    needs = (ModelPackages,)
    summary = ("ModelName", "ModelArn", "CreationTime")

    def __init__(self, cloud: Cloud, packages: ModelPackages) -> None:
        super().__init__(cloud)
        self.packages = packages

    @operation("CreateModel")
    def create(self, call: Call) -> Params:
        wanted = hosting_rules.container_of(call.params)
        if not wanted.get("ModelPackageName"):
            hosting_rules.check_model(call.params, self.cloud)
            return {"ModelArn": self.add(call, _document(call.params))}
        served = self.packages.container(call, wanted)
        rest = {name: value for name, value in call.params.items() if name != "Containers"}
        hosting_rules.check_model(rest | {"PrimaryContainer": served}, self.cloud)
        return {"ModelArn": self.add(call, _document(call.params) | {OWN: {"Container": served}})}


def container_of(model: Document) -> Params:
    """What the servers of a model run: its one container, or what its package had when it was made."""
    served: Params | None = model.get(OWN, {}).get("Container")
    return served or hosting_rules.container_of(model)


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
