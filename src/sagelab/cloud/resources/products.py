"""Service Catalog, as far as a project needs it: the one product there is, SageMaker's built-in template.

https://docs.aws.amazon.com/servicecatalog/latest/dg/API_Reference.html
"""

from __future__ import annotations

from datetime import UTC, datetime

from sagelab.cloud.engine.projects import template
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation

MADE = datetime(2026, 11, 29, tzinfo=UTC)
VERSION = {"Id": template.ARTIFACT, "Name": "v1.0", "Description": "v1.0", "CreatedTime": MADE}
SUMMARY = {
    "Id": "prodview-sagelabmlops1",
    "ProductId": template.PRODUCT,
    "Name": template.NAME,
    "Owner": "Amazon SageMaker",
    "ShortDescription": template.TEXT,
    "Type": "CLOUD_FORMATION_TEMPLATE",
    "Distributor": "",
    "HasDefaultPath": True,
}


class Products(Family):
    """The family of Service Catalog's products."""

    service = "servicecatalog"

    @operation("SearchProducts")
    def search(self, call: Call) -> Params:
        wanted = [text.lower() for text in call.params.get("Filters", {}).get("FullTextSearch", [])]
        text = f"{template.NAME} {template.TEXT} {template.PRODUCT}".lower()
        fits = all(each in text for each in wanted)
        return {"ProductViewSummaries": [SUMMARY] if fits else [], "ProductViewAggregations": {}}

    @operation("DescribeProduct")
    def describe(self, call: Call) -> Params:
        if call.params.get("Name") != template.NAME:
            _find(call.params.get("Id", ""))
        version = VERSION | {"Guidance": "DEFAULT"}
        paths = [{"Id": template.PATH, "Name": "Amazon SageMaker Solutions"}]
        return {"ProductViewSummary": SUMMARY, "ProvisioningArtifacts": [version], "LaunchPaths": paths}

    @operation("ListLaunchPaths")
    def paths(self, call: Call) -> Params:
        _find(call.params["ProductId"])
        path = {"Id": template.PATH, "Name": "Amazon SageMaker Solutions", "ConstraintSummaries": [], "Tags": []}
        return {"LaunchPathSummaries": [path]}

    @operation("ListProvisioningArtifacts")
    def versions(self, call: Call) -> Params:
        _find(call.params["ProductId"])
        more = {"Type": "CLOUD_FORMATION_TEMPLATE", "Active": True, "Guidance": "DEFAULT"}
        return {"ProvisioningArtifactDetails": [VERSION | more]}


def _find(product: str) -> None:
    if product not in (template.PRODUCT, SUMMARY["Id"]):
        raise Beside("ResourceNotFoundException", f"Product {product} not found.")
