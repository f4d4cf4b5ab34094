"""Lake Formation: who administers the lake, and what is granted to whom on the catalogue.

https://docs.aws.amazon.com/lake-formation/latest/APIReference/Welcome.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sagelab.cloud.context import LAKE, Cloud
from sagelab.cloud.grants import things
from sagelab.cloud.grants.access import Access
from sagelab.cloud.grants.records import EVERYBODY, USUAL, Records
from sagelab.cloud.grants.things import ALL, Thing
from sagelab.cloud.holders import holder
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.store import Document, Missing

NOT_ALLOWED = "Resource does not exist or requester is not authorized to access requested permissions."
INVALID = "Permissions modification is invalid."
_ENTRIES = 20  # of a batch
_ADMINS = 30


class LakePermissions(Family):
    """The grants and settings of one local cloud."""

    service = "lakeformation"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.records = Records(cloud.store, cloud.account)
        self.access = Access(self.records)

    @operation("GetDataLakeSettings")
    def get_settings(self, call: Call) -> Params:
        check_catalog(call, call.params)
        return {"DataLakeSettings": self.records.settings(call.region)}

    @operation("PutDataLakeSettings")
    def put_settings(self, call: Call) -> Params:
        check_catalog(call, call.params)
        given = {name: value for name, value in call.params["DataLakeSettings"].items() if value is not None}
        for name in ("DataLakeAdmins", "ReadOnlyAdmins"):
            for one in given.get(name) or ():
                _check_principal(str(one.get("DataLakePrincipalIdentifier")), call.account)
        for name in ("CreateDatabaseDefaultPermissions", "CreateTableDefaultPermissions"):
            _check_defaults(given.get(name) or [])
        if given.get("TrustedResourceOwners") or given.get("AllowExternalDataFiltering"):
            raise invalid("Other accounts and other engines are not here: nothing is shared with them.")
        lists: Params = {name: [] for name, value in USUAL.items() if isinstance(value, list)}
        self.records.put_settings(call.region, {**USUAL, **lists, **given})
        return {}

    @operation("GrantPermissions")
    def grant(self, call: Call) -> Params:
        check_catalog(call, call.params)
        self._change(call, call.params, self._grant)
        return {}

    @operation("RevokePermissions")
    def revoke(self, call: Call) -> Params:
        check_catalog(call, call.params)
        self._change(call, call.params, self._revoke)
        return {}

    @operation("BatchGrantPermissions")
    def grant_many(self, call: Call) -> Params:
        return self._batch(call, self._grant)

    @operation("BatchRevokePermissions")
    def revoke_many(self, call: Call) -> Params:
        return self._batch(call, self._revoke)

    def _batch(self, call: Call, act: Any) -> Params:
        """Each entry for itself: what fails is told, and keeps no other from being done."""
        check_catalog(call, call.params)
        entries, failures = call.params["Entries"], []
        if len(entries) > _ENTRIES:
            raise invalid(f"A batch has {_ENTRIES} entries at most.")
        for entry in entries:
            try:
                self._change(call, entry, act)
            except Beside as error:
                fault = {"ErrorCode": error.code, "ErrorMessage": error.message}
                failures.append({"RequestEntry": entry, "Error": fault})
        return {"Failures": failures}

    def _change(self, call: Call, asked: Params, act: Any) -> None:
        """Beside: it cannot be granted or taken, or not by who asks."""
        who = str((asked.get("Principal") or {}).get("DataLakePrincipalIdentifier") or "")
        permissions, more = asked.get("Permissions") or [], asked.get("PermissionsWithGrantOption") or []
        _check_principal(who, call.account)
        if asked.get("Condition"):
            raise invalid("Condition is not something the local cloud can do.")
        for thing in read(asked.get("Resource") or {}):
            known = set(things.PERMISSIONS[thing.kind])
            if not permissions or not set(permissions) <= known or not set(more) <= known:
                raise invalid(INVALID)
            if not self.access.may_grant(call.region, call.caller, thing, permissions):
                raise Beside("AccessDeniedException", NOT_ALLOWED)
            self._check_there(call, thing)
            act(call, who, thing, permissions, more)

    def _grant(self, call: Call, who: str, thing: Thing, permissions: list[str], more: list[str]) -> None:
        if not set(more) <= set(permissions):
            raise invalid(INVALID)
        if who == EVERYBODY:
            self._leave(call, thing, permissions)
            return
        self.records.grant(call.region, who, thing, permissions, more)

    def _revoke(self, call: Call, who: str, thing: Thing, permissions: list[str], more: list[str]) -> None:
        if who == EVERYBODY:
            _check_open(thing, permissions)
            if self.records.governed(call.region, thing):
                raise invalid("No permissions revoked. Grantee does not have: [ALL]")
            self.records.govern(call.region, thing)
            return
        try:
            self.records.revoke(call.region, who, thing, permissions, more)
        except Missing:
            raise invalid(f"No permissions revoked. Grantee does not have: {sorted(permissions)}") from None

    def _leave(self, call: Call, thing: Thing, permissions: list[str]) -> None:
        """To IAM alone, from now on."""
        _check_open(thing, permissions)
        self.records.release(call.region, thing)

    def _check_there(self, call: Call, thing: Thing) -> None:
        """Beside: the catalogue has no such database, table or column."""
        glue = self.cloud.client("glue", call.region, LAKE)
        try:
            if thing.name and thing.kind != things.LOCATION:
                table = glue.get_table(DatabaseName=thing.database, Name=thing.name)["Table"]
                named = {thing.column, *(thing.excluded or ())} - {""}
                if missing := named - set(columns_of(table)):
                    raise invalid(f"Column(s) not found in table: {sorted(missing)}")
            elif thing.database:
                glue.get_database(Name=thing.database)
            if thing.filter:
                self.records.filter(call.region, thing.database, thing.name, thing.filter)
        except glue.exceptions.EntityNotFoundException as error:
            raise missing_thing(str(error.response["Error"]["Message"])) from None
        except Missing:
            raise missing_thing(f"Data cells filter {thing.filter} not found.") from None

    @operation("ListPermissions")
    def list_permissions(self, call: Call) -> Params:
        check_catalog(call, call.params)
        params = call.params
        wanted = read(params["Resource"]) if params.get("Resource") else []
        who = str((params.get("Principal") or {}).get("DataLakePrincipalIdentifier") or "")
        rows = [
            row
            for thing, row in self._rows(call, wanted)
            if (not wanted or thing in wanted or _columns_in(thing, wanted))
            and (not who or holder(row["Principal"]["DataLakePrincipalIdentifier"]) == holder(who))
            and _of_type(thing, params.get("ResourceType"))
        ]
        return listing.page(call, "PrincipalResourcePermissions", rows, 1000)

    @operation("GetEffectivePermissionsForPath")
    def for_path(self, call: Call) -> Params:
        check_catalog(call, call.params)
        try:
            place = things.place(call.params["ResourceArn"])
        except ValueError as error:
            raise invalid(str(error)) from None
        tables = set(self._at(call, place))
        rows = [
            row
            for thing, row in self._rows(call, [])
            if (thing.kind == things.LOCATION and things.within(place, thing.name))
            or (thing.database, thing.name) in tables
        ]
        return listing.page(call, "Permissions", rows, 1000)

    def _at(self, call: Call, place: str) -> Iterator[tuple[str, str]]:
        """The tables whose data lie at or below a place."""
        for database, table in self._catalogue(call):
            location = str((table.get("StorageDescriptor") or {}).get("Location") or "")
            if table and things.within(things.place_of(location), place):
                yield database, str(table["Name"])

    def _rows(self, call: Call, wanted: list[Thing]) -> Iterator[tuple[Thing, Params]]:
        """What is granted, and what is left to IAM: of what is named, else of the whole catalogue."""
        named: dict[tuple[object, ...], tuple[list[str], Thing, Document]] = {}
        for thing, grant in self.records.grants(call.region):
            if not thing.column:
                yield thing, _row(call, thing, grant)
                continue
            alike = (thing.database, thing.name, grant["Principal"], tuple(grant["Grantable"]))
            named.setdefault(alike, ([], thing, grant))[0].append(thing.column)
        for columns, thing, grant in named.values():
            yield thing, _row(call, thing, grant, tuple(sorted(columns)))
        for thing in wanted or self._things(call):
            of_iam = thing.kind in (things.CATALOG, things.DATABASE, things.TABLE)
            if of_iam and not self.records.governed(call.region, thing):
                permission = "CREATE_DATABASE" if thing.kind == things.CATALOG else ALL
                yield thing, _row(call, thing, _left([permission]))

    def _things(self, call: Call) -> Iterator[Thing]:
        yield Thing(things.CATALOG)
        for database, table in self._catalogue(call):
            kind = things.TABLE if table else things.DATABASE
            yield Thing(kind, database, str(table.get("Name") or ""))

    def _catalogue(self, call: Call) -> Iterator[tuple[str, Params]]:
        """(database, {}) of each, and (database, table) of each of its tables."""
        glue = self.cloud.client("glue", call.region, LAKE)
        for page in glue.get_paginator("get_databases").paginate():
            for database in page["DatabaseList"]:
                yield database["Name"], {}
                for tables in glue.get_paginator("get_tables").paginate(DatabaseName=database["Name"]):
                    yield from ((database["Name"], table) for table in tables["TableList"])


def read(resource: Params) -> list[Thing]:
    """Beside: it is not one thing that something is granted on."""
    try:
        return things.read(resource)
    except ValueError as error:
        raise invalid(str(error)) from None


def invalid(words: str) -> Beside:
    return Beside("InvalidInputException", words)


def missing_thing(words: str) -> Beside:
    return Beside("EntityNotFoundException", words)


def check_catalog(call: Call, asked: Params, member: str = "CatalogId") -> None:
    """Beside: another account's catalogue is meant."""
    if asked.get(member) not in (None, "", call.account):
        raise Beside("AccessDeniedException", NOT_ALLOWED)


def columns_of(table: Params) -> list[str]:
    """The names of the columns of a table of Glue's, and of its partitions' keys."""
    columns = (table.get("StorageDescriptor") or {}).get("Columns") or ()
    return [str(one["Name"]).lower() for one in (*columns, *(table.get("PartitionKeys") or ()))]


def _check_principal(who: str, account: str) -> None:
    """Beside: it is nobody that something can be granted to here."""
    known = (f"arn:aws:iam::{account}:user/", f"arn:aws:iam::{account}:role/")
    if who in (EVERYBODY, f"{account}:IAMPrincipals") or who.startswith(known):
        return
    raise invalid("Invalid principal. A user or role of this account is one, or IAM_ALLOWED_PRINCIPALS.")


def _check_defaults(given: list[Params]) -> None:
    for one in given:
        who = (one.get("Principal") or {}).get("DataLakePrincipalIdentifier")
        if who != EVERYBODY or one.get("Permissions") != [ALL]:
            raise invalid("By default nothing is granted, or ALL to IAM_ALLOWED_PRINCIPALS.")


def _check_open(thing: Thing, permissions: Iterable[str]) -> None:
    """Beside: it is not what IAM_ALLOWED_PRINCIPALS has."""
    whole = [ALL] if thing.kind != things.CATALOG else ["CREATE_DATABASE"]
    if list(permissions) != whole or thing.kind not in (things.CATALOG, things.DATABASE, things.TABLE):
        raise invalid(INVALID)


def _left(permissions: list[str]) -> Document:
    return {"Principal": EVERYBODY, "Permissions": permissions, "Grantable": []}


def _row(call: Call, thing: Thing, grant: Document, columns: tuple[str, ...] = ()) -> Params:
    return {
        "Principal": {"DataLakePrincipalIdentifier": grant["Principal"]},
        "Resource": things.told(thing, call.account, columns),
        "Permissions": grant["Permissions"],
        "PermissionsWithGrantOption": grant["Grantable"],
        "LastUpdated": grant.get("LastUpdated"),
    }


def _columns_in(thing: Thing, wanted: list[Thing]) -> bool:
    """Whether it is of columns of a table that is asked for."""
    of = [(one.database, one.name) for one in wanted if one.kind in (things.TABLE, things.COLUMNS)]
    return thing.kind in (things.COLUMNS, things.CELLS) and (thing.database, thing.name) in of


def _of_type(thing: Thing, kind: str | None) -> bool:
    types = {
        "CATALOG": (things.CATALOG,),
        "DATABASE": (things.DATABASE,),
        "TABLE": (things.TABLE, things.EVERY, things.COLUMNS, things.CELLS),
        "DATA_LOCATION": (things.LOCATION,),
    }
    return kind is None or thing.kind in types.get(kind, ())
