"""A workflow as a graph: triggers, jobs and crawlers, and which leads to which.

https://docs.aws.amazon.com/glue/latest/dg/workflows_api_concepts.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from sagelab.cloud.resources.firings import OWN, named
from sagelab.cloud.resources.trigger_rules import JOB
from sagelab.cloud.store import Document

TRIGGER = "TRIGGER"
Key = tuple[str, str]  # type and name of a node


def node_id(workflow: str, kind: str, name: str) -> str:
    """The same in each run of a workflow."""
    return f"wnode_{hashlib.sha256(f'{workflow}/{kind}/{name}'.encode()).hexdigest()}"


def _edges(triggers: list[Document]) -> Iterator[tuple[Key, Key]]:
    for trigger in triggers:
        own = (TRIGGER, str(trigger["Name"]))
        for one in (trigger.get("Predicate") or {}).get("Conditions") or []:
            yield named(one), own
        for one in trigger["Actions"]:
            yield own, named(one)


def below(workflow: str, triggers: list[Document], nodes: list[str]) -> set[str]:
    """The ids of all nodes that others lead to."""
    pairs = [(node_id(workflow, *one), node_id(workflow, *other)) for one, other in _edges(triggers)]
    found, fresh = set[str](), set(nodes)
    while fresh:
        fresh = {other for one, other in pairs if one in fresh} - found
        found |= fresh
    return found


def graph(workflow: str, triggers: list[Document], details: Callable[[Key], Document]) -> dict[str, Any]:
    """As GetWorkflow has it. details: of a job or a crawler, by its key: JobDetails or CrawlerDetails."""
    pairs = list(dict.fromkeys(_edges(triggers)))
    keys = dict.fromkeys(
        [*((TRIGGER, str(one["Name"])) for one in triggers), *(key for pair in pairs for key in pair)]
    )
    plain = {one["Name"]: {name: value for name, value in one.items() if name != OWN} for one in triggers}
    nodes = []
    for kind, name in keys:
        node = {"Type": kind, "Name": name, "UniqueId": node_id(workflow, kind, name)}
        more = {"TriggerDetails": {"Trigger": plain[name]}} if kind == TRIGGER else details((kind, name))
        nodes.append(node | more)
    edges = [
        {"SourceId": node_id(workflow, *one), "DestinationId": node_id(workflow, *other)} for one, other in pairs
    ]
    return {"Nodes": nodes, "Edges": edges}


def design(key: Key) -> Document:
    """Details where nothing has run."""
    return {"JobDetails": {"JobRuns": []}} if key[0] == JOB else {"CrawlerDetails": {"Crawls": []}}
