"""The model registry: packages of models, with their versions, approvals and metrics.

A package says which container with which data makes a model; CreateModel takes it by its ARN. The versions of a
group are numbered; a package of no group has a name of its own, and no approval.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackage.html
"""

from __future__ import annotations

from datetime import UTC, datetime

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import listing, package_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.model_package_groups import ModelPackageGroups
from sagelab.cloud.resources.records import OWN, Records
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Resource

UNTOLD = ("Tags", "ClientToken")
DETAILS: Params = {"ValidationStatuses": [], "ImageScanStatuses": []}
BATCH = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
)
UPDATED = (
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)


class ModelPackages(Records):
    """The family of model packages of one local cloud."""

    kind = catalog.of_stem("ModelPackage")
    needs = (ModelPackageGroups,)
    summary = (
        "ModelPackageName",
        "ModelPackageGroupName",
        "ModelPackageVersion",
        "ModelPackageArn",
        "ModelPackageDescription",
        "CreationTime",
        "ModelPackageStatus",
        "ModelApprovalStatus",
        "ModelLifeCycle",
        "ModelPackageRegistrationType",
    )

    def __init__(self, cloud: Cloud, groups: ModelPackageGroups) -> None:
        super().__init__(cloud)
        self.groups = groups

    @operation("CreateModelPackage")
    def create(self, call: Call) -> Params:
        package_rules.check(call.params, self.cloud)
        group = call.params.get("ModelPackageGroupName")
        if group is None:
            return {"ModelPackageArn": self._keep(call, self.arn(call), {})}
        group_arn = self.groups.arn_of(call, group)
        self.groups.find(group_arn)
        if again := self._made_before(call, group_arn):
            return {"ModelPackageArn": again}
        version, name = self.groups.next_version(group_arn), group_arn.rpartition("/")[2]
        facts = {
            "ModelPackageName": name,
            "ModelPackageGroupName": name,
            "ModelPackageVersion": version,
            "ModelApprovalStatus": call.params.get("ModelApprovalStatus", "PendingManualApproval"),
        }
        return {"ModelPackageArn": self._keep(call, self.arn_of(call, f"{name}/{version}"), facts)}

    def _keep(self, call: Call, arn: str, facts: Params) -> str:
        now = datetime.now(UTC)
        document = {name: value for name, value in call.params.items() if name not in UNTOLD} | facts
        document |= {
            "ModelPackageArn": arn,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": DETAILS,
            "CreationTime": now,
            "CreatedBy": {"IamIdentity": {"Arn": call.caller}},
            OWN: {"Token": call.params.get("ClientToken")},
        }
        tags = read_tags(call.params.get("Tags", []))
        try:
            self.store.add(Resource(arn, self.kind.arn, call.region, arn, "Completed", document), tags)
        except Exists:
            raise ValidationException(f"Model Package already exists: {arn}") from None
        return arn

    def _made_before(self, call: Call, group_arn: str) -> str | None:
        """The ARN of what the same request made, if it was sent before."""
        token = call.params.get("ClientToken")
        made = self.groups.versions(group_arn) if token else []
        return next((one["ModelPackageArn"] for one in made if one[OWN]["Token"] == token), None)

    def describe(self, call: Call) -> Params:
        found = super().describe(call)
        if call.params.get("IncludedData") == "MetadataOnly":
            found.pop("ModelCard", None)
        return found

    def page(self, call: Call) -> Params:
        params, query = call.params, listing.read_query(call, self.kind)
        found = [one for one in self._listed(call) if _passes(one, params)]
        member = "ModelPackageName" if query.sort == "Name" else "CreationTime"
        found.sort(key=lambda one: (one[member], one.get("ModelPackageVersion", 0)), reverse=query.descending)
        start = query.start[0] if query.start and isinstance(query.start[0], int) else 0
        end = start + query.limit
        return {
            self.kind.listed: [self.row(one) for one in found[start:end]],
            "NextToken": listing.write_token((end, "packages") if len(found) > end else None),
        }

    def _listed(self, call: Call) -> list[Document]:
        if group := call.params.get("ModelPackageGroupName"):
            arn = self.groups.arn_of(call, group)
            self.groups.find(arn)
            return self.groups.versions(arn)
        return list(self.store.documents(self.kind.arn, call.region))

    @operation("BatchDescribeModelPackage")
    def describe_several(self, call: Call) -> Params:
        found: Params = {}
        missing: Params = {}
        for arn in call.params["ModelPackageArnList"]:
            try:
                document = self.find(arn)
            except ValidationException as error:
                missing[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
                continue
            found[arn] = {"InferenceSpecification": {}} | {
                name: document[name] for name in BATCH if name in document
            }
        return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": missing}

    @operation("UpdateModelPackage")
    def update(self, call: Call) -> Params:
        params, arn = call.params, self.arn_of(call, call.params["ModelPackageArn"])
        package_rules.check_update(params, self.find(arn), self.cloud)

        def edit(package: Document) -> None:
            package |= {name: params[name] for name in UPDATED if name in params}
            package_rules.edit_properties(package, params)
            if added := params.get("AdditionalInferenceSpecificationsToAdd"):
                package.setdefault("AdditionalInferenceSpecifications", []).extend(added)
            package["LastModifiedTime"] = datetime.now(UTC)
            package["LastModifiedBy"] = {"IamIdentity": {"Arn": call.caller}}

        self.store.change(arn, edit)
        return {"ModelPackageArn": arn}

    def containers(self, call: Call, wanted: Params) -> list[Params]:
        """The containers that a model's container stands for that names a package. ValidationException: none."""
        package = self.named(call, wanted["ModelPackageName"])
        return package_rules.containers(package, wanted)

    def unknown(self, arn: str) -> ValidationException:
        return ValidationException(f"ModelPackage {arn} does not exist.")

    def on_tags(self, arn: str, tags: dict[str, str]) -> None:  # noqa: ARG002
        """ValidationException: a version has the tags of its group."""
        if arn.count("/") > 1 and f":{self.kind.arn}/" in arn:
            raise ValidationException(f"{arn} is a version of a model: it has the tags of its group.")


def _passes(package: Document, params: Params) -> bool:
    """Whether a List shows a package."""
    versioned = "ModelPackageGroupName" in package
    usual = "Versioned" if "ModelPackageGroupName" in params else "Unversioned"
    wanted = params.get("ModelPackageType", usual)
    if wanted != "Both" and versioned != (wanted == "Versioned"):
        return False
    if params.get("NameContains", "").lower() not in package["ModelPackageName"].lower():
        return False
    if params.get("ModelApprovalStatus", package.get("ModelApprovalStatus")) != package.get("ModelApprovalStatus"):
        return False
    made = package["CreationTime"]
    return bool(params.get("CreationTimeAfter", made) <= made <= params.get("CreationTimeBefore", made))
