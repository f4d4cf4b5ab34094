"""The DuckDB of a query by itself, as if all of its SQL were a stranger's: it sees the objects it was given."""

from __future__ import annotations

import io
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

ATTACKS = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "COPY (SELECT 1) TO '/tmp/out.csv'",
    "COPY (SELECT 1) TO '../out.csv'",
    "EXPORT DATABASE '/tmp/out'",
    "ATTACH '/tmp/out.db'",
    "ATTACH ':memory:' AS other (TYPE sqlite)",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '/tmp/x.duckdb_extension'",
    "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
    "SELECT * FROM read_parquet('s3://elsewhere/x.parquet')",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "SET lock_configuration = false",
    "RESET enable_external_access",
    "SET temp_directory = '/etc'",
    "SET extension_directory = '/tmp'",
    "CREATE SECRET s (TYPE s3, KEY_ID 'x', SECRET 'y')",
    "SELECT getenv('HOME')",
]


@pytest.mark.parametrize("sql", ATTACKS)
def test_no_sql_leads_out(room: Any, shelf: Any, sql: str) -> None:
    import duckdb

    room.filesystem.lock(shelf.connection)
    with pytest.raises(duckdb.Error):
        shelf.connection.execute(sql).fetchall()


def test_a_variable_of_this_process_is_no_table(room: Any, shelf: Any) -> None:
    import duckdb

    frame = pyarrow.table({"secret": [1]})
    assert frame.num_rows == 1
    room.filesystem.lock(shelf.connection)
    with pytest.raises(duckdb.CatalogException):
        shelf.connection.execute("SELECT * FROM frame")


def test_a_name_leads_to_its_object_and_no_other(shelf: Any) -> None:
    import duckdb

    shelf.put("secret.csv", b"hidden\n")
    address = shelf.files.add("t0", [("k0", "a/..=b c")], shelf.put("seen.csv", b"1\n2\n"))
    assert address == "lake://t0/k0=a%2F..%3Db%20c/0"
    sql = "SELECT column0, k0 FROM read_csv('{}', header=false, hive_partitioning=true)"
    assert shelf.connection.execute(sql.format(address)).fetchall() == [(1, "a/..=b c"), (2, "a/..=b c")]
    outside = shelf.files.add("t0", [("k0", "/../../etc")], shelf.put("passwd", b"1\n"))
    for other in (
        outside,
        "lake://secret.csv",
        f"lake://{shelf.bucket}/secret.csv",
        "lake://t0/*",
        f"{address}/../1",
    ):
        with pytest.raises((duckdb.Error, FileNotFoundError)):
            shelf.connection.execute(f"SELECT * FROM read_csv('{other}')").fetchall()


def test_of_parquet_what_is_needed_is_read_and_counted(shelf: Any) -> None:
    body = io.BytesIO()
    wide = {f"c{number}": list(range(number, 200_000 + number)) for number in range(12)}
    pyarrow.parquet.write_table(pyarrow.table(wide), body, compression="none", use_dictionary=False)
    found = shelf.put("a.parquet", body.getvalue())
    address = shelf.files.add("t0", [], found)
    sql = f"SELECT sum(c3) FROM read_parquet('{address}')"
    assert shelf.connection.execute(sql).fetchone() == (sum(range(3, 200_003)),)
    assert found.size / 12 < shelf.objects.scanned < found.size / 5


def test_too_much_is_cut_off_and_what_changed_meanwhile_is_not_mixed(room: Any, shelf: Any) -> None:
    import duckdb

    shelf.objects.cutoff = 1000
    address = shelf.files.add("t0", [], shelf.put("a.csv", b"1\n" * 2000))
    with pytest.raises(duckdb.Error):
        shelf.connection.execute(f"SELECT count(*) FROM read_csv('{address}')").fetchall()
    assert isinstance(shelf.objects.fault, room.errors.Cutoff)
    listed = next(shelf.objects.list(shelf.uri()))
    shelf.put("a.csv", b"2\n" * 2000)
    with pytest.raises(room.errors.QueryFault, match="it was changed while it was read"):
        shelf.objects.read(listed, 0, 10)
