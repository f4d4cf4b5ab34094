"""QuickSight's dashboards: definitions that the console draws, of bars, lines, numbers and tables.

https://docs.aws.amazon.com/quicksight/latest/APIReference/API_CreateDashboard.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sagelab.cloud import visuals
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.quicksight_rules import (
    DASHBOARD,
    USER,
    answer,
    arn_of,
    bad,
    check,
    missing,
    refuse,
    tags_of,
    taken,
)
from sagelab.cloud.store import Document, Exists, Missing, Resource

MADE = "CREATION_SUCCESSFUL"
VERSIONS = 100  # that are kept of one
NO_DEFINITION = "Definition: a dashboard is made of one here, and not of a template."
NO_COPIES = "SourceEntity is not something the local cloud can do: name the Definition."


class Dashboards(Family):
    """Those of one local cloud. A document has all of its versions, and which is published."""

    service = "quicksight"

    @operation("CreateDashboard")
    def create(self, call: Call) -> Params:
        check(call, "DashboardId", "Name", "Definition", "Permissions", "VersionDescription", "SourceEntity")
        key = call.params["DashboardId"]
        arn, now = arn_of(call, DASHBOARD, key), datetime.now(UTC)
        document = {
            "Arn": arn,
            "DashboardId": key,
            "CreatedTime": now,
            "LastPublishedTime": now,
            "Published": 1,
            "Versions": [self._version(call, now)],
        }
        try:
            self.store.add(Resource(arn, DASHBOARD, call.region, key, MADE, document), tags_of(call.params))
        except Exists:
            raise taken("Dashboard", key) from None
        status = {"CreationStatus": "CREATION_IN_PROGRESS"}
        return answer(202, Arn=arn, VersionArn=f"{arn}/version/1", DashboardId=key, **status)

    @operation("UpdateDashboard")
    def update(self, call: Call) -> Params:
        """A new version, which is seen once it is published."""
        check(call, "DashboardId", "Name", "Definition", "VersionDescription", "SourceEntity")
        version, found = self._version(call, datetime.now(UTC)), self._find(call)

        def edit(document: Document) -> None:
            if len(document["Versions"]) >= VERSIONS:
                raise Beside("LimitExceededException", f"A dashboard has {VERSIONS} versions at most here.")
            document["Versions"].append(version)

        number = len(self.store.change(found["Arn"], edit)["Versions"])
        told = {"Arn": found["Arn"], "VersionArn": f"{found['Arn']}/version/{number}"}
        return answer(202, **told, DashboardId=found["DashboardId"], CreationStatus="CREATION_IN_PROGRESS")

    @operation("UpdateDashboardPublishedVersion")
    def publish(self, call: Call) -> Params:
        check(call, "DashboardId", "VersionNumber")
        found, number = self._find(call), call.params["VersionNumber"]
        _numbered(found, number)

        def edit(document: Document) -> None:
            document |= {"Published": number, "LastPublishedTime": datetime.now(UTC)}

        self.store.change(found["Arn"], edit)
        return answer(DashboardId=found["DashboardId"], DashboardArn=found["Arn"])

    @operation("DescribeDashboard")
    def describe(self, call: Call) -> Params:
        check(call, "DashboardId", "VersionNumber", "AliasName")
        found = self._find(call)
        number, version = _chosen(found, call.params)
        definition = version["Definition"]
        told = {
            "VersionNumber": number,
            "Arn": f"{found['Arn']}/version/{number}",
            "Status": MADE,
            "CreatedTime": version["CreatedTime"],
            "Description": version["Description"],
            "DataSetArns": [one["DataSetArn"] for one in definition["DataSetIdentifierDeclarations"]],
            "Sheets": [
                {"SheetId": one["SheetId"], "Name": one.get("Name")} for one in definition.get("Sheets") or []
            ],
        }
        return answer(Dashboard=_summary(found, version) | {"Version": told})

    @operation("DescribeDashboardDefinition")
    def define(self, call: Call) -> Params:
        check(call, "DashboardId", "VersionNumber", "AliasName")
        found = self._find(call)
        _, version = _chosen(found, call.params)
        told = {"Name": version["Name"], "ResourceStatus": MADE, "Definition": version["Definition"]}
        return answer(DashboardId=found["DashboardId"], **told)

    @operation("ListDashboards")
    def list_dashboards(self, call: Call) -> Params:
        check(call, "NextToken", "MaxResults")
        rows = [
            _summary(one, _numbered(one, one["Published"])) | {"PublishedVersionNumber": one["Published"]}
            for one in self.store.documents(DASHBOARD, call.region)
        ]
        return answer(**listing.page(call, "DashboardSummaryList", rows, 100))

    @operation("ListDashboardVersions")
    def list_versions(self, call: Call) -> Params:
        check(call, "DashboardId", "NextToken", "MaxResults")
        found = self._find(call)
        rows = [
            {
                "Arn": f"{found['Arn']}/version/{number}",
                "VersionNumber": number,
                "Status": MADE,
                "CreatedTime": one["CreatedTime"],
                "Description": one["Description"],
            }
            for number, one in enumerate(found["Versions"], 1)
        ]
        return answer(**listing.page(call, "DashboardVersionSummaryList", rows, 100))

    @operation("DeleteDashboard")
    def delete(self, call: Call) -> Params:
        check(call, "DashboardId")
        found = self._find(call)
        self.store.remove(found["Arn"])
        return answer(Arn=found["Arn"], DashboardId=found["DashboardId"])

    @operation("GenerateEmbedUrlForRegisteredUser")
    def embed(self, call: Call) -> Params:
        """The console's page of a dashboard: who has not logged in to the console sees nothing there."""
        check(call, "UserArn", "ExperienceConfiguration", "SessionLifetimeInMinutes")
        experience = call.params["ExperienceConfiguration"]
        refuse(experience, ("Dashboard",), "ExperienceConfiguration.")
        wanted = experience.get("Dashboard") or {}
        refuse(wanted, ("InitialDashboardId",), "ExperienceConfiguration.Dashboard.")
        user = call.params["UserArn"]
        if not user.startswith(arn_of(call, USER, "")) or not self.store.has(user):
            raise Beside("QuickSightUserNotFoundException", f"User {user} is not found")
        if not wanted:
            raise bad("ExperienceConfiguration.Dashboard: a dashboard is what can be shown here.")
        self._named(call, wanted["InitialDashboardId"])
        return answer(EmbedUrl=self.cloud.console(f"dashboards/{wanted['InitialDashboardId']}"))

    def _version(self, call: Call, now: datetime) -> Document:
        """What a request has for one. InvalidParameterValueException: it has what is not drawn here."""
        if call.params.get("SourceEntity"):
            raise bad(NO_COPIES)
        definition = call.params.get("Definition")
        if not definition:
            raise bad(NO_DEFINITION)
        columns: dict[str, visuals.Columns] = {}
        for one in definition["DataSetIdentifierDeclarations"]:
            try:
                data = self.store.get(one["DataSetArn"])
                columns[one["Identifier"]] = {each["Name"]: each["Type"] for each in data["OutputColumns"]}
            except (Missing, KeyError):
                raise missing("DataSet", one["DataSetArn"]) from None
        try:
            visuals.check(definition, columns)
        except visuals.Refused as error:
            raise bad(str(error)) from None
        told: dict[str, Any] = {"Name": call.params["Name"], "Description": call.params.get("VersionDescription")}
        return told | {"CreatedTime": now, "Definition": definition}

    def _find(self, call: Call) -> Document:
        return self._named(call, call.params["DashboardId"])

    def _named(self, call: Call, name: str) -> Document:
        try:
            return self.store.get(arn_of(call, DASHBOARD, name))
        except Missing:
            raise missing("Dashboard", name) from None


def _numbered(found: Document, number: int) -> Document:
    versions: list[Document] = found["Versions"]
    if not 1 <= number <= len(versions):
        raise missing("Dashboard version", f"{found['DashboardId']}/version/{number}")
    return versions[number - 1]


def _chosen(found: Document, params: Params) -> tuple[int, Document]:
    """The version that a request is about: the published one, unless it says otherwise."""
    alias = params.get("AliasName", "$PUBLISHED")
    if alias not in ("$PUBLISHED", "$LATEST"):
        raise missing("Dashboard alias", alias)
    usual = found["Published"] if alias == "$PUBLISHED" else len(found["Versions"])
    number = int(params.get("VersionNumber") or usual)
    return number, _numbered(found, number)


def _summary(found: Document, version: Document) -> Document:
    return {
        "Arn": found["Arn"],
        "DashboardId": found["DashboardId"],
        "Name": version["Name"],
        "CreatedTime": found["CreatedTime"],
        "LastUpdatedTime": found["Versions"][-1]["CreatedTime"],
        "LastPublishedTime": found["LastPublishedTime"],
    }
