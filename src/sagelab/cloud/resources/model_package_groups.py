"""Groups of model packages: the versions of one model, under one name."""

from __future__ import annotations

from datetime import UTC, datetime

from sagelab import catalog
from sagelab.cloud.errors import ConflictException, ValidationException
from sagelab.cloud.resources import checks
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.records import OWN, Records
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Query, Resource

REFUSED = {"ManagedConfiguration": "storage that it manages itself"}
PACKAGES = "model-package"  # the kind of the versions, as in their ARNs


class ModelPackageGroups(Records):
    """The family of model package groups of one local cloud."""

    kind = catalog.of_stem("ModelPackageGroup")
    summary = (
        "ModelPackageGroupName",
        "ModelPackageGroupArn",
        "ModelPackageGroupDescription",
        "CreationTime",
        "ModelPackageGroupStatus",
    )

    @operation("CreateModelPackageGroup")
    def create(self, call: Call) -> Params:
        checks.refused(call.params, REFUSED)
        return {"ModelPackageGroupArn": self.make(call, call.params)}

    def make(self, call: Call, wanted: Params) -> str:
        """Keep a new group; its ARN. ValidationException: it is there."""
        arn = self.arn_of(call, wanted["ModelPackageGroupName"])
        document = {name: value for name, value in wanted.items() if name != "Tags"} | {
            "ModelPackageGroupArn": arn,
            "ModelPackageGroupStatus": "Completed",
            "CreationTime": datetime.now(UTC),
            "CreatedBy": {"IamIdentity": {"Arn": call.caller}},
            OWN: {"Latest": 0},
        }
        name = arn.rpartition("/")[2]
        try:
            self.store.add(
                Resource(arn, self.kind.arn, call.region, name, "Completed", document),
                read_tags(wanted.get("Tags", [])),
            )
        except Exists:
            raise ValidationException(f"Model Package Group already exists: {arn}") from None
        return arn

    def page(self, call: Call) -> Params:
        if call.params.get("CrossAccountFilterOption") == "CrossAccount":  # there is one account here
            return {self.kind.listed: []}
        return super().page(call)

    def delete(self, call: Call) -> Params:
        arn = self.arn(call)
        self.find(arn)
        if self.versions(arn, limit=1):
            raise ConflictException(
                f"Model Package Group {arn} cannot be deleted, for it has model packages. Delete those first."
            )
        return super().delete(call)

    def next_version(self, arn: str) -> int:
        """The number of a new version of a group; no number is given twice. ValidationException: no group."""

        def count(group: Document) -> None:
            group[OWN]["Latest"] += 1

        try:
            return int(self.store.change(arn, count)[OWN]["Latest"])
        except Missing:
            raise self.unknown(arn) from None

    def versions(self, arn: str, limit: int = 1_000_000) -> list[Document]:
        """The packages of a group, newest first."""
        prefix = f"{arn.replace(f':{self.kind.arn}/', f':{PACKAGES}/')}/"
        return self.store.page(Query(PACKAGES, arn.split(":")[3], name_prefix=prefix, limit=limit))[0]

    def unknown(self, arn: str) -> ValidationException:
        return ValidationException(f"Model Package Group {arn} does not exist.")
