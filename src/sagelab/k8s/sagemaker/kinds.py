"""The kinds of AWS's controller that act here, a row each, and their definitions, made from botocore's model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from sagelab.k8s.sagemaker import fields

Document = dict[str, Any]
GROUP, VERSION = "sagemaker.services.k8s.aws", "v1alpha1"
JOB_MOVES = ("InProgress", "Stopping")
ENDPOINT_MOVES = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
TERMINAL = ("InvalidParameterCombination", "InvalidParameterValue", "MissingParameter")
JOB_TERMINAL = ("ResourceNotFound", "ResourceInUse", *TERMINAL)
CONDITION: Document = {
    "type": "object",
    "required": ["status", "type"],
    "properties": {
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        **{name: {"type": "string"} for name in ("message", "reason", "status", "type")},
    },
}
METADATA: Document = {
    "type": "object",
    "required": ["ownerAccountID", "region"],
    "properties": {name: {"type": "string"} for name in ("arn", "ownerAccountID", "partition", "region")},
}


@dataclass(frozen=True)
class Kind:
    """One kind. shown: members of Describe's answer that are its status; the last of them is what it is in.

    columns: which of those `kubectl get` shows. moving: statuses that it leaves by itself. stops: whether its end
    is StopX, as a job's, and not DeleteX. terminal: codes of errors that no second try changes.
    """

    name: str
    shown: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()
    stops: bool = False
    terminal: tuple[str, ...] = TERMINAL

    @property
    def plural(self) -> str:
        return f"{self.name.lower()}s"

    @property
    def finalizer(self) -> str:
        return f"finalizers.{GROUP}/{self.name}"

    @property
    def name_member(self) -> str:
        return f"{self.name}Name"

    @property
    def arn_member(self) -> str:
        return f"{self.name}Arn"

    @property
    def status_member(self) -> str:
        """What says which status it is in; empty for what is there or not."""
        return self.shown[-1] if self.shown else ""

    def operation(self, verb: str) -> OperationModel:
        """CreateTrainingJob and its relatives, of botocore's model."""
        return model().operation_model(f"{verb}{self.name}")


def _job(name: str, *shown: str, columns: tuple[str, ...] = ()) -> Kind:
    status = f"{name}Status"
    return Kind(name, ("FailureReason", *shown, status), (*columns, status), JOB_MOVES, True, JOB_TERMINAL)


_TRAINING: tuple[str, ...] = ("CreationTime", "LastModifiedTime", "DebugRuleEvaluationStatuses", "ModelArtifacts")
_TRAINING += ("ProfilerRuleEvaluationStatuses", "ProfilingStatus", "WarmPoolStatus", "SecondaryStatus")
_ENDPOINT = ("CreationTime", "FailureReason", "LastModifiedTime", "PendingDeploymentSummary", "ProductionVariants")
KINDS = (
    _job("TrainingJob", *_TRAINING, columns=("SecondaryStatus",)),
    _job("HyperParameterTuningJob", "BestTrainingJob", "OverallBestTrainingJob"),
    _job("ProcessingJob"),
    _job("TransformJob"),
    Kind("Model"),
    Kind("EndpointConfig"),
    Kind("Endpoint", (*_ENDPOINT, "EndpointStatus"), ("EndpointStatus",), ENDPOINT_MOVES),
)


@cache
def model() -> ServiceModel:
    """SageMaker's, with what AWS says of each member."""
    return ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


def definitions() -> Iterator[Document]:
    """The CustomResourceDefinition of each kind."""
    for kind in KINDS:
        yield {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{kind.plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {
                    "kind": kind.name,
                    "listKind": f"{kind.name}List",
                    "plural": kind.plural,
                    "singular": kind.name.lower(),
                },
                "versions": [_version(kind)],
            },
        }


def _version(kind: Kind) -> Document:
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": fields.schema(_shape(kind, "Create", "input"), required=True),
        "status": status_schema(kind),
    }
    whole = {"type": "object", "description": f"{kind.name} of SageMaker's API", "properties": properties}
    found = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": whole},
    }
    return found | ({"additionalPrinterColumns": list(_columns(kind))} if kind.columns else {})


def _shape(kind: Kind, verb: str, side: str) -> Any:
    return getattr(kind.operation(verb), f"{side}_shape")


def status_schema(kind: Kind) -> Document:
    """What the controller says of one."""
    members = _shape(kind, "Describe", "output").members
    shown = {fields.field(name): fields.described(members[name]) for name in sorted(kind.shown)}
    conditions = {"type": "array", "items": CONDITION}
    return {"type": "object", "properties": {"ackResourceMetadata": METADATA, "conditions": conditions, **shown}}


def _columns(kind: Kind) -> Iterator[Document]:
    yield {"name": "FAILURE-REASON", "type": "string", "jsonPath": ".status.failureReason", "priority": 1}
    for member in kind.columns:
        name = "SECONDARY-STATUS" if member == "SecondaryStatus" else "STATUS"
        yield {"name": name, "type": "string", "jsonPath": f".status.{fields.field(member)}"}
