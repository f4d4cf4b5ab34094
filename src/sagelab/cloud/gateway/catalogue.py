"""Glue's catalogue as Lake Formation lets somebody see and change it, where IAM alone does not decide.

What moto answers of databases, tables and partitions is cut to what the caller is granted; who has nothing of it
is refused before moto is asked.
https://docs.aws.amazon.com/lake-formation/latest/dg/access-control-metadata.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sagelab.cloud.context import LAKE
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.grants import things
from sagelab.cloud.grants.access import Access, Sight, required
from sagelab.cloud.grants.records import opens
from sagelab.cloud.grants.things import DESCRIBE, SELECT, Thing
from sagelab.cloud.holders import holder
from sagelab.cloud.resources.call import Beside

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud

Params = dict[str, Any]
_ON_PARTITIONS = {
    **dict.fromkeys(("CreatePartition", "BatchCreatePartition"), ("ALTER", "INSERT")),
    **dict.fromkeys(("DeletePartition", "BatchDeletePartition"), ("ALTER", "DELETE")),
    **dict.fromkeys(("UpdatePartition", "BatchUpdatePartition"), ("ALTER",)),
}
_READS_PARTITIONS = ("GetPartition", "GetPartitions", "BatchGetPartition")
_DEFAULTS = "CreateTableDefaultPermissions"


@dataclass(frozen=True)
class _Asked:
    """One request about the catalogue. database, table: in small letters."""

    context: Context
    sent: Params
    database: str
    table: str

    @property
    def region(self) -> str:
        return self.context.region

    @property
    def who(self) -> str:
        return str(self.context.caller.key.arn)


class Catalogue:
    """ask: moto, in the end of the chain."""

    def __init__(self, cloud: Cloud, access: Access, ask: Callable[[Context], Answer]) -> None:
        self._cloud, self._access, self._records, self._ask = cloud, access, access.records, ask

    def answer(self, context: Context) -> Answer | None:
        """moto's answer, as far as the caller may know it; None where something else is asked."""
        if context.service != "glue" or context.is_ours or (context.caller.key.owner and context.by):
            return None
        handler = _HANDLERS.get(context.operation)
        sent = _read(context)
        if handler is None or sent is None:
            return None
        return handler(self, _named(context, sent))

    # Databases

    def _get_database(self, asked: _Asked) -> Answer:
        self._need_database(asked, DESCRIBE)
        return self._ask(asked.context)

    def _get_databases(self, asked: _Asked) -> Answer:
        seen = lambda one: self._sees(asked, str(one["Name"]))  # noqa: E731
        return _cut(self._ask(asked.context), lambda found: _keep(found, "DatabaseList", seen))

    def _create_database(self, asked: _Asked) -> Answer:
        catalog = Thing(things.CATALOG)
        if self._records.governed(asked.region, catalog):
            held = self._access.on_catalog(asked.region, asked.who)
            if not held & {things.ALL, "CREATE_DATABASE"}:
                raise _denied(required("CREATE_DATABASE", "Catalog"))
        settings, given = self._records.settings(asked.region), asked.sent.get("DatabaseInput")
        own = given.get(_DEFAULTS) if isinstance(given, dict) else None
        for_tables = opens(settings[_DEFAULTS] if own is None else own)
        left_to_iam = opens(settings["CreateDatabaseDefaultPermissions"])
        self._begin(asked, Thing(things.DATABASE, asked.database), left_to_iam, for_tables)
        return self._ask(asked.context)

    def _change_database(self, asked: _Asked) -> Answer:
        self._need_database(asked, "ALTER")
        return self._ask(asked.context)

    def _delete_database(self, asked: _Asked) -> Answer:
        self._need_database(asked, "DROP")
        return self._forgetting(asked, Thing(things.DATABASE, asked.database))

    # Tables

    def _create_table(self, asked: _Asked) -> Answer:
        self._need_database(asked, "CREATE_TABLE")
        self._check_place(asked)
        left_to_iam = not self._records.governed(asked.region, Thing(things.NEW, asked.database))
        self._begin(asked, Thing(things.TABLE, asked.database, asked.table), left_to_iam)
        return self._ask(asked.context)

    def _get_table(self, asked: _Asked) -> Answer:
        sight = self._sight(asked, asked.table)
        if sight is not None and not sight.permissions:
            raise _denied(required(DESCRIBE, asked.table))
        answer = self._ask(asked.context)
        if answer.status >= 400 and not self._sees(asked, asked.database):
            raise _denied(required(DESCRIBE, asked.table))  # whether it is there is not for everybody to know
        return answer if sight is None else _cut(answer, lambda found: _cut_table(found["Table"], sight))

    def _get_tables(self, asked: _Asked) -> Answer:
        self._need_database(asked, DESCRIBE)

        def cut(found: Params) -> None:
            kept = []
            for one in found.get("TableList") or ():
                sight = self._sight(asked, str(one["Name"]))
                if sight is None or sight.permissions:
                    kept.append(one)
                if sight is not None:
                    _cut_table(one, sight)
            found["TableList"] = kept

        return _cut(self._ask(asked.context), cut)

    def _get_versions(self, asked: _Asked) -> Answer:
        sight = self._sight(asked, asked.table)
        if sight is not None and not sight.permissions - {SELECT} and not sight.whole:
            raise _denied(required(DESCRIBE, asked.table))
        return self._ask(asked.context)

    def _change_table(self, asked: _Asked) -> Answer:
        self._need(asked, asked.table, "ALTER")
        self._check_place(asked)
        return self._ask(asked.context)

    def _delete_table(self, asked: _Asked) -> Answer:
        self._need(asked, asked.table, "DROP")
        return self._forgetting(asked, Thing(things.TABLE, asked.database, asked.table))

    def _delete_tables(self, asked: _Asked) -> Answer:
        names = [str(one).lower() for one in asked.sent.get("TablesToDelete") or ()]
        for name in names:
            self._need(asked, name, "DROP")
        return self._forgetting(asked, *(Thing(things.TABLE, asked.database, name) for name in names))

    def _delete_version(self, asked: _Asked) -> Answer:
        self._need(asked, asked.table, "DROP")
        return self._ask(asked.context)

    # Partitions

    def _get_partitions(self, asked: _Asked) -> Answer:
        sight = self._sight(asked, asked.table)
        if sight is None:
            return self._ask(asked.context)
        keys = [str(one["Name"]).lower() for one in self._table(asked).get("PartitionKeys") or ()]
        if not (sight.permissions - {DESCRIBE} and sight.all_rows and sight.known(keys) == keys):
            raise _denied(required(SELECT, asked.table))

        def cut(found: Params) -> None:
            for one in [*(found.get("Partitions") or ()), *filter(None, [found.get("Partition")])]:
                _cut_columns(one.get("StorageDescriptor") or {}, sight)

        return _cut(self._ask(asked.context), cut)

    def _change_partitions(self, asked: _Asked) -> Answer:
        self._need(asked, asked.table, *_ON_PARTITIONS[asked.context.operation])
        return self._ask(asked.context)

    # What is judged

    def _sees(self, asked: _Asked, database: str) -> bool:
        if not self._records.governed(asked.region, Thing(things.DATABASE, database)):
            return True
        return bool(self._access.on_database(asked.region, asked.who, database))

    def _need_database(self, asked: _Asked, permission: str) -> None:
        """Beside: it is not granted on the database, where that is governed."""
        if self._records.governed(asked.region, Thing(things.DATABASE, asked.database)):
            held = self._access.on_database(asked.region, asked.who, asked.database)
            if not held & {things.ALL, permission}:
                raise _denied(required(permission, asked.database))

    def _sight(self, asked: _Asked, table: str) -> Sight | None:
        return self._access.sight(asked.region, asked.who, asked.database, table)

    def _need(self, asked: _Asked, table: str, *wanted: str) -> None:
        sight = self._sight(asked, table)
        if sight is not None and not sight.may(*wanted):
            raise _denied(required(wanted[0], table))

    def _check_place(self, asked: _Asked) -> None:
        """Beside: the table is to lie at a registered place, not its own before, that the caller may not use."""
        given = asked.sent.get("TableInput")
        storage = given.get("StorageDescriptor") if isinstance(given, dict) else None
        location = str((storage or {}).get("Location") or "") if isinstance(storage, dict) else ""
        if not location or self._access.may_use(asked.region, asked.who, location):
            return
        before = (self._table(asked).get("StorageDescriptor") or {}).get("Location")
        own = things.place_of(str(self._database(asked).get("LocationUri") or ""))
        if before != location and not things.within(things.place_of(location), own):
            raise _denied(f"Insufficient Lake Formation permission(s) on {location}")

    # What is kept

    def _begin(self, asked: _Asked, thing: Thing, left_to_iam: bool, for_tables: bool = True) -> None:
        """Before something is made: who makes it may do everything with it, unless IAM alone decides.

        What was granted on one of its name that is gone is forgotten. for_tables: whether IAM decides of new ones.
        """
        if (left_to_iam and for_tables and not self._records.governed(asked.region, thing)) or self._there(asked):
            return
        self._records.forget(asked.region, thing)
        if not for_tables:
            self._records.govern(asked.region, Thing(things.NEW, asked.database))
        if not left_to_iam:
            self._records.grant(asked.region, holder(asked.who), thing, [things.ALL], [things.ALL])
            self._records.govern(asked.region, thing)

    def _forgetting(self, asked: _Asked, *gone: Thing) -> Answer:
        answer = self._ask(asked.context)
        if answer.status < 300:
            for thing in gone:
                self._records.forget(asked.region, thing)
        return answer

    def _glue(self, asked: _Asked) -> Any:
        return self._cloud.client("glue", asked.region, LAKE)

    def _database(self, asked: _Asked) -> Params:
        glue = self._glue(asked)
        try:
            found: Params = glue.get_database(Name=asked.database)["Database"]
        except glue.exceptions.EntityNotFoundException:
            return {}
        return found

    def _table(self, asked: _Asked) -> Params:
        """{} where it is not there."""
        glue = self._glue(asked)
        try:
            found: Params = glue.get_table(DatabaseName=asked.database, Name=asked.table)["Table"]
        except glue.exceptions.EntityNotFoundException:
            return {}
        return found

    def _there(self, asked: _Asked) -> bool:
        return bool(self._table(asked) if asked.table else self._database(asked))


def _read(context: Context) -> Params | None:
    try:
        sent = json.loads(context.request.content())
    except (ValueError, RecursionError):
        return None
    return sent if isinstance(sent, dict) else None


def _named(context: Context, sent: Params) -> _Asked:
    table = database = ""
    if "Database" in context.operation:
        given = sent.get("DatabaseInput")
        database = str(sent.get("Name") or (given.get("Name") if isinstance(given, dict) else "") or "")
    else:
        given = sent.get("TableInput")
        database = str(sent.get("DatabaseName") or "")
        table = str(sent.get("TableName") or (given.get("Name") if isinstance(given, dict) else "") or "")
        table = table or str(sent.get("Name") or "")
    return _Asked(context, sent, database.lower(), table.lower())


def _denied(words: str) -> Beside:
    return Beside("AccessDeniedException", words)


def _cut(answer: Answer, cut: Callable[[Params], None]) -> Answer:
    """An answer without what its caller may not know."""
    if answer.status >= 300:
        return answer
    found = json.loads(answer.body)
    cut(found)
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    return replace(answer, headers=headers, body=json.dumps(found).encode())


def _keep(found: Params, member: str, seen: Callable[[Params], bool]) -> None:
    found[member] = [one for one in found.get(member) or () if seen(one)]


def _cut_table(table: Params, sight: Sight) -> None:
    _cut_columns(table.get("StorageDescriptor") or {}, sight)
    table["PartitionKeys"] = _seen(table.get("PartitionKeys") or (), sight)
    table["IsRegisteredWithLakeFormation"] = True


def _cut_columns(storage: Params, sight: Sight) -> None:
    if storage.get("Columns"):
        storage["Columns"] = _seen(storage["Columns"], sight)


def _seen(columns: Iterable[Params], sight: Sight) -> list[Params]:
    known = set(sight.known([str(one["Name"]).lower() for one in columns]))
    return [one for one in columns if str(one["Name"]).lower() in known]


_HANDLERS: dict[str, Callable[[Catalogue, _Asked], Answer]] = {
    "GetDatabase": Catalogue._get_database,
    "GetDatabases": Catalogue._get_databases,
    "CreateDatabase": Catalogue._create_database,
    "UpdateDatabase": Catalogue._change_database,
    "DeleteDatabase": Catalogue._delete_database,
    "CreateTable": Catalogue._create_table,
    "GetTable": Catalogue._get_table,
    "GetTables": Catalogue._get_tables,
    "GetTableVersion": Catalogue._get_versions,
    "GetTableVersions": Catalogue._get_versions,
    "UpdateTable": Catalogue._change_table,
    "DeleteTable": Catalogue._delete_table,
    "BatchDeleteTable": Catalogue._delete_tables,
    "DeleteTableVersion": Catalogue._delete_version,
    "BatchDeleteTableVersion": Catalogue._delete_version,
    **dict.fromkeys(_READS_PARTITIONS, Catalogue._get_partitions),
    **dict.fromkeys(_ON_PARTITIONS, Catalogue._change_partitions),
}
