"""Athena's workgroups: who queries with which settings, and what a query may cost.

https://docs.aws.amazon.com/athena/latest/ug/workgroups-manage-queries-control-costs.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.tags import TagsByArn
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND, PRIMARY = "athena-workgroup", "primary"
MOST = 1000
LEAST_CUTOFF = 10_000_000
ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
USUAL: Params = {
    "ResultConfiguration": {},
    "EnforceWorkGroupConfiguration": True,
    "PublishCloudWatchMetricsEnabled": True,
    "RequesterPaysEnabled": False,
    "EngineVersion": ENGINE,
    "EnableMinimumEncryptionConfiguration": False,
}
REFUSED = (
    "ManagedQueryResultsConfiguration",
    "MonitoringConfiguration",
    "EngineConfiguration",
    "CustomerContentEncryptionConfiguration",
    "IdentityCenterConfiguration",
    "QueryResultsS3AccessGrantsConfiguration",
    "AdditionalConfiguration",
    "ExecutionRole",
)
VERSIONS = ("AUTO", "Athena engine version 3")


def refused(message: str) -> Beside:
    return Beside("InvalidRequestException", message)


def arn_of(call: Call, name: str) -> str:
    return f"arn:aws:athena:{call.region}:{call.account}:workgroup/{name}"


class WorkGroups(TagsByArn, Family):
    """The workgroups of one local cloud; `primary` is in every region."""

    service = "athena"
    tags_page, too_many = 75, "InvalidRequestException"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)

    def find(self, call: Call, name: str) -> Document:
        """Beside: there is none by that name."""
        arn = arn_of(call, name)
        if name == PRIMARY and not self.store.has(arn):
            plain = USUAL | {"EnforceWorkGroupConfiguration": False, "PublishCloudWatchMetricsEnabled": False}
            self._add(call, name, {"Configuration": plain, "Description": ""}, {})
        try:
            return self.store.get(arn)
        except Missing:
            raise refused(f"WorkGroup {name} is not found.") from None

    def _add(self, call: Call, name: str, facts: Params, tags: dict[str, str]) -> None:
        document = {"Name": name, "State": "ENABLED", "CreationTime": datetime.now(UTC)} | facts
        try:
            self.store.add(Resource(arn_of(call, name), KIND, call.region, name, "ENABLED", document), tags)
        except Exists:
            if name != PRIMARY:
                raise refused("WorkGroup is already created") from None

    @operation("CreateWorkGroup")
    def create(self, call: Call) -> Params:
        name, asked = call.params["Name"], call.params.get("Configuration") or {}
        if name == PRIMARY or len(list(self.store.documents(KIND, call.region))) >= MOST:
            raise refused(
                "WorkGroup is already created" if name == PRIMARY else "The limit of workgroups is reached."
            )
        check(asked)
        facts = {
            "Configuration": USUAL | asked | _engine(asked),
            "Description": call.params.get("Description", ""),
        }
        self._add(call, name, facts, {one["Key"]: one.get("Value", "") for one in call.params.get("Tags") or []})
        return {}

    @operation("GetWorkGroup")
    def get(self, call: Call) -> Params:
        return {"WorkGroup": self.find(call, call.params["WorkGroup"])}

    @operation("ListWorkGroups")
    def list_groups(self, call: Call) -> Params:
        self.find(call, PRIMARY)
        found = sorted(self.store.documents(KIND, call.region), key=lambda one: str(one["Name"]))
        members = ("Name", "State", "Description", "CreationTime")
        rows = [
            {member: one[member] for member in members} | {"EngineVersion": one["Configuration"]["EngineVersion"]}
            for one in found
        ]
        return listing.page(call, "WorkGroups", rows, 50)

    @operation("UpdateWorkGroup")
    def update(self, call: Call) -> Params:
        params, asked = call.params, call.params.get("ConfigurationUpdates") or {}
        self.find(call, params["WorkGroup"])
        check(asked)

        def edit(document: Document) -> str:
            document |= {name: params[name] for name in ("State", "Description") if name in params}
            document["Configuration"] = _updated(document["Configuration"], asked)
            return str(document["State"])

        self.store.change(arn_of(call, params["WorkGroup"]), edit)
        return {}

    @operation("DeleteWorkGroup")
    def delete(self, call: Call) -> Params:
        name = call.params["WorkGroup"]
        if name == PRIMARY:
            raise refused("Cannot delete primary workgroup")
        self.find(call, name)
        inner = [
            (kind, one)
            for kind in ("athena-named-query", "athena-prepared-statement")
            for one in self.store.documents(kind, call.region)
            if one["WorkGroup"] == name
        ]
        if inner and not call.params.get("RecursiveDeleteOption"):
            raise refused(f"WorkGroup {name} is not empty")
        for _, one in inner:
            self.store.remove(one["Arn"])
        self.store.remove(arn_of(call, name))
        return {}

    @operation("ListEngineVersions")
    def versions(self, _call: Call) -> Params:
        return {"EngineVersions": [ENGINE | {"SelectedEngineVersion": one} for one in VERSIONS]}

    # Tags

    def tagged(self, call: Call) -> str:
        arn = str(call.params["ResourceARN"])
        if arn == arn_of(call, PRIMARY):
            self.find(call, PRIMARY)
        if not arn.startswith(arn_of(call, "")) or not self.store.has(arn):
            raise Beside("ResourceNotFoundException", f"Resource not found: {arn}")
        return arn


def check(asked: Params) -> None:
    """Beside: settings that are none, or that nothing here honours."""
    for name in REFUSED:
        if asked.get(name) or asked.get(f"{name}Updates"):
            raise refused(f"{name} is not something the local cloud can do.")
    cutoff = asked.get("BytesScannedCutoffPerQuery")
    if cutoff is not None and cutoff < LEAST_CUTOFF:
        raise refused(f"BytesScannedCutoffPerQuery must be at least {LEAST_CUTOFF} bytes.")
    if (asked.get("EngineVersion") or {}).get("SelectedEngineVersion", "AUTO") not in VERSIONS:
        raise refused("The engine version is not one that the local cloud has: Athena engine version 3 is.")
    check_results(asked.get("ResultConfiguration") or asked.get("ResultConfigurationUpdates") or {})


def check_results(asked: Params) -> None:
    """Beside: a place of results that is none, or an encryption that is not whole."""
    where = asked.get("OutputLocation")
    if where and not (where.startswith("s3://") and len(where) > len("s3://")):
        raise refused("outputLocation is not a valid S3 path.")
    encryption = asked.get("EncryptionConfiguration") or {}
    kind, key = encryption.get("EncryptionOption"), encryption.get("KmsKey")
    if kind == "CSE_KMS":
        raise refused("CSE_KMS is not something the local cloud can do: SSE_KMS and SSE_S3 are.")
    if kind == "SSE_KMS" and not key:
        raise refused("KmsKey is required for SSE_KMS.")
    if kind == "SSE_S3" and key:
        raise refused("KmsKey is not allowed for SSE_S3.")


def _engine(asked: Params) -> Params:
    selected = (asked.get("EngineVersion") or {}).get("SelectedEngineVersion", "AUTO")
    return {"EngineVersion": ENGINE | {"SelectedEngineVersion": selected}}


def _updated(before: Params, asked: Params) -> Params:
    """A configuration after an UpdateWorkGroup."""
    plain: tuple[str, ...] = (
        "EnforceWorkGroupConfiguration",
        "PublishCloudWatchMetricsEnabled",
        "BytesScannedCutoffPerQuery",
    )
    plain += ("RequesterPaysEnabled", "EnableMinimumEncryptionConfiguration")
    after = before | {name: asked[name] for name in plain if name in asked}
    after |= _engine(asked) if asked.get("EngineVersion") else {}
    if asked.get("RemoveBytesScannedCutoffPerQuery"):
        after.pop("BytesScannedCutoffPerQuery", None)
    changes: dict[str, Any] = asked.get("ResultConfigurationUpdates") or {}
    results = dict(before.get("ResultConfiguration") or {})
    for name in ("OutputLocation", "EncryptionConfiguration", "ExpectedBucketOwner", "AclConfiguration"):
        if name in changes:
            results[name] = changes[name]
        if changes.get(f"Remove{name}"):
            results.pop(name, None)
    return after | {"ResultConfiguration": results}
