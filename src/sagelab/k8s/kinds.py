"""Which kinds there are: a few of Kubernetes' own, those of CustomResourceDefinitions, those that are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sagelab.k8s.statuses import Document, qualified
from sagelab.k8s.store import Store

DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
NAMESPACES = "namespaces"
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


@dataclass(frozen=True)
class Kind:
    """One kind in one version. schema: an openAPIV3Schema. status: whether it has that subresource.

    columns: of its table, after the name, each {"name", "type", "jsonPath", "priority"?}. selectable: the JSON
    paths that field selectors may name besides the name and the namespace. refused: by name, always. ending: its
    definition is being deleted.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    schema: Document = field(default_factory=dict, hash=False)
    status: bool = False
    columns: tuple[Document, ...] = field(default=(AGE,), hash=False)
    selectable: tuple[str, ...] = ()
    custom: bool = False
    refused: bool = False
    ending: bool = False

    @property
    def resource(self) -> str:
        """Its name in the store, the same in every version."""
        return qualified(self.plural, self.group)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_name(self) -> str:
        return self.list_kind or f"{self.kind}List"


def _object(required: tuple[str, ...] = (), **properties: Document) -> Document:
    found: Document = {"type": "object", "properties": properties}
    return found | ({"required": list(required)} if required else {})


STRING: Document = {"type": "string"}
STRINGS: Document = {"type": "object", "additionalProperties": STRING}
ANYTHING: Document = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
EVENT_FIELDS = (*(f".involvedObject.{name}" for name in INVOLVED), ".reason", ".type", ".source.component")


def _column(name: str, path: str, type_: str = "string", priority: int = 0) -> Document:
    return {"name": name, "type": type_, "jsonPath": path, "priority": priority}


OWN = (
    Kind(
        *("", "v1", "namespaces", "Namespace"),
        namespaced=False,
        short_names=("ns",),
        schema=_object(spec=ANYTHING, status=ANYTHING),
        status=True,
        columns=(_column("Status", ".status.phase"), AGE),
        selectable=(".status.phase",),
    ),
    Kind(
        *("", "v1", "configmaps", "ConfigMap"),
        short_names=("cm",),
        schema=_object(data=STRINGS, binaryData=STRINGS, immutable={"type": "boolean"}),
        columns=(_column("Data", ".data", "count"), AGE),
    ),
    Kind(
        *("", "v1", "secrets", "Secret"),
        schema=_object(data=STRINGS, stringData=STRINGS, type=STRING, immutable={"type": "boolean"}),
        columns=(_column("Type", ".type"), _column("Data", ".data", "count"), AGE),
        selectable=(".type",),
    ),
    Kind(
        *("", "v1", "events", "Event"),
        short_names=("ev",),
        schema={**_object(("involvedObject",), involvedObject=ANYTHING), **ANYTHING},
        columns=(
            _column("Last Seen", ".lastTimestamp", "date"),
            _column("Type", ".type"),
            _column("Reason", ".reason"),
            _column("Object", ".involvedObject", "reference"),
            _column("Message", ".message"),
        ),
        selectable=EVENT_FIELDS,
    ),
    Kind(
        *("coordination.k8s.io", "v1", "leases", "Lease"),
        schema=_object(spec=ANYTHING),
        columns=(_column("Holder", ".spec.holderIdentity"), AGE),
    ),
    Kind(
        *("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"),
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        schema=_object(("spec",), spec=ANYTHING, status=ANYTHING),
        status=True,
        columns=(_column("Created At", ".metadata.creationTimestamp"),),
    ),
)


def _refused(group: str, *names: tuple[str, str, str]) -> tuple[Kind, ...]:
    return tuple(
        Kind(
            group,
            "v1",
            plural,
            kind,
            plural not in ("nodes",),
            short_names=(short,) if short else (),
            refused=True,
        )
        for plural, kind, short in names
    )


# In discovery, so that a client asks this server for them and hears why not.
REFUSED = (
    *_refused("", ("nodes", "Node", "no"), ("pods", "Pod", "po"), ("services", "Service", "svc")),
    *_refused("apps", ("deployments", "Deployment", "deploy"), ("replicasets", "ReplicaSet", "rs")),
    *_refused("apps", ("statefulsets", "StatefulSet", "sts"), ("daemonsets", "DaemonSet", "ds")),
    *_refused("batch", ("jobs", "Job", ""), ("cronjobs", "CronJob", "cj")),
)


class Kinds:
    """The kinds of a store, as its definitions are now. version: of the store when they last changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refresh()

    def refresh(self) -> None:
        """Read the definitions again."""
        definitions = self._store.all(DEFINITIONS)
        found = [*OWN, *REFUSED, *(kind for one in definitions for kind in served(one))]
        self._known = {(kind.group, kind.version, kind.plural): kind for kind in found}
        self.version = self._store.version

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._known.values())

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        return self._known.get((group, version, plural))


def served(definition: Document) -> list[Kind]:
    """A kind for each version that a CustomResourceDefinition serves, the newest first."""
    spec = definition["spec"]
    names = spec["names"]
    plain = Kind(
        spec["group"],
        "",
        names["plural"],
        names["kind"],
        spec["scope"] == "Namespaced",
        names.get("singular") or names["kind"].lower(),
        names.get("listKind", ""),
        tuple(names.get("shortNames", ())),
        tuple(names.get("categories", ())),
        custom=True,
        ending="deletionTimestamp" in definition["metadata"],
    )
    return [_in_version(plain, one) for one in spec["versions"] if one.get("served")]


def _in_version(plain: Kind, version: Document) -> Kind:
    return replace(
        plain,
        version=version["name"],
        schema=version["schema"]["openAPIV3Schema"],
        status="status" in (version.get("subresources") or {}),
        columns=tuple(version.get("additionalPrinterColumns") or (AGE,)),
        selectable=tuple(one["jsonPath"] for one in version.get("selectableFields") or ()),
    )
