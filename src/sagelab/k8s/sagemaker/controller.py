"""What AWS's controller does with one object: create, keep in step, tell, adopt, and let go.

It is looked at again and again; each look reads what SageMaker has and does the next thing that is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.k8s.sagemaker import fields
from sagelab.k8s.sagemaker.conditions import Trouble, status_of
from sagelab.k8s.sagemaker.kinds import GROUP, Kind

Document = dict[str, Any]
MOVING = 0.5  # seconds to the next look at what changes by itself
RESYNC = 10.0  # at what does not: drift
ABSENT = re.compile("(?i)could not find|not found|does not exist")
REGION = "services.k8s.aws/region"
DEFAULT_REGION = "services.k8s.aws/default-region"
OWNER = "services.k8s.aws/owner-account-id"
ADOPTED = "services.k8s.aws/adopted"
POLICY = "services.k8s.aws/adoption-policy"
POLICY_FIELDS = "services.k8s.aws/adoption-fields"
READ_ONLY = "services.k8s.aws/read-only"
DELETION = "services.k8s.aws/deletion-policy"
LAST_CONFIG = f"{GROUP}/last-endpoint-config-for-update"
EXISTS = "Resource already exists"
NOT_MANAGED = (
    "This resource already exists but is not managed by ACK. To bring it under ACK's management, adopt it by the"
    f" annotations `{POLICY}` and `{POLICY_FIELDS}`."
)


class Cluster(Protocol):
    """The Kubernetes API, as the controller needs it."""

    def patch(self, kind: Kind, body: Document, change: Document, part: str = "") -> Document:
        """The object after a merge patch. LookupError: it is gone."""

    def namespace(self, name: str) -> Document:
        """The annotations of a namespace."""


@dataclass(frozen=True)
class Look:
    """What a look has come to. body: the object now. delay: seconds to the next; None: until it is changed."""

    body: Document
    delay: float | None
    failed: bool = False


@dataclass
class Subject:
    """One object while it is looked at."""

    kind: Kind
    body: Document
    region: str

    @property
    def annotations(self) -> Document:
        return self.body["metadata"].get("annotations") or {}

    @property
    def spec(self) -> Document:
        return self.body.get("spec") or {}

    @property
    def name(self) -> str:
        """Of SageMaker's resource."""
        return str(self.spec.get(fields.field(self.kind.name_member), ""))

    @property
    def managed(self) -> bool:
        return self.kind.finalizer in self.body["metadata"].get("finalizers", ())

    def says(self, annotation: str) -> bool:
        return str(self.annotations.get(annotation, "")).lower() == "true"


class Controller:
    """Acts on SageMaker for a cluster's objects. client: of SageMaker in a region. region: where none is named."""

    def __init__(self, cluster: Cluster, client: Callable[[str], Any], account: str, region: str) -> None:
        self._cluster, self._client, self._account, self._region = cluster, client, account, region

    def look(self, kind: Kind, body: Document) -> Look:
        """Do what is next for an object. LookupError: it is gone."""
        subject, found = Subject(kind, body, ""), None
        try:
            subject.region = self._find_region(subject)
            if body["metadata"].get("deletionTimestamp"):
                return self._end(subject)
            found = self._sync(subject)
        except (ClientError, BotoCoreError) as error:
            return self._fail(subject, Trouble.of(kind, error))
        except Trouble as trouble:
            return self._fail(subject, trouble)
        self._tell(subject, found)
        return Look(subject.body, MOVING if self._moves(kind, found) else RESYNC)

    def _fail(self, subject: Subject, trouble: Trouble) -> Look:
        found = trouble.found
        if found is None and subject.name and subject.region and subject.managed:
            found = self._try_read(subject)
        self._tell(subject, found, trouble)
        return Look(subject.body, None if trouble.terminal else MOVING, not trouble.terminal)

    def _find_region(self, subject: Subject) -> str:
        """Where the resource is, else where it is wanted. Trouble: these differ, or it is another account's."""
        had = (subject.body.get("status") or {}).get("ackResourceMetadata", {}).get("region")
        namespace = self._cluster.namespace(subject.body["metadata"]["namespace"])
        wanted = subject.annotations.get(REGION) or namespace.get(DEFAULT_REGION) or self._region
        owner = namespace.get(OWNER) or self._account
        if owner != self._account:
            raise Trouble(f"there is no account here but {self._account}: {OWNER} says {owner}", terminal=True)
        if had and had != wanted and not subject.body["metadata"].get("deletionTimestamp"):
            raise Trouble(f"the resource is in {had} and cannot be moved to {wanted}", terminal=True)
        return str(had or wanted)

    def _sync(self, subject: Subject) -> Document:
        """What SageMaker has, which is as it is wanted or on its way there."""
        policy = subject.annotations.get(POLICY, "")
        if policy not in ("", "adopt", "adopt-or-create"):
            words = f'unrecognized adoption policy {policy}. Supported policies are "adopt" and "adopt-or-create"'
            raise Trouble(words, terminal=True)
        adopting = bool(policy or subject.says(ADOPTED)) and not subject.managed
        name = self._adopted_name(subject) if adopting and policy == "adopt" else subject.name
        found = self._read(subject, name)
        if found is None:
            return self._create(subject, policy)
        if subject.says(READ_ONLY):
            return found
        if adopting:
            return self._adopt(subject, found, policy)
        if not subject.managed:
            raise Trouble(EXISTS, terminal=True, reason=NOT_MANAGED, found=found)
        changed = self._differences(subject, found)
        return self._update(subject, found, changed) if changed else found

    def _create(self, subject: Subject, policy: str) -> Document:
        if policy == "adopt" or subject.says(ADOPTED):
            raise Trouble("adopted resource not found")
        if subject.says(READ_ONLY):
            raise Trouble("read-only resource not found")
        self._hold(subject)
        operation = subject.kind.operation("Create")
        self._call(subject, "Create", **fields.to_aws(subject.spec, operation.input_shape))
        found = self._read(subject, subject.name)
        if found is None:
            raise Trouble("ReadOne call failed after a Create operation")
        return found

    def _adopted_name(self, subject: Subject) -> str:
        """Of what is to be adopted, by the annotation that names it."""
        said = subject.annotations.get(POLICY_FIELDS, "")
        try:
            named = json.loads(said)
            name = named.get(fields.field(subject.kind.name_member)) or named["arn"].rpartition("/")[2]
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise Trouble(
                f"unmarshalling adoption-fields annotation: {said!r} names nothing", terminal=True
            ) from error
        return str(name)

    def _adopt(self, subject: Subject, found: Document, policy: str) -> Document:
        """Take on what is there: its spec becomes the object's, unless the object has one."""
        shape = subject.kind.operation("Create").input_shape
        change: Document = {"metadata": {"annotations": {ADOPTED: "true"}}}
        if policy == "adopt":
            change["spec"] = fields.to_fields(found, shape)
        self._hold(subject, change)
        return found

    def _hold(self, subject: Subject, change: Document | None = None) -> None:
        held = [
            *subject.body["metadata"].get("finalizers", ()),
            *([] if subject.managed else [subject.kind.finalizer]),
        ]
        found = dict(change or {})
        found["metadata"] = {**found.get("metadata", {}), "finalizers": held}
        subject.body = self._cluster.patch(subject.kind, subject.body, found)

    def _differences(self, subject: Subject, found: Document) -> list[str]:
        """The fields of the spec that SageMaker has otherwise; those that Describe does not tell are left out."""
        told = subject.kind.operation("Describe").output_shape
        wanted = {name: one for name, one in subject.spec.items() if name in map(fields.field, told.members)}
        return fields.differences(wanted, fields.to_fields(found, told), "spec")

    def _update(self, subject: Subject, found: Document, changed: list[str]) -> Document:
        """Only an endpoint has another configuration later."""
        kind = subject.kind
        if kind.name != "Endpoint":
            words = f"not implemented: a {kind.name} that is there cannot be changed: {', '.join(changed)}"
            raise Trouble(words, terminal=True, found=found)
        if self._moves(kind, found):
            return found
        config, tried = subject.spec["endpointConfigName"], subject.annotations.get(LAST_CONFIG)
        if found["EndpointStatus"] == "Failed" or (found.get("FailureReason") and tried == config):
            words = "EndpointUpdateError: unable to update endpoint. check FailureReason."
            latest = found["EndpointConfigName"]
            raise Trouble(f"{words} latest EndpointConfigName is {latest}", terminal=True, found=found)
        request = fields.to_aws(subject.spec, kind.operation("Update").input_shape)
        self._call(subject, "Update", **request, RetainAllVariantProperties=True)
        annotated = {"metadata": {"annotations": {LAST_CONFIG: config}}}
        subject.body = self._cluster.patch(kind, subject.body, annotated)
        return self._read(subject, subject.name) or found

    def _end(self, subject: Subject) -> Look:
        """The object is to go: what it stands for goes first."""
        kind = subject.kind
        if not subject.managed:
            return Look(subject.body, None)
        policy = subject.annotations.get(DELETION) or self._namespace(subject).get(f"sagemaker.{DELETION}")
        found = None if policy == "retain" or subject.says(READ_ONLY) else self._read(subject, subject.name)
        moving = found is not None and self._moves(kind, found)
        if found is None or (kind.stops and not moving):
            return self._let_go(subject)
        if kind.stops:
            if found[kind.status_member] != "Stopping":
                self._call(subject, "Stop", **{kind.name_member: subject.name})
        elif not moving:
            self._call(subject, "Delete", **{kind.name_member: subject.name})
        found = self._read(subject, subject.name)
        if found is None or (kind.stops and not self._moves(kind, found)):
            return self._let_go(subject)
        self._tell(subject, found)
        return Look(subject.body, MOVING)

    def _let_go(self, subject: Subject) -> Look:
        left = [one for one in subject.body["metadata"]["finalizers"] if one != subject.kind.finalizer]
        subject.body = self._cluster.patch(subject.kind, subject.body, {"metadata": {"finalizers": left}})
        return Look(subject.body, None)

    def _namespace(self, subject: Subject) -> Document:
        return self._cluster.namespace(subject.body["metadata"]["namespace"])

    def _moves(self, kind: Kind, found: Document) -> bool:
        return found.get(kind.status_member) in kind.moving

    def _read(self, subject: Subject, name: str) -> Document | None:
        """What SageMaker has by a name; None: nothing."""
        try:
            return self._call(subject, "Describe", **{subject.kind.name_member: name})
        except ClientError as error:
            code, words = error.response["Error"]["Code"], error.response["Error"]["Message"]
            if code.startswith("ResourceNotFound") or (code == "ValidationException" and ABSENT.search(words)):
                return None
            raise

    def _try_read(self, subject: Subject) -> Document | None:
        try:
            return self._read(subject, subject.name)
        except (ClientError, BotoCoreError):
            return None

    def _call(self, subject: Subject, verb: str, **request: Any) -> Document:
        operation = re.sub(r"(?<!^)(?=[A-Z])", "_", f"{verb}{subject.kind.name}").lower()
        answer: Document = getattr(self._client(subject.region), operation)(**request)
        return answer

    def _tell(self, subject: Subject, found: Document | None, trouble: Trouble | None = None) -> None:
        """Write the status, if it is another one than before."""
        had = subject.body.get("status") or {}
        status = status_of(subject.kind, had, found, trouble)
        if found is not None or "ackResourceMetadata" in had:
            arn = (found or {}).get(subject.kind.arn_member) or had["ackResourceMetadata"].get("arn", "")
            known = {"arn": arn, "ownerAccountID": self._account, "partition": "aws", "region": subject.region}
            status["ackResourceMetadata"] = known
        if status != had:
            change = {"status": {**dict.fromkeys(had), **status}}
            subject.body = self._cluster.patch(subject.kind, subject.body, change, "status")
