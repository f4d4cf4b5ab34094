"""What the API server has, told to clients: groups, versions, resources, in the older and the aggregated form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from sagelab.k8s.kinds import VERBS, Kind
from sagelab.k8s.statuses import Document

# The version of Kubernetes whose API this is; clients choose by it what they ask for.
VERSION: Document = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0+sagelab",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux",
}
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
STATUS_VERBS = ("get", "patch", "update")
REFUSED_VERBS = ("create", "get", "list")


def groups(kinds: Iterable[Kind]) -> Document:
    """/apis"""
    found = [_group(name, versions) for name, versions in _grouped(kinds) if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def group(kinds: Iterable[Kind], name: str) -> Document | None:
    """/apis/NAME; None: there is no such group."""
    for known, versions in _grouped(kinds):
        if known == name:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}
    return None


def core(address: str) -> Document:
    """/api"""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def resources(kinds: Iterable[Kind], group: str, version: str) -> Document | None:
    """/apis/GROUP/VERSION; None: there is no such version."""
    found = [kind for kind in kinds if (kind.group, kind.version) == (group, version)]
    if not found:
        return None
    listed = [one for kind in found for one in _resources(kind)]
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": listed}


def aggregated(kinds: Iterable[Kind], core_group: bool, form: str) -> Document:
    """/api or /apis, as one document with everything. form: v2 or v2beta1."""
    items = [_whole_group(name, versions) for name, versions in _grouped(kinds) if (not name) == core_group]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{form}",
        "metadata": {},
        "items": items,
    }


def _grouped(kinds: Iterable[Kind]) -> Iterator[tuple[str, dict[str, list[Kind]]]]:
    for name, found in groupby(sorted(kinds, key=lambda kind: kind.group), key=lambda kind: kind.group):
        versions: dict[str, list[Kind]] = {}
        for kind in found:
            versions.setdefault(kind.version, []).append(kind)
        yield name, versions


def _group(name: str, versions: Iterable[str]) -> Document:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _verbs(kind: Kind) -> list[str]:
    return list(REFUSED_VERBS if kind.refused else VERBS)


def _resources(kind: Kind) -> Iterator[Document]:
    plain = {
        "name": kind.plural,
        "singularName": kind.singular or kind.kind.lower(),
        "namespaced": kind.namespaced,
    }
    more = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    yield plain | {"kind": kind.kind, "verbs": _verbs(kind)} | {name: one for name, one in more.items() if one}
    if kind.status:
        part = {"name": f"{kind.plural}/status", "singularName": "", "namespaced": kind.namespaced}
        yield part | {"kind": kind.kind, "verbs": list(STATUS_VERBS)}


def _whole_group(name: str, versions: dict[str, list[Kind]]) -> Document:
    found = [
        {"version": version, "freshness": "Current", "resources": [_whole(kind) for kind in kinds]}
        for version, kinds in versions.items()
    ]
    return {"metadata": {"name": name} if name else {}, "versions": found}


def _whole(kind: Kind) -> Document:
    response = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    found: Document = {
        "resource": kind.plural,
        "responseKind": response,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular or kind.kind.lower(),
        "verbs": _verbs(kind),
    }
    more: Document = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    if kind.status:
        more["subresources"] = [{"subresource": "status", "responseKind": response, "verbs": list(STATUS_VERBS)}]
    return found | {name: one for name, one in more.items() if one}
