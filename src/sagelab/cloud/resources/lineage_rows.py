"""Entities of lineage and their associations, as the API tells them."""

from __future__ import annotations

from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.lineage_graph import ARTIFACT, COMPONENT, STEMS, Association, Entity, Graph

# Members of a description that no List has; the source of a trial component has another name there.
UNLISTED = ("Properties", "CreatedBy", "Description", "MetadataProperties", "Parameters", "Sources")


def row(entity: Entity) -> Params:
    """An entity as it is listed."""
    if entity.kind == COMPONENT:
        told = component(entity)
        return {name: value for name, value in told.items() if name not in (*UNLISTED, "Source")} | {
            "TrialComponentSource": told["Source"]
        }
    return {name: value for name, value in described(entity).items() if name not in UNLISTED}


def described(entity: Entity) -> Params:
    """An artifact, an action or a context as it is described."""
    stem, own = STEMS[entity.kind], entity.own
    said = own.get("Source", {"SourceUri": entity.source})
    optional = ("ArtifactName", "Description", "Status", "Properties", "MetadataProperties")
    found = {name: own[name] for name in optional if name in own}
    if entity.kind != ARTIFACT:
        found[f"{stem}Name"] = entity.name
    if "By" in own:
        found["CreatedBy"] = {"IamIdentity": {"Arn": own["By"]}}
    return found | {
        f"{stem}Arn": entity.arn,
        f"{stem}Type": entity.type,
        "Source": said,
        "CreationTime": entity.created,
        "LastModifiedTime": own.get("LastModifiedTime", entity.created),
    }


def component(entity: Entity) -> Params:
    """The trial component of a job."""
    job = entity.own["Job"]
    status = next((job[name] for name in job if name.endswith("JobStatus")), "InProgress")
    source = {"SourceArn": entity.source, "SourceType": f"SageMaker{entity.type}"}
    parameters = {name: {"StringValue": str(value)} for name, value in job.get("HyperParameters", {}).items()}
    return {
        "TrialComponentName": entity.name,
        "TrialComponentArn": entity.arn,
        "DisplayName": entity.name,
        "Source": source,
        "Status": {"PrimaryStatus": status},
        "CreationTime": entity.created,
        "LastModifiedTime": job.get("LastModifiedTime", entity.created),
        "Parameters": parameters,
        "Sources": [source],
    }


def associated(graph: Graph, one: Association) -> Params:
    source, destination = graph.entities.get(one.source), graph.entities.get(one.destination)
    return {
        "SourceArn": one.source,
        "DestinationArn": one.destination,
        "SourceType": source.type if source else "",
        "DestinationType": destination.type if destination else "",
        "AssociationType": one.type,
        "SourceName": (source.name if source else "") or None,
        "DestinationName": (destination.name if destination else "") or None,
        "CreationTime": one.created,
    }
