"""What is kept of Lake Formation: settings, grants, registered places, data cells filters, and what is governed.

What is governed is so since IAM_ALLOWED_PRINCIPALS has lost it, or never had it: for everything else IAM alone
decides, as for what was there before.
https://docs.aws.amazon.com/lake-formation/latest/dg/change-settings.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sagelab.cloud.grants.things import ALL, CATALOG, CELLS, DATABASE, LOCATION, Thing
from sagelab.cloud.store import Document, Exists, Missing, Resource, Store

SETTINGS, GRANT, PLACE, FILTER = "lake-settings", "lake-grant", "lake-location", "lake-cells-filter"
GOVERNED = "lake-governed"
EVERYBODY = "IAM_ALLOWED_PRINCIPALS"
_OPEN = [{"Principal": {"DataLakePrincipalIdentifier": EVERYBODY}, "Permissions": [ALL]}]
USUAL: dict[str, Any] = {
    "DataLakeAdmins": [],
    "ReadOnlyAdmins": [],
    "CreateDatabaseDefaultPermissions": _OPEN,
    "CreateTableDefaultPermissions": _OPEN,
    "Parameters": {"CROSS_ACCOUNT_VERSION": "4", "SET_CONTEXT": "TRUE"},
    "TrustedResourceOwners": [],
    "AllowExternalDataFiltering": False,
    "ExternalDataFilteringAllowList": [],
}


class Records:
    """Of one local cloud; each of its regions has its own."""

    def __init__(self, store: Store, account: str) -> None:
        self.store, self.account = store, account

    def arn(self, region: str, kind: str, key: str) -> str:
        return f"arn:aws:lakeformation:{region}:{self.account}:{kind.removeprefix('lake-')}/{key}"

    # Settings

    def settings(self, region: str) -> Document:
        try:
            return self.store.get(self.arn(region, SETTINGS, "all"))
        except Missing:
            return dict(USUAL)

    def put_settings(self, region: str, settings: Document) -> None:
        self._put(region, SETTINGS, "all", settings)

    # What IAM alone does not decide

    def governed(self, region: str, thing: Thing) -> bool:
        """Of the catalogue, a database or a table: whether grants decide."""
        return self.store.has(self.arn(region, GOVERNED, thing.key))

    def govern(self, region: str, thing: Thing) -> None:
        document = {"Kind": thing.kind, "Database": thing.database, "Name": thing.name}
        self._put(region, GOVERNED, thing.key, document)

    def release(self, region: str, thing: Thing) -> None:
        self._drop(region, GOVERNED, thing.key)

    # Grants

    def grants(self, region: str) -> Iterator[tuple[Thing, Document]]:
        for one in self.store.documents(GRANT, region):
            excluded = one["Thing"]["excluded"]
            yield Thing(**one["Thing"] | {"excluded": None if excluded is None else tuple(excluded)}), one

    def grant(self, region: str, who: str, thing: Thing, permissions: Iterable[str], more: Iterable[str]) -> None:
        """more: those that may be granted on."""
        key = f"{thing.key}/{who}"

        def edit(document: Document) -> None:
            document["Permissions"] = sorted({*document["Permissions"], *permissions})
            document["Grantable"] = sorted({*document["Grantable"], *more})
            document["LastUpdated"] = datetime.now(UTC)

        fresh: Document = {"Principal": who, "Thing": vars(thing), "Permissions": [], "Grantable": []}
        edit(fresh)
        try:
            self.store.add(Resource(self.arn(region, GRANT, key), GRANT, region, key, "", fresh))
        except Exists:
            self.store.change(self.arn(region, GRANT, key), edit)

    def revoke(self, region: str, who: str, thing: Thing, permissions: Iterable[str], more: Iterable[str]) -> None:
        """Missing: nothing of that is granted. A permission that is taken cannot be granted on either."""
        key, taken, bare = f"{thing.key}/{who}", set(permissions), set(more)
        found = self.store.get(self.arn(region, GRANT, key))
        if not (taken | bare) & set(found["Permissions"]) or taken - set(found["Permissions"]):
            raise Missing(key)

        def edit(document: Document) -> None:
            document["Permissions"] = sorted({*document["Permissions"]} - taken)
            document["Grantable"] = sorted({*document["Grantable"]} - taken - bare)
            document["LastUpdated"] = datetime.now(UTC)

        if not self.store.change(self.arn(region, GRANT, key), edit)["Permissions"]:
            self.store.remove(self.arn(region, GRANT, key))

    def forget(self, region: str, thing: Thing) -> None:
        """A database, with its tables, or a table is gone: nothing is granted on it, and nothing filters it."""
        for one, document in list(self.grants(region)):
            if one.kind not in (CATALOG, LOCATION) and _belongs(one.database, one.name, thing):
                self._drop(region, GRANT, f"{one.key}/{document['Principal']}")
        for each in list(self.filters(region)):
            if _belongs(each["DatabaseName"], each["TableName"], thing):
                self._drop(region, FILTER, filter_key(each["DatabaseName"], each["TableName"], each["Name"]))
        for each in list(self.store.documents(GOVERNED, region)):
            if _belongs(each["Database"], each["Name"], thing) and each["Kind"] != CATALOG:
                self.release(region, Thing(each["Kind"], each["Database"], each["Name"]))

    # Places in S3

    def places(self, region: str) -> Iterator[Document]:
        return self.store.documents(PLACE, region)

    def place_arn(self, region: str, arn: str) -> str:
        return self.arn(region, PLACE, arn)

    # Data cells filters

    def filters(self, region: str) -> Iterator[Document]:
        return self.store.documents(FILTER, region)

    def filter(self, region: str, database: str, table: str, name: str) -> Document:
        """Missing: there is none."""
        return self.store.get(self.arn(region, FILTER, filter_key(database, table, name)))

    def _put(self, region: str, kind: str, key: str, document: Document) -> None:
        arn = self.arn(region, kind, key)

        def edit(before: Document) -> None:
            before.clear()
            before.update(document)

        try:
            self.store.add(Resource(arn, kind, region, key, "", document))
        except Exists:
            self.store.change(arn, edit)

    def _drop(self, region: str, kind: str, key: str) -> None:
        with suppress(Missing):
            self.store.remove(self.arn(region, kind, key))


def filter_key(database: str, table: str, name: str) -> str:
    return Thing(CELLS, database, table, filter=name).key


def opens(permissions: Any) -> bool:
    """Whether default permissions leave to IAM what is made."""
    return any(
        (one.get("Principal") or {}).get("DataLakePrincipalIdentifier") == EVERYBODY
        and ALL in (one.get("Permissions") or ())
        for one in permissions or ()
    )


def _belongs(database: str, name: str, thing: Thing) -> bool:
    return database == thing.database and (thing.kind == DATABASE or name == thing.name)
