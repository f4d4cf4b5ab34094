"""Groups of model packages: documents under a name."""

from __future__ import annotations

from sagelab import catalog
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.records import Records


class ModelPackageGroups(Records):
    kind = catalog.of_stem("ModelPackageGroup")
    summary = ("ModelPackageGroupName", "ModelPackageGroupArn", "CreationTime", "ModelPackageGroupStatus")

    @operation("CreateModelPackageGroup")
    def create(self, call: Call) -> Params:
        document = {name: value for name, value in call.params.items() if name != "Tags"}
        arn = self.add(call, document | {"ModelPackageGroupStatus": "Completed", "CreatedBy": {}}, "Completed")
        return {"ModelPackageGroupArn": arn}
