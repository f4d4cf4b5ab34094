"""Lineage: what made what. Artifacts, actions, contexts, trial components and their associations.

Those of jobs, packages and endpoints are read from these (lineage_graph.py) and go with them; others are made by
requests, and kept.
https://docs.aws.amazon.com/sagemaker/latest/dg/lineage-tracking.html
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ResourceNotFound, ValidationException
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.lineage_graph import (
    ACTION,
    ARTIFACT,
    COMPONENT,
    CONTEXT,
    STEMS,
    Association,
    Entity,
    Graph,
    derive,
    digest,
)
from sagelab.cloud.resources.lineage_rows import associated, component, described, row
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Change, Exists, Missing, Query, Resource

ASSOCIATION = "association"
MADE = (ARTIFACT, ACTION, CONTEXT, ASSOCIATION)  # kinds of the store that requests make
DEEPEST, EVERY = 10, 1_000_000
EDITED = ("ArtifactName", "Description", "Status")


class Lineage(Family):
    """The lineage of one local cloud."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._lock, self._graphs = threading.Lock(), dict[str, Graph]()
        cloud.store.listen(self._on_change)

    def _on_change(self, _change: Change) -> None:
        self._graphs = {}

    def graph(self, call: Call) -> Graph:
        """All of a region, read once after each change."""
        with self._lock:
            graphs = self._graphs
            if call.region not in graphs:
                graphs[call.region] = self._read(call)
            return graphs[call.region]

    def _read(self, call: Call) -> Graph:
        graph = Graph(f"{call.region}:{call.account}")
        kept = {kind: self.store.page(Query(kind, call.region, limit=EVERY))[0] for kind in MADE}
        for kind in MADE[:-1]:
            for one in kept[kind]:
                facts = (
                    one["Arn"],
                    kind,
                    one["Type"],
                    one["Source"]["SourceUri"],
                    one["CreationTime"],
                    one["Name"],
                )
                graph.add(Entity(*facts, own=one))
        derive(graph, self.store, call.region)
        for one in kept[ASSOCIATION]:
            graph.join(one["Source"], one["Destination"], one["Type"], one["CreationTime"])
        return graph

    # Entities

    @operation("CreateArtifact")
    def create_artifact(self, call: Call) -> Params:
        source = call.params["Source"]["SourceUri"]
        if any(one.source == source for one in self.graph(call).entities.values() if one.kind == ARTIFACT):
            raise ValidationException(f"There is an artifact with the SourceUri {source}.")
        return self._create(call, ARTIFACT, digest(source))

    @operation("CreateAction")
    def create_action(self, call: Call) -> Params:
        return self._create(call, ACTION, call.params["ActionName"])

    @operation("CreateContext")
    def create_context(self, call: Call) -> Params:
        return self._create(call, CONTEXT, call.params["ContextName"])

    def _create(self, call: Call, kind: str, name: str) -> Params:
        stem, arn, now = STEMS[kind], call.arn(kind, name), datetime.now(UTC)
        document = {key: value for key, value in call.params.items() if key != "Tags"}
        document |= {"Arn": arn, "Type": call.params[f"{stem}Type"], "CreationTime": now, "LastModifiedTime": now}
        document |= {"Name": call.params.get(f"{stem}Name", ""), "By": call.caller}
        if arn in self.graph(call).entities:
            raise ValidationException(f"{stem} {name} already exists.")
        try:
            self.store.add(
                Resource(arn, kind, call.region, name, "", document), read_tags(call.params.get("Tags", []))
            )
        except Exists:
            raise ValidationException(f"{stem} {name} already exists.") from None
        return {f"{stem}Arn": arn}

    @operation("DescribeArtifact")
    def describe_artifact(self, call: Call) -> Params:
        return described(self._entity(call, call.params["ArtifactArn"], ARTIFACT))

    @operation("DescribeAction")
    def describe_action(self, call: Call) -> Params:
        return described(self._named(call, ACTION))

    @operation("DescribeContext")
    def describe_context(self, call: Call) -> Params:
        return described(self._named(call, CONTEXT))

    @operation("DescribeTrialComponent")
    def describe_component(self, call: Call) -> Params:
        return component(self._named(call, COMPONENT))

    @operation("UpdateArtifact")
    def update_artifact(self, call: Call) -> Params:
        return self._update(call, self._entity(call, call.params["ArtifactArn"], ARTIFACT))

    @operation("UpdateAction")
    def update_action(self, call: Call) -> Params:
        return self._update(call, self._named(call, ACTION))

    @operation("UpdateContext")
    def update_context(self, call: Call) -> Params:
        return self._update(call, self._named(call, CONTEXT))

    def _update(self, call: Call, entity: Entity) -> Params:
        def edit(document: Params) -> None:
            kept = document.get("Properties", {}) | call.params.get("Properties", {})
            for name in call.params.get("PropertiesToRemove", []):
                kept.pop(name, None)
            given = {name: call.params[name] for name in EDITED if name in call.params}
            document |= {"Properties": kept, "LastModifiedTime": datetime.now(UTC)} | given
            document["Name"] = document.get("ArtifactName", document["Name"])

        self._change(entity, lambda: self.store.change(entity.arn, edit))
        return {f"{STEMS[entity.kind]}Arn": entity.arn}

    @operation("DeleteArtifact")
    def delete_artifact(self, call: Call) -> Params:
        found = self.graph(call).entities.values()
        source = call.params.get("Source", {}).get("SourceUri")
        arn = call.params.get("ArtifactArn") or next(
            (one.arn for one in found if one.kind == ARTIFACT and one.source == source), str(source)
        )
        return self._delete(self._entity(call, arn, ARTIFACT))

    @operation("DeleteAction")
    def delete_action(self, call: Call) -> Params:
        return self._delete(self._named(call, ACTION))

    @operation("DeleteContext")
    def delete_context(self, call: Call) -> Params:
        return self._delete(self._named(call, CONTEXT))

    def _delete(self, entity: Entity) -> Params:
        self._change(entity, lambda: self.store.remove(entity.arn))
        return {f"{STEMS[entity.kind]}Arn": entity.arn}

    def _change(self, entity: Entity, act: Any) -> None:
        try:
            act()
        except Missing:
            raise ValidationException(
                f"{entity.arn} is told of {entity.source}: it goes with that, and is what that says."
            ) from None

    def _named(self, call: Call, kind: str) -> Entity:
        name = call.params[f"{STEMS[kind]}Name"]
        return self._entity(call, name if name.startswith("arn:") else call.arn(kind, name), kind)

    def _entity(self, call: Call, arn: str, kind: str) -> Entity:
        found = self.graph(call).entities.get(arn)
        if found is None or found.kind != kind:
            raise ResourceNotFound(f"{STEMS[kind]} {arn} does not exist.")
        return found

    # Lists

    @operation("ListArtifacts")
    def list_artifacts(self, call: Call) -> Params:
        return self._list(call, ARTIFACT)

    @operation("ListActions")
    def list_actions(self, call: Call) -> Params:
        return self._list(call, ACTION)

    @operation("ListContexts")
    def list_contexts(self, call: Call) -> Params:
        return self._list(call, CONTEXT)

    @operation("ListTrialComponents")
    def list_components(self, call: Call) -> Params:
        if any(call.params.get(name) for name in ("ExperimentName", "TrialName")):
            return {"TrialComponentSummaries": []}  # there are no experiments here
        return self._list(call, COMPONENT)

    def _list(self, call: Call, kind: str) -> Params:
        stem, params = STEMS[kind], call.params
        source = params.get("SourceUri") or params.get("SourceArn")
        found = [
            one
            for one in self.graph(call).entities.values()
            if one.kind == kind
            and source in (None, one.source)
            and params.get(f"{stem}Type") in (None, one.type)
            and _within(one.created, params)
        ]
        key = "name" if params.get("SortBy") == "Name" else "created"
        rows = [row(one) for one in _sorted(found, key, params)]
        return listing.page(call, f"{stem}Summaries", rows)

    # Associations

    @operation("AddAssociation")
    def add_association(self, call: Call) -> Params:
        source, destination = call.params["SourceArn"], call.params["DestinationArn"]
        graph = self.graph(call)
        for arn in (source, destination):
            if arn not in graph.entities:
                raise ResourceNotFound(f"{arn} does not exist.")
        if (source, destination) in graph.associations:
            raise ValidationException(f"The association of {source} and {destination} already exists.")
        document = {"Source": source, "Destination": destination, "CreationTime": datetime.now(UTC)}
        document["Type"] = call.params.get("AssociationType", "AssociatedWith")
        arn = _association(call, source, destination)
        self.store.add(Resource(arn, ASSOCIATION, call.region, arn.rpartition("/")[2], "", document))
        return {"SourceArn": source, "DestinationArn": destination}

    @operation("DeleteAssociation")
    def delete_association(self, call: Call) -> Params:
        source, destination = call.params["SourceArn"], call.params["DestinationArn"]
        try:
            self.store.remove(_association(call, source, destination))
        except Missing:
            known = (source, destination) in self.graph(call).associations
            if known:
                raise ValidationException("This association is told of a resource: it goes with that.") from None
            raise ResourceNotFound(f"There is no association of {source} and {destination}.") from None
        return {"SourceArn": source, "DestinationArn": destination}

    @operation("ListAssociations")
    def list_associations(self, call: Call) -> Params:
        graph, params = self.graph(call), call.params
        rows = [associated(graph, one) for one in graph.associations.values()]
        equal = ("SourceArn", "DestinationArn", "SourceType", "DestinationType", "AssociationType")
        found = [
            row
            for row in rows
            if all(params.get(name) in (None, row[name]) for name in equal)
            and _within(row["CreationTime"], params)
        ]
        key = params.get("SortBy", "CreationTime")
        descending = params.get("SortOrder", "Descending") == "Descending"
        return listing.page(
            call, "AssociationSummaries", sorted(found, key=lambda row: row[key], reverse=descending)
        )

    @operation("QueryLineage")
    def query(self, call: Call) -> Params:
        graph, params = self.graph(call), call.params
        starts = params.get("StartArns", [])
        for arn in starts:
            if arn not in graph.entities:
                raise ResourceNotFound(f"{arn} is no entity of lineage.")
        reached, edges = _walk(graph, starts, params.get("Direction", "Both"), params.get("MaxDepth", DEEPEST))
        kept = [one for one in reached if _wanted(graph.entities[one], params.get("Filters", {}))]
        vertices = [
            {"Arn": arn, "Type": graph.entities[arn].type, "LineageType": STEMS[graph.entities[arn].kind]}
            for arn in kept
        ]
        answer = listing.page(call, "Vertices", vertices)
        if params.get("IncludeEdges", True):
            shown = set(kept)
            answer["Edges"] = [
                {"SourceArn": one.source, "DestinationArn": one.destination, "AssociationType": one.type}
                for one in edges
                if one.source in shown and one.destination in shown
            ]
        return answer


def _association(call: Call, source: str, destination: str) -> str:
    return call.arn(ASSOCIATION, digest(f"{source} {destination}"))


def _walk(graph: Graph, starts: list[str], direction: str, depth: int) -> tuple[list[str], list[Association]]:
    """The entities that are reached, the start first, and the associations that lead to them."""
    ways: dict[str, list[tuple[Association, str]]] = {}
    for one in graph.associations.values():
        if direction != "Ascendants":
            ways.setdefault(one.source, []).append((one, one.destination))
        if direction != "Descendants":
            ways.setdefault(one.destination, []).append((one, one.source))
    reached, edges = dict.fromkeys(starts, 0), dict[Association, None]()
    left = deque(reached)
    while left:
        arn = left.popleft()
        for association, other in ways.get(arn, []) if reached[arn] < depth else ():
            edges[association] = None
            if other not in reached and other in graph.entities:
                reached[other] = reached[arn] + 1
                left.append(other)
    return list(reached), list(edges)


def _wanted(entity: Entity, filters: Params) -> bool:
    times = {
        f"Created{side}": filters[f"Created{side}"] for side in ("Before", "After") if f"Created{side}" in filters
    }
    own = entity.own.get("Properties", {})
    return (
        entity.type in (filters.get("Types") or [entity.type])
        and STEMS[entity.kind] in (filters.get("LineageTypes") or [STEMS[entity.kind]])
        and all(own.get(name) == value for name, value in filters.get("Properties", {}).items())
        and _within(entity.created, times)
    )


def _within(created: datetime, params: Params) -> bool:
    return not (
        ("CreatedAfter" in params and created < params["CreatedAfter"])
        or ("CreatedBefore" in params and created > params["CreatedBefore"])
    )


def _sorted(found: list[Entity], key: str, params: Params) -> Iterator[Entity]:
    descending = params.get("SortOrder", "Descending") == "Descending"
    yield from sorted(found, key=lambda one: (getattr(one, key), one.arn), reverse=descending)
