"""Models: Create, Describe, List, Delete.

A model is a name for a role and for images with their model data, or for model packages. Nothing runs until an
endpoint is made of it.
"""

from __future__ import annotations

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.hosting.client import PRIMARY
from sagelab.cloud.engine.hosting.server import ContainerSpec
from sagelab.cloud.resources import hosting_rules, vpc_rules
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
        wanted = hosting_rules.containers_of(call.params)
        vpc_rules.check(call.params.get("VpcConfig"), self.cloud, call.region)
        if not any(one.get("ModelPackageName") for one in wanted):
            hosting_rules.check_model(call.params, wanted, self.cloud)
            return {"ModelArn": self.add(call, _document(call.params))}
        served = [part for one in wanted for part in self._unpacked(call, one)]
        hosting_rules.check_model(call.params, served, self.cloud)
        return {"ModelArn": self.add(call, _document(call.params) | {OWN: {"Containers": served}})}

    def _unpacked(self, call: Call, container: Params) -> list[Params]:
        """What a container stands for: itself, or what its package has."""
        return self.packages.containers(call, container) if container.get("ModelPackageName") else [container]


def containers_of(model: Document) -> list[Params]:
    """What the servers of a model run: its containers, or what their packages had when it was made."""
    own = model.get(OWN, {})
    served: list[Params] = own.get("Containers") or ([own["Container"]] if "Container" in own else [])
    return served or hosting_rules.containers_of(model)


def specs(model: Document, before: dict[str, str], after: dict[str, str]) -> tuple[ContainerSpec, ...]:
    """A model's containers for the engine. before, after: what each environment goes over, and what over it."""
    containers = containers_of(model)
    names = hosting_rules.hostnames(containers) if len(containers) > 1 else [PRIMARY]
    return tuple(_spec(one, name, before, after) for one, name in zip(containers, names, strict=True))


def _spec(container: Params, name: str, before: dict[str, str], after: dict[str, str]) -> ContainerSpec:
    source = hosting_rules.data_source(container) or {}
    return ContainerSpec(
        image=container["Image"],
        model_uri=source.get("S3Uri"),
        packed=source.get("CompressionType") == "Gzip",
        environment=before | container.get("Environment", {}) | after,
        name=name,
        many=hosting_rules.is_many(container),
        cached=container.get("MultiModelConfig", {}).get("ModelCacheSetting") != "Disabled",
    )


def has_many(model: Document) -> bool:
    """Whether an invocation of a model says which one of many it is for."""
    return any(hosting_rules.is_many(one) for one in containers_of(model))


def is_direct(model: Document) -> bool:
    """Whether each container of a model is asked by its name."""
    return bool(model.get("InferenceExecutionConfig", {}).get("Mode") == hosting_rules.DIRECT)


def _document(params: Params) -> Document:
    request = {name: value for name, value in params.items() if name != "Tags"}
    if "Containers" in request:
        request["Containers"] = [_described(container) for container in request["Containers"]]
    else:
        request["PrimaryContainer"] = _described(request["PrimaryContainer"])
    return {"EnableNetworkIsolation": False, **request}


def _described(container: Params) -> Params:
    """A container with what AWS's Describe adds: its mode, and its data as an S3DataSource."""
    source = None if hosting_rules.is_many(container) else hosting_rules.data_source(container)
    data = {"ModelDataSource": {"S3DataSource": source}} if source else {}
    return {"Mode": "SingleModel", "Environment": {}, **container, **data}
