"""DMS: tables of a real PostgreSQL come to S3, and so do their changes, each once."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow.parquet as parquet

from tests.cloud.postgres import Postgres
from tests.cloud.replications import Replications, including, mappings
from tests.waiting import until

LOGGED: dict[str, Any] = {"Logging": {"EnableLogging": True}}


def test_a_table_is_loaded_and_its_changes_follow_in_their_order(
    dms: Replications, server: Postgres, database: str, sql: Any
) -> None:
    sql("CREATE TABLE people (id int PRIMARY KEY, name text, ok boolean, at timestamp)")
    sql("INSERT INTO people VALUES (1, 'a,b', true, '2026-01-01 10:00'), (2, E'x\ny \"q\"', null, null)")
    settings = {"AddColumnName": True, "CsvNullValue": ""}
    task = dms.make(dms.source(database), dms.target("first", **settings), "full-load-and-cdc", **LOGGED)
    dms.start(task)
    dms.loaded(task)
    with server.connect(database) as other, other.transaction():
        other.execute("INSERT INTO people VALUES (3, 'c', false, '2026-02-02 00:00:00.5')")
        other.execute("UPDATE people SET name = 'z' WHERE id = 1")
    sql("UPDATE people SET id = 4 WHERE id = 3")
    sql("DELETE FROM people WHERE id = 2")
    titles = ["id", "name", "ok", "at"]
    found = dms.changes("first/public/people/", 5)
    assert dms.rows("first/public/people/", "LOAD") == [
        titles,
        ["1", "a,b", "true", "2026-01-01 10:00:00.000000"],
        ["2", 'x\ny "q"', "", ""],
    ]
    assert [row for row in found if row[0] != "Op"] == [
        ["I", "3", "c", "false", "2026-02-02 00:00:00.500000"],
        ["U", "1", "z", "true", "2026-01-01 10:00:00.000000"],
        ["U", "4", "c", "false", "2026-02-02 00:00:00.500000"],
        ["D", "2", "", "", ""],
    ]
    assert found[0] == ["Op", *titles]
    load, *changes = sorted(dms.keys("first/"), reverse=True)
    assert load == "first/public/people/LOAD00000001.csv"
    assert all(re.fullmatch(r"first/public/people/\d{8}-\d{9}\.csv", key) for key in changes)
    stopped = dms.stop(task)
    assert (stopped["Status"], stopped["StopReason"]) == ("stopped", "Stop Reason NORMAL")
    told = dms.tables(task)["people"]
    names = ("TableState", "FullLoadRows", "Inserts", "Updates", "Deletes", "Ddls")
    assert [told[name] for name in names] == ["Table completed", 2, 1, 2, 1, 0]
    assert any("Loading finished for table 'public'.'people'. 2 records" in line for line in dms.log(task))
    assert slots(sql) == 1
    dms.delete(task)
    assert slots(sql) == 0


def slots(sql: Any) -> int:
    """Of this database."""
    row = sql("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()").fetchone()
    return int(row[0])


def test_files_of_parquet_have_the_types_of_columns(dms: Replications, database: str, sql: Any) -> None:
    sql(
        "CREATE TABLE kinds (id bigint PRIMARY KEY, small smallint, price numeric(10,2), any_number numeric,"
        " ratio double precision, day date, at timestamp, zoned timestamptz, raw bytea, data jsonb, tags text[])"
    )
    sql(
        "INSERT INTO kinds VALUES (1, 2, 3.50, 1e30, 0.1, '2026-03-04', '2026-03-04 05:06:07.08',"
        " '2026-03-04 05:06:07+02', '\\x00ff', '{\"a\": 1}', '{1,2}')"
    )
    sql("INSERT INTO kinds (id) VALUES (2)")
    settings = {"DataFormat": "PARQUET", "CompressionType": "GZIP", "IncludeOpForFullLoad": True}
    target = dms.target("typed", **settings, TimestampColumnName="moved")
    task = dms.make(dms.source(database), target, "full-load-and-cdc")
    dms.start(task)
    dms.loaded(task)
    sql("UPDATE kinds SET price = 4 WHERE id = 1")
    keys = until(lambda: dms.keys("typed/"), lambda keys: len(keys) == 2)
    change, load = (parquet.read_table(dms.reader(key)) for key in sorted(keys))
    assert load.schema.names[:2] == ["Op", "moved"]
    assert [str(field.type) for field in load.schema] == [
        *("string", "timestamp[us]", "int64", "int32", "decimal128(10, 2)", "string", "double"),
        *("date32[day]", "timestamp[us]", "timestamp[us]", "binary", "string", "string"),
    ]
    first, second = load.to_pylist()
    assert (first["Op"], first["price"], first["any_number"]) == ("I", Decimal("3.50"), "1" + "0" * 30)
    assert (first["zoned"], first["raw"]) == (datetime(2026, 3, 4, 3, 6, 7), b"\x00\xff")
    assert (first["data"], first["tags"], second["day"]) == ('{"a": 1}', "{1,2}", None)
    (updated,) = change.to_pylist()
    assert (updated["Op"], updated["price"], updated["id"]) == ("U", Decimal("4.00"), 1)
    dms.delete(dms.stop(task)["ReplicationTaskArn"])


def test_names_and_values_of_any_kind_come_through(dms: Replications, database: str, sql: Any) -> None:
    sql('CREATE SCHEMA "we""ird.%2F"')
    for name in ("..", "a/b", "a%2Fb", "q\"]:'x", "new\nline"):
        quoted = name.replace('"', '""')
        sql(f'CREATE TABLE "we""ird.%2F"."{quoted}" ("i""d]:" int PRIMARY KEY, "se lect" text)')
        sql(f"""INSERT INTO "we""ird.%2F"."{quoted}" VALUES (1, '{quoted.replace("'", "''")}')""")
    task = dms.make(dms.source(database), dms.target("odd"), "full-load-and-cdc")
    dms.start(task)
    dms.loaded(task)
    value = 'x\r\n\', "y" [z]:null\\ \t\u20ac'
    sql('UPDATE "we""ird.%2F"."q""]:\'x" SET "se lect" = ' + "'" + value.replace("'", "''") + "'")
    place = 'odd/we"ird.%252F/'
    assert dms.changes(place + "q\"]:'x/", 1) == [["U", "1", value]]
    folders = {key.removeprefix(place).partition("/")[0] for key in dms.keys(place)}
    assert folders == {"%2E%2E", "a%2Fb", "a%252Fb", "q\"]:'x", "new\nline"}
    assert dms.rows(place + "a%2Fb/") == [["1", "a/b"]]
    assert dms.rows(place + "a%252Fb/") == [["1", "a%2Fb"]]
    dms.delete(dms.stop(task)["ReplicationTaskArn"])


def test_mappings_choose_and_rename(dms: Replications, database: str, sql: Any) -> None:
    sql("CREATE SCHEMA shop")
    sql("CREATE TABLE shop.orders (id int PRIMARY KEY, secret text, total numeric, note text)")
    sql("CREATE TABLE shop.orders_old (id int)")
    sql("CREATE TABLE shop.other (id int)")
    sql("INSERT INTO shop.orders VALUES (1, 's', 9.5, 'x'), (2, 's', 100, null), (3, 's', 20, 'y')")
    above = {"filter-operator": "between", "start-value": "10", "end-value": "100"}
    filters = [{"filter-type": "source", "column-name": "total", "filter-conditions": [above]}]
    of_table = {"schema-name": "shop", "table-name": "orders"}
    rules = mappings(
        including("shop", "ord%", filters=filters),
        including("shop", "%old") | {"rule_action": "exclude"},
        transform("schema", "convert-uppercase", {"schema-name": "shop"}),
        transform("table", "add-prefix", of_table, value="new_"),
        transform("column", "remove-column", of_table | {"column-name": "sec%"}),
        transform("column", "rename", of_table | {"column-name": "note"}, value="words"),
        transform("column", "add-column", of_table, value="origin", expression="$AR_M_SOURCE_TABLE_NAME"),
    )
    task = dms.make(dms.source(database), dms.target("chosen", AddColumnName=True), "full-load-and-cdc", rules)
    dms.start(task)
    dms.loaded(task)
    place = "chosen/SHOP/new_orders/"
    titles = ["id", "total", "words", "origin"]
    assert dms.rows(place) == [titles, ["2", "100", "NULL", "orders"], ["3", "20", "y", "orders"]]
    sql("INSERT INTO shop.other VALUES (1)")
    sql("UPDATE shop.orders SET total = 5 WHERE id = 2")
    sql("INSERT INTO shop.orders VALUES (4, 's', 11, 'z')")
    sql("DELETE FROM shop.orders WHERE id = 1")
    titled = ["Op", *titles]
    expected = [titled, ["I", "4", "11", "z", "orders"], ["D", "1", "NULL", "NULL", "orders"]]
    assert [row for number, row in enumerate(dms.changes(place, 3)) if not number or row != titled] == expected
    assert {key.split("/")[2] for key in dms.keys("chosen/")} == {"new_orders"}
    dms.delete(dms.stop(task)["ReplicationTaskArn"])


def transform(target: str, action: str, locator: dict[str, str], **more: Any) -> dict[str, Any]:
    start = {"rule_type": "transformation", "rule_target": target, "rule_action": action}
    return start | {"object_locator": locator} | more
