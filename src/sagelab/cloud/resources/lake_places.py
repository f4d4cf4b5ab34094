"""Places in S3 that Lake Formation reads for those to whom it grants what lies there; filters of tables' cells.

https://docs.aws.amazon.com/lake-formation/latest/dg/register-data-lake.html
https://docs.aws.amazon.com/lake-formation/latest/dg/data-filters-about.html
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud.context import LAKE, Cloud
from sagelab.cloud.grants import filters, things
from sagelab.cloud.grants.records import FILTER, PLACE, filter_key
from sagelab.cloud.grants.things import Thing
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.lake_permissions import (
    NOT_ALLOWED,
    LakePermissions,
    check_catalog,
    columns_of,
    invalid,
    missing_thing,
)
from sagelab.cloud.store import Document, Exists, Missing, Resource

LINKED = "AWSServiceRoleForLakeFormationDataAccess"
MOST = 1000  # filters of a table
_COMPARED = {"RESOURCE_ARN": "ResourceArn", "ROLE_ARN": "RoleArn"}
_OWN = ("SQL", "Used")


class LakePlaces(Family):
    """The registered places of one local cloud."""

    service = "lakeformation"
    needs = (LakePermissions,)

    def __init__(self, cloud: Cloud, permissions: LakePermissions) -> None:
        super().__init__(cloud)
        self._records = permissions.records

    @operation("RegisterResource")
    def register(self, call: Call) -> Params:
        params, arn = call.params, _place(call.params["ResourceArn"])
        for name in ("WithFederation", "HybridAccessEnabled", "WithPrivilegedAccess"):
            if params.get(name):
                raise invalid(f"{name} is not something the local cloud can do.")
        if bool(params.get("UseServiceLinkedRole")) == bool(params.get("RoleArn")):
            raise invalid("Either RoleArn or UseServiceLinkedRole must be provided.")
        role = params.get("RoleArn") or self._linked(call, arn)
        found = {"ResourceArn": arn, "RoleArn": role, "LastModified": datetime.now(UTC)}
        try:
            self.store.add(Resource(self._arn(call, arn), PLACE, call.region, arn, "", found))
        except Exists:
            raise Beside("AlreadyExistsException", f"Resource is already registered: {arn}") from None
        return {}

    @operation("UpdateResource")
    def update(self, call: Call) -> Params:
        arn, role = _place(call.params["ResourceArn"]), call.params["RoleArn"]
        self._find(call, arn)
        change = {"RoleArn": role, "LastModified": datetime.now(UTC)}
        self.store.change(self._arn(call, arn), lambda document: document.update(change))
        return {}

    @operation("DeregisterResource")
    def deregister(self, call: Call) -> Params:
        arn = _place(call.params["ResourceArn"])
        self._find(call, arn)
        self.store.remove(self._arn(call, arn))
        return {}

    @operation("DescribeResource")
    def describe(self, call: Call) -> Params:
        return {"ResourceInfo": self._find(call, _place(call.params["ResourceArn"]))}

    @operation("ListResources")
    def list_resources(self, call: Call) -> Params:
        rows = list(self._records.places(call.region))
        for condition in call.params.get("FilterConditionList") or ():
            member, how = _COMPARED.get(condition.get("Field", "")), condition.get("ComparisonOperator")
            if member is None or how not in ("EQ", "NE", "BEGINS_WITH", "CONTAINS"):
                raise invalid("Of the conditions the local cloud has EQ, NE, BEGINS_WITH and CONTAINS of ARNs.")
            value = str((condition.get("StringValueList") or [""])[0])
            rows = [one for one in rows if _fits(str(one[member]), how, value)]
        return listing.page(call, "ResourceInfoList", rows, 100)

    def _arn(self, call: Call, arn: str) -> str:
        return self._records.place_arn(call.region, arn)

    def _find(self, call: Call, arn: str) -> Document:
        try:
            return self.store.get(self._arn(call, arn))
        except Missing:
            raise missing_thing("Entity not found") from None

    def _linked(self, call: Call, arn: str) -> str:
        """The service-linked role, made where it is not there, which may read and write the place from now on."""
        iam = self.cloud.client("iam", call.region, LAKE)
        try:
            made = iam.create_service_linked_role(AWSServiceName=LAKE)["Role"]
        except ClientError:
            made = iam.get_role(RoleName=LINKED)["Role"]
        bucket = arn.removeprefix("arn:aws:s3:::").partition("/")[0]
        statements = [
            {"Effect": "Allow", "Action": "s3:*Object", "Resource": f"{arn}/*"},
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        name = f"LakeFormationDataAccess-{things.Thing(things.LOCATION, name=arn).key[:16]}"
        iam.put_role_policy(RoleName=made["RoleName"], PolicyName=name, PolicyDocument=policy)
        return str(made["Arn"])


class CellsFilters(Family):
    """The data cells filters of one local cloud."""

    service = "lakeformation"
    needs = (LakePermissions,)

    def __init__(self, cloud: Cloud, permissions: LakePermissions) -> None:
        super().__init__(cloud)
        self._records, self._access = permissions.records, permissions.access

    @operation("CreateDataCellsFilter")
    def create(self, call: Call) -> Params:
        given = self._checked(call)
        arn = self._arn(call, given)
        if len(list(self._records.filters(call.region))) >= MOST:
            raise Beside("ResourceNumberLimitExceededException", f"There are {MOST} filters at most.")
        try:
            self.store.add(Resource(arn, FILTER, call.region, arn.rpartition("/")[2], "", given))
        except Exists:
            raise Beside("AlreadyExistsException", f"Data cells filter {given['Name']} already exists.") from None
        return {}

    @operation("UpdateDataCellsFilter")
    def update(self, call: Call) -> Params:
        given = self._checked(call)
        version = call.params["TableData"].get("VersionId")

        def edit(before: Document) -> None:
            if version and version != before["VersionId"]:
                raise Beside("ConcurrentModificationException", "The filter has been changed since.")
            before.clear()
            before.update(given)

        try:
            self.store.change(self._arn(call, given), edit)
        except Missing:
            raise missing_thing(f"Data cells filter {given['Name']} not found.") from None
        return {}

    @operation("GetDataCellsFilter")
    def get(self, call: Call) -> Params:
        return {"DataCellsFilter": _told(self._find(call))}

    @operation("DeleteDataCellsFilter")
    def delete(self, call: Call) -> Params:
        found = self._find(call)
        database, table, name = found["DatabaseName"], found["TableName"], found["Name"]
        thing = Thing(things.CELLS, database, table, filter=name)
        for one, grant in list(self._records.grants(call.region)):
            if one == thing:
                taken = grant["Permissions"]
                self._records.revoke(call.region, grant["Principal"], thing, taken, taken)
        self.store.remove(self._arn(call, found))
        return {}

    @operation("ListDataCellsFilter")
    def list_filters(self, call: Call) -> Params:
        table = call.params.get("Table") or {}
        check_catalog(call, table)
        database, name = str(table.get("DatabaseName") or "").lower(), str(table.get("Name") or "").lower()
        rows = [
            _told(one)
            for one in self._records.filters(call.region)
            if (not database or one["DatabaseName"] == database) and (not name or one["TableName"] == name)
        ]
        return listing.page(call, "DataCellsFilters", rows, 1000)

    def _arn(self, call: Call, given: Document) -> str:
        key = filter_key(given["DatabaseName"], given["TableName"], given["Name"])
        return self._records.arn(call.region, FILTER, key)

    def _find(self, call: Call) -> Document:
        params = call.params
        check_catalog(call, params, "TableCatalogId")
        named = [str(params.get(one) or "") for one in ("DatabaseName", "TableName", "Name")]
        self._check_may(call, named[0].lower(), named[1].lower())
        try:
            return self._records.filter(call.region, named[0].lower(), named[1].lower(), named[2])
        except Missing:
            raise missing_thing(f"Data cells filter {named[2]} not found.") from None

    def _check_may(self, call: Call, database: str, table: str) -> None:
        """Beside: who asks may not grant SELECT on the table on."""
        if not self._access.may_grant(call.region, call.caller, Thing(things.TABLE, database, table), ["SELECT"]):
            raise Beside("AccessDeniedException", NOT_ALLOWED)

    def _checked(self, call: Call) -> Document:
        """A filter as it is kept. Beside: it is none, its table is not there, or who asks may not make it."""
        given = call.params["TableData"]
        check_catalog(call, given, "TableCatalogId")
        database, table = given["DatabaseName"].lower(), given["TableName"].lower()
        self._check_may(call, database, table)
        glue = self.cloud.client("glue", call.region, LAKE)
        try:
            found = glue.get_table(DatabaseName=database, Name=table)["Table"]
        except ClientError as error:
            raise missing_thing(str(error.response["Error"]["Message"])) from None
        there = columns_of(found)
        columns, rows = _columns(given, there), given.get("RowFilter") or {}
        sql, used, row_filter = _rows(rows, there)
        return {
            "TableCatalogId": call.account,
            "DatabaseName": database,
            "TableName": table,
            "Name": given["Name"],
            "RowFilter": row_filter,
            **columns,
            "VersionId": uuid.uuid4().hex,
            "SQL": sql,
            "Used": sorted(used),
        }


def _columns(given: Params, there: list[str]) -> Params:
    """Beside: they are none of the table's."""
    names, wildcard = given.get("ColumnNames"), given.get("ColumnWildcard")
    if bool(names) == (wildcard is not None):
        raise invalid("Either ColumnNames or ColumnWildcard must be provided.")
    listed = [one.lower() for one in names or (wildcard or {}).get("ExcludedColumnNames") or ()]
    if missing := [one for one in listed if one not in there]:
        raise missing_thing(f"Column(s) not found in table: {missing}")
    return {"ColumnNames": listed} if names else {"ColumnWildcard": {"ExcludedColumnNames": listed}}


def _rows(given: Params, there: list[str]) -> tuple[str | None, frozenset[str], Params]:
    """(SQL, the columns in it, as it is told). Beside: it is no expression."""
    expression = given.get("FilterExpression")
    if (expression is None) == (given.get("AllRowsWildcard") is None):
        raise invalid("Either FilterExpression or AllRowsWildcard must be provided.")
    if expression is None or expression.strip().lower() == "true":
        return None, frozenset(), {"AllRowsWildcard": {}} if expression is None else dict(given)
    try:
        sql, used = filters.sql(expression, frozenset(there))
    except ValueError as error:
        raise invalid(f"Invalid filter expression: {error}") from None
    return sql, used, {"FilterExpression": expression}


def _told(found: Document) -> Params:
    return {name: value for name, value in found.items() if name not in _OWN}


def _place(arn: str) -> str:
    try:
        return things.place(arn)
    except ValueError as error:
        raise invalid(str(error)) from None


def _fits(value: str, how: str, wanted: str) -> bool:
    fits: dict[str, Any] = {
        "EQ": value == wanted,
        "NE": value != wanted,
        "BEGINS_WITH": value.startswith(wanted),
        "CONTAINS": wanted in value,
    }
    return bool(fits[how])
