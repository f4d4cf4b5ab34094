"""What made what, read from the resources that are there: entities, and associations between them.

https://docs.aws.amazon.com/sagemaker/latest/dg/lineage-tracking-auto-creation.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sagelab.catalog import read
from sagelab.cloud.resources.models import containers_of
from sagelab.cloud.store import Document, Query, Store

ARTIFACT, COMPONENT, CONTEXT, ACTION = "artifact", "experiment-trial-component", "context", "action"
STEMS = {ARTIFACT: "Artifact", ACTION: "Action", CONTEXT: "Context", COMPONENT: "TrialComponent"}
SUFFIX = {
    "training-job": "-aws-training-job",
    "processing-job": "-aws-processing-job",
    "transform-job": "-aws-transform-job",
}
CONTRIBUTED, PRODUCED, ASSOCIATED = "ContributedTo", "Produced", "AssociatedWith"
INPUTS = "InputDataConfig[].DataSource.S3DataSource.S3Uri", "ProcessingInputs[].S3Input.S3Uri"
READ = (*INPUTS, "TransformInput.DataSource.S3DataSource.S3Uri")
WRITTEN = (
    "ProcessingOutputConfig.Outputs[].S3Output.S3Uri",
    "TransformOutput.S3OutputPath",
    "CheckpointConfig.S3Uri",
)
IMAGES = "AlgorithmSpecification.TrainingImage", "AppSpecification.ImageUri"
EVERY = 1_000_000  # resources of a kind


@dataclass(frozen=True)
class Entity:
    """One node. kind: as in its ARN. type: what it stands for, "DataSet". source: a URI or an ARN."""

    arn: str
    kind: str
    type: str
    source: str
    created: datetime
    name: str = ""
    own: Document = field(default_factory=dict)  # what a request gave it, where one made it


@dataclass(frozen=True)
class Association:
    """One edge, from the ARN of an entity to another's."""

    source: str
    destination: str
    type: str
    created: datetime


class Graph:
    """The entities and associations of one region."""

    def __init__(self, where: str) -> None:
        """where: "REGION:ACCOUNT"."""
        self.where = where
        self.entities: dict[str, Entity] = {}
        self.associations: dict[tuple[str, str], Association] = {}
        self._artifacts: dict[str, str] = {}  # source -> ARN: a URI is one artifact, whoever names it first

    def add(self, entity: Entity) -> str:
        """Keep an entity, unless it is there; its ARN."""
        if entity.kind == ARTIFACT:
            self._artifacts.setdefault(entity.source, entity.arn)
        self.entities.setdefault(entity.arn, entity)
        return entity.arn

    def artifact(self, source: str, kind: str, created: datetime) -> str:
        """The ARN of the artifact of a URI, made where there is none."""
        if source not in self._artifacts:
            self.add(Entity(self.arn(ARTIFACT, digest(source)), ARTIFACT, kind, source, created))
        return self._artifacts[source]

    def join(self, source: str, destination: str, kind: str, created: datetime) -> None:
        """Associate two entities, once."""
        self.associations.setdefault((source, destination), Association(source, destination, kind, created))

    def arn(self, kind: str, name: str) -> str:
        return f"arn:aws:sagemaker:{self.where}:{kind}/{name}"


def digest(text: str) -> str:
    """32 letters and digits that stand for a text: the name of its artifact."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def derive(graph: Graph, store: Store, region: str) -> None:
    """Add what the jobs, packages and endpoints of a region say of themselves, the oldest first."""
    jobs = [(kind, one) for kind in SUFFIX for one in _all(store, kind, region)]
    for kind, job in sorted(jobs, key=lambda each: each[1]["CreationTime"]):
        _job(graph, kind, job)
    for package in _all(store, "model-package", region):
        if "ModelPackageArn" in package:
            _package(graph, package)
    models = {one["ModelName"]: one for one in _all(store, "model", region)}
    configs = {one["EndpointConfigName"]: one for one in _all(store, "endpoint-config", region)}
    for endpoint in _all(store, "endpoint", region):
        variants = configs.get(endpoint["EndpointConfigName"], {}).get("ProductionVariants", [])
        _endpoint(
            graph, endpoint, [models[one["ModelName"]] for one in variants if one.get("ModelName") in models]
        )


def _all(store: Store, kind: str, region: str) -> list[Document]:
    return store.page(Query(kind, region, descending=False, limit=EVERY))[0]


def _values(document: Document, paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        yield from (value for value in read(document, path) if isinstance(value, str))


def _job(graph: Graph, kind: str, job: Document) -> None:
    """The trial component of a job, what it read and ran, and what it wrote."""
    stem = kind.title().replace("-", "")
    name, created = job[f"{stem}Name"] + SUFFIX[kind], job["CreationTime"]
    component = graph.add(
        Entity(graph.arn(COMPONENT, name), COMPONENT, stem, job[f"{stem}Arn"], created, name, own={"Job": job})
    )
    for source in _values(job, READ):
        graph.join(graph.artifact(source, "DataSet", created), component, CONTRIBUTED, created)
    for image in _values(job, IMAGES):
        graph.join(graph.artifact(image, "Image", created), component, CONTRIBUTED, created)
    for uri in _values(job, WRITTEN):
        graph.join(component, graph.artifact(uri, "DataSet", created), PRODUCED, created)
    for uri in _values(job, ("ModelArtifacts.S3ModelArtifacts",)):
        graph.join(component, graph.artifact(uri, "Model", created), PRODUCED, created)


def _contents(graph: Graph, containers: list[Document], created: datetime) -> Iterator[str]:
    """The artifacts of containers: their models and their images."""
    for one in containers:
        for path, kind in (
            ("ModelDataUrl", "Model"),
            ("ModelDataSource.S3DataSource.S3Uri", "Model"),
            ("Image", "Image"),
        ):
            yield from (graph.artifact(uri, kind, created) for uri in _values(one, (path,)))


def _package(graph: Graph, package: Document) -> None:
    """A version: its containers, its approval, its group."""
    arn, created = package["ModelPackageArn"], package["CreationTime"]
    artifact = graph.artifact(arn, "Model", created)
    for part in _contents(graph, package.get("InferenceSpecification", {}).get("Containers", []), created):
        graph.join(part, artifact, CONTRIBUTED, created)
    if group := package.get("ModelPackageGroupName"):
        status, number = package["ModelApprovalStatus"], package["ModelPackageVersion"]
        name = f"{group}-{number}-{status}-{int(created.timestamp())}-aws-model-package"
        action = graph.add(Entity(graph.arn(ACTION, name), ACTION, "Approval", arn, created, name))
        graph.join(action, artifact, CONTRIBUTED, created)
        name = f"{group}-aws-model-package-group"
        of_group = arn.rpartition("/")[0].replace(":model-package/", ":model-package-group/")
        context = graph.add(Entity(graph.arn(CONTEXT, name), CONTEXT, "ModelGroup", of_group, created, name))
        graph.join(artifact, context, ASSOCIATED, created)


def _endpoint(graph: Graph, endpoint: Document, models: list[Any]) -> None:
    """An endpoint, the deployment that made it, and what was deployed."""
    name, arn, created = endpoint["EndpointName"], endpoint["EndpointArn"], endpoint["CreationTime"]
    context = graph.add(
        Entity(
            graph.arn(CONTEXT, f"{name}-aws-endpoint"), CONTEXT, "Endpoint", arn, created, f"{name}-aws-endpoint"
        )
    )
    deployed = f"{name}-aws-model-deployment-action"
    action = graph.add(Entity(graph.arn(ACTION, deployed), ACTION, "ModelDeployment", arn, created, deployed))
    graph.join(action, context, ASSOCIATED, created)
    for model in models:
        for part in _contents(graph, containers_of(model), created):
            graph.join(part, action, CONTRIBUTED, created)
        for package in _values(model, ("PrimaryContainer.ModelPackageName", "Containers[].ModelPackageName")):
            if package.startswith("arn:"):
                graph.join(graph.artifact(package, "Model", created), action, CONTRIBUTED, created)
