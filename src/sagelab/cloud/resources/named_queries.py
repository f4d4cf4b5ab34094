"""Athena's named queries and prepared statements: queries that are kept under a name in a workgroup.

https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from sagelab.cloud.context import Cloud
from sagelab.cloud.resources import listing, workgroups
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.workgroups import WorkGroups, refused
from sagelab.cloud.store import Document, Exists, Missing, Resource

NAMED, PREPARED = "athena-named-query", "athena-prepared-statement"
MOST = 1000  # prepared statements of a workgroup


class NamedQueries(Family):
    """Both kinds of one local cloud."""

    service = "athena"
    needs = (WorkGroups,)

    def __init__(self, cloud: Cloud, groups: WorkGroups) -> None:
        super().__init__(cloud)
        self._groups = groups

    def _group(self, call: Call) -> str:
        name = str(call.params.get("WorkGroup", workgroups.PRIMARY))
        self._groups.find(call, name)
        return name

    # Named queries

    @operation("CreateNamedQuery")
    def create(self, call: Call) -> Params:
        params, group = call.params, self._group(call)
        token = params.get("ClientRequestToken")
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{call.caller} {token}")) if token else str(uuid.uuid4())
        arn, own = _named(call, key), ("Name", "Description", "Database", "QueryString")
        document = {name: params[name] for name in own if name in params}
        document |= {"NamedQueryId": key, "WorkGroup": group, "Arn": arn}
        try:
            self.store.add(Resource(arn, NAMED, call.region, key, "", document))
        except Exists:
            if {name: self.store.get(arn).get(name) for name in own} != {name: params.get(name) for name in own}:
                raise refused("Idempotent parameters do not match") from None
        return {"NamedQueryId": key}

    @operation("GetNamedQuery")
    def get(self, call: Call) -> Params:
        return {"NamedQuery": _told(self._find(call))}

    @operation("BatchGetNamedQuery")
    def get_many(self, call: Call) -> Params:
        found, missing = [], []
        for key in call.params["NamedQueryIds"]:
            try:
                found.append(_told(self.store.get(_named(call, key))))
            except Missing:
                words = {"ErrorCode": "INVALID_INPUT", "ErrorMessage": f"NamedQuery {key} was not found"}
                missing.append({"NamedQueryId": key} | words)
        return {"NamedQueries": found, "UnprocessedNamedQueryIds": missing}

    @operation("ListNamedQueries")
    def list_named(self, call: Call) -> Params:
        group = self._group(call)
        found = [
            one["NamedQueryId"] for one in self.store.documents(NAMED, call.region) if one["WorkGroup"] == group
        ]
        return listing.page(call, "NamedQueryIds", found, 50)

    @operation("UpdateNamedQuery")
    def update(self, call: Call) -> Params:
        self._find(call)
        changed: Document = {
            name: call.params[name] for name in ("Name", "Description", "QueryString") if name in call.params
        }

        def edit(document: Document) -> None:
            document.update(changed)

        self.store.change(_named(call, call.params["NamedQueryId"]), edit)
        return {}

    @operation("DeleteNamedQuery")
    def delete(self, call: Call) -> Params:
        self._find(call)
        self.store.remove(_named(call, call.params["NamedQueryId"]))
        return {}

    def _find(self, call: Call) -> Document:
        key = call.params["NamedQueryId"]
        try:
            return self.store.get(_named(call, key))
        except Missing:
            raise refused(f"NamedQuery {key} was not found") from None

    # Prepared statements

    @operation("CreatePreparedStatement")
    def prepare(self, call: Call) -> Params:
        params, group = call.params, self._group(call)
        arn = _prepared(call, group, params["StatementName"])
        there = [one for one in self.store.documents(PREPARED, call.region) if one["WorkGroup"] == group]
        if len(there) >= MOST:
            raise refused(f"A workgroup has {MOST} prepared statements at most.")
        document = {
            "StatementName": params["StatementName"],
            "QueryStatement": params["QueryStatement"],
            "WorkGroupName": group,
            "WorkGroup": group,
            "Description": params.get("Description"),
            "LastModifiedTime": datetime.now(UTC),
            "Arn": arn,
        }
        try:
            self.store.add(Resource(arn, PREPARED, call.region, params["StatementName"], "", document))
        except Exists:
            raise refused(
                f"PreparedStatement {params['StatementName']} already exists in WorkGroup {group}"
            ) from None
        return {}

    @operation("GetPreparedStatement")
    def get_prepared(self, call: Call) -> Params:
        return {"PreparedStatement": _told_prepared(self._statement(call))}

    @operation("BatchGetPreparedStatement")
    def get_many_prepared(self, call: Call) -> Params:
        found, missing = [], []
        for name in call.params["PreparedStatementNames"]:
            try:
                found.append(_told_prepared(self.store.get(_prepared(call, self._group(call), name))))
            except Missing:
                words = {
                    "ErrorCode": "STATEMENT_NOT_FOUND",
                    "ErrorMessage": f"PreparedStatement {name} was not found",
                }
                missing.append({"StatementName": name} | words)
        return {"PreparedStatements": found, "UnprocessedPreparedStatementNames": missing}

    @operation("ListPreparedStatements")
    def list_prepared(self, call: Call) -> Params:
        group = self._group(call)
        rows = [
            {"StatementName": one["StatementName"], "LastModifiedTime": one["LastModifiedTime"]}
            for one in self.store.documents(PREPARED, call.region)
            if one["WorkGroup"] == group
        ]
        return listing.page(call, "PreparedStatements", sorted(rows, key=lambda one: one["StatementName"]), 50)

    @operation("UpdatePreparedStatement")
    def update_prepared(self, call: Call) -> Params:
        found = self._statement(call)
        changed: Params = {
            name: call.params[name] for name in ("QueryStatement", "Description") if name in call.params
        }

        def edit(document: Document) -> None:
            document |= changed | {"LastModifiedTime": datetime.now(UTC)}

        self.store.change(found["Arn"], edit)
        return {}

    @operation("DeletePreparedStatement")
    def delete_prepared(self, call: Call) -> Params:
        self.store.remove(self._statement(call)["Arn"])
        return {}

    def _statement(self, call: Call) -> Document:
        name, group = call.params["StatementName"], self._group(call)
        try:
            return self.store.get(_prepared(call, group, name))
        except Missing:
            words = f"PreparedStatement {name} was not found in workGroup {group}"
            raise Beside("ResourceNotFoundException", words) from None


def _told(document: Document) -> Params:
    return {name: value for name, value in document.items() if name != "Arn"}


def _told_prepared(document: Document) -> Params:
    return {
        name: value for name, value in document.items() if name not in ("Arn", "WorkGroup") and value is not None
    }


def _named(call: Call, key: str) -> str:
    return f"arn:aws:athena:{call.region}:{call.account}:named-query/{key}"


def _prepared(call: Call, group: str, name: str) -> str:
    return f"arn:aws:athena:{call.region}:{call.account}:prepared-statement/{group}/{name}"
