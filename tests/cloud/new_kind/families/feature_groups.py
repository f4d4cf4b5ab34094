"""Groups of features: documents under a name."""

from __future__ import annotations

from sagelab import catalog
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.records import Records


class FeatureGroups(Records):
    kind = catalog.of_stem("FeatureGroup")
    summary = ("FeatureGroupName", "FeatureGroupArn", "CreationTime", "FeatureGroupStatus")

    @operation("CreateFeatureGroup")
    def create(self, call: Call) -> Params:
        document = {name: value for name, value in call.params.items() if name != "Tags"}
        arn = self.add(call, document | {"FeatureGroupStatus": "Created"}, "Created")
        return {"FeatureGroupArn": arn}
