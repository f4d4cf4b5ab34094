"""What somebody may do with the catalogue, and see of a table, by what is granted.

https://docs.aws.amazon.com/lake-formation/latest/dg/lake-formation-permissions.html
https://docs.aws.amazon.com/lake-formation/latest/dg/data-filtering.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sagelab.cloud.grants import things
from sagelab.cloud.grants.records import Records
from sagelab.cloud.grants.things import ALL, DESCRIBE, SELECT, Thing
from sagelab.cloud.holders import holder
from sagelab.cloud.store import Document, Missing

IMPLICIT = frozenset({DESCRIBE, "CREATE_DATABASE", "DATA_LOCATION_ACCESS"})  # what an administrator may anyway
_WORDS = {"CREATE_TABLE": "Create Table", "CREATE_DATABASE": "Create Database"}
_WRITES = frozenset({"INSERT", "DELETE", "ALTER", ALL})


@dataclass(frozen=True)
class Cells:
    """columns: that are seen; None: all but `excluded`. rows: SQL that holds for those that are; None: all are."""

    columns: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()
    rows: str | None = None
    used: frozenset[str] = frozenset()  # columns in `rows`

    def shows(self, column: str) -> bool:
        return column not in self.excluded if self.columns is None else column in self.columns


@dataclass(frozen=True)
class Sight:
    """permissions: on a table. cells: what SELECT shows of it, by each of the grants."""

    permissions: frozenset[str]
    cells: tuple[Cells, ...] = ()

    def may(self, *wanted: str) -> bool:
        """One of these is enough."""
        return ALL in self.permissions or bool(self.permissions & set(wanted))

    @property
    def whole(self) -> bool:
        """Whether every cell is seen."""
        return ALL in self.permissions or any(
            one.columns is None and not one.excluded and one.rows is None for one in self.cells
        )

    @property
    def all_rows(self) -> bool:
        """Whether something of every row is seen, or may be written."""
        return bool(self.permissions & _WRITES) or any(one.rows is None for one in self.cells)

    def columns(self, names: Iterable[str]) -> list[str]:
        """Of the names of columns those with cells that are seen."""
        if self.whole:
            return list(names)
        return [name for name in names if any(one.shows(name) for one in self.cells)]

    def known(self, names: Iterable[str]) -> list[str]:
        """Of the names of columns those that may be described."""
        return list(names) if self.permissions - {SELECT} else self.columns(names)


class Access:
    """Judges by the records. who: the ARN of a caller, or of the role that it has a session of."""

    def __init__(self, records: Records) -> None:
        self.records = records

    def is_admin(self, region: str, who: str, reads: bool = False) -> bool:
        settings = self.records.settings(region)
        named = [*settings.get("DataLakeAdmins", ()), *(settings.get("ReadOnlyAdmins", ()) if reads else ())]
        return holder(who) in {holder(str(one.get("DataLakePrincipalIdentifier"))) for one in named}

    def on_catalog(self, region: str, who: str) -> frozenset[str]:
        return self._granted(region, who, (Thing(things.CATALOG),)) | self._implicit(region, who)

    def on_database(self, region: str, who: str, database: str) -> frozenset[str]:
        """With DESCRIBE, where anything in it is granted."""
        found = self._granted(region, who, (Thing(things.DATABASE, database),)) | self._implicit(region, who)
        within = any(one.database == database and one.kind != things.DATABASE for one, _ in self._of(region, who))
        return found | ({DESCRIBE} if found or within else set())

    def sight(self, region: str, who: str, database: str, table: str) -> Sight | None:
        """What is seen of a table; None: IAM alone decides."""
        if not self.records.governed(region, Thing(things.TABLE, database, table)):
            return None
        found, cells = set(self._implicit(region, who) & {DESCRIBE}), list[Cells]()
        for thing, grant in self._of(region, who):
            if thing.database != database or (thing.name != table and thing.kind != things.EVERY):
                continue
            if thing.kind in (things.TABLE, things.EVERY):
                found |= set(grant["Permissions"])
                cells += [Cells()] if {SELECT, ALL} & set(grant["Permissions"]) else []
            elif thing.kind in (things.COLUMNS, things.CELLS) and SELECT in grant["Permissions"]:
                found.add(SELECT)
                cells += self._cells(region, thing)
        return Sight(frozenset(found | ({DESCRIBE} if found - {SELECT} else set())), tuple(dict.fromkeys(cells)))

    def may_use(self, region: str, who: str, location: str) -> bool:
        """Whether somebody may make tables at a place in S3: it is nobody's, or access to it is granted."""
        if (around := self.place(region, location)) is None or self.is_admin(region, who):
            return True
        wanted = things.place_of(location)
        granted = [one.name for one, _ in self._of(region, who) if one.kind == things.LOCATION]
        return around.get("RoleArn") == holder(who) or any(things.within(wanted, one) for one in granted)

    def place(self, region: str, location: str) -> Document | None:
        """The registered place that a location is in, the nearest; None: it is in none."""
        wanted = things.place_of(location)
        found = [one for one in self.records.places(region) if things.within(wanted, one["ResourceArn"])]
        return max(found, key=lambda one: len(one["ResourceArn"]), default=None)

    def may_grant(self, region: str, who: str, thing: Thing, permissions: Iterable[str]) -> bool:
        """Whether somebody may grant, or take, permissions on a thing: an administrator, or by grant option."""
        if self.is_admin(region, who):
            return True
        above = {thing}
        if thing.kind in (things.COLUMNS, things.CELLS):
            above.add(Thing(things.TABLE, thing.database, thing.name))
        if thing.kind in (things.COLUMNS, things.CELLS, things.TABLE):
            above.add(Thing(things.EVERY, thing.database))
        held = {one for of, grant in self._of(region, who) if of in above for one in grant["Grantable"]}
        return ALL in held or set(permissions) <= held

    def _of(self, region: str, who: str) -> Iterator[tuple[Thing, Document]]:
        """What is granted to somebody, or to every principal of the account."""
        names = {holder(who), f"{self.records.account}:IAMPrincipals"}
        for thing, grant in self.records.grants(region):
            if holder(grant["Principal"]) in names:
                yield thing, grant

    def _granted(self, region: str, who: str, wanted: tuple[Thing, ...]) -> frozenset[str]:
        found = (grant["Permissions"] for thing, grant in self._of(region, who) if thing in wanted)
        return frozenset(one for permissions in found for one in permissions)

    def _implicit(self, region: str, who: str) -> frozenset[str]:
        if self.is_admin(region, who):
            return IMPLICIT
        return frozenset({DESCRIBE}) if self.is_admin(region, who, reads=True) else frozenset()

    def _cells(self, region: str, thing: Thing) -> Iterator[Cells]:
        if thing.kind == things.COLUMNS:
            if thing.excluded is not None:
                yield Cells(excluded=frozenset(thing.excluded))
            else:
                yield Cells(frozenset({thing.column}))
            return
        try:
            found = self.records.filter(region, thing.database, thing.name, thing.filter)
        except Missing:
            return
        named, wildcard = found.get("ColumnNames"), found.get("ColumnWildcard") or {}
        yield Cells(
            None if named is None else frozenset(named),
            frozenset(wildcard.get("ExcludedColumnNames") or ()),
            found["SQL"],
            frozenset(found["Used"]),
        )


def required(permission: str, name: str) -> str:
    """What Glue says to who has not got a permission."""
    words = _WORDS.get(permission, permission.capitalize())
    return f"Insufficient Lake Formation permission(s): Required {words} on {name}"


def as_json(cells: Cells, names: list[str]) -> dict[str, Any]:
    """What a host is told of cells that are seen. names: of the table's columns."""
    shown = [name for name in names if cells.shows(name)]
    return {"columns": shown, "rows": cells.rows, "used": sorted(cells.used)}
