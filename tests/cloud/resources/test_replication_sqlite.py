"""DMS from a SQLite file of the home: loaded as it is, and changed as triggers note it."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing

import pyarrow.parquet as parquet
import pytest
from botocore.exceptions import ClientError

from tests.cloud.replications import Replications
from tests.conftest import LocalCloud
from tests.waiting import until


@pytest.fixture(scope="module")
def dms(cloud: LocalCloud) -> Replications:
    return Replications(cloud)


@pytest.fixture
def name() -> str:
    return f"shop-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def shop(cloud: LocalCloud, name: str) -> Iterator[sqlite3.Connection]:
    folder = cloud.home.databases / name
    folder.mkdir()
    with closing(sqlite3.connect(folder / f"{name}.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        yield connection


def test_a_file_is_loaded_and_its_changes_follow(dms: Replications, name: str, shop: sqlite3.Connection) -> None:
    shop.executescript(
        'CREATE TABLE orders (id INTEGER PRIMARY KEY, "what\'s" TEXT, price REAL, raw BLOB);'
        'CREATE TABLE "a/b" (x); INSERT INTO "a/b" VALUES (1);'
        "INSERT INTO orders VALUES (1, 'a', 1.5, x'00ff'), (2, null, null, null)"
    )
    source = dms.endpoint("source", "sqlite", DatabaseName=name)
    task = dms.make(source, dms.target("lite"), "full-load-and-cdc")
    dms.start(task)
    dms.loaded(task)
    shop.execute("BEGIN")
    shop.execute("INSERT INTO orders VALUES (3, 'it''s', 2, null)")
    shop.execute("DELETE FROM orders WHERE id = 2")
    shop.execute("COMMIT")
    shop.execute("BEGIN")
    shop.execute("INSERT INTO orders VALUES (9, 'never', 0, null)")
    shop.execute("ROLLBACK")
    shop.execute("UPDATE orders SET id = 4 WHERE id = 1")
    place = "lite/main/orders/"
    found = dms.changes(place, 3)
    assert dms.rows(place, "LOAD") == [["1", "a", "1.5", "00ff"], ["2", "NULL", "NULL", "NULL"]]
    assert found == [
        ["I", "3", "it's", "2.0", "NULL"],
        ["D", "2", "NULL", "NULL", "NULL"],
        ["U", "4", "a", "1.5", "00ff"],
    ]
    assert dms.rows("lite/main/a%2Fb/") == [["1"]]
    dms.stop(task)
    shop.execute("INSERT INTO orders VALUES (5, 'while it rests', 0, null)")
    dms.start(task, "resume-processing")
    assert dms.changes(place, 4)[3][:2] == ["I", "5"]
    dms.delete(dms.stop(task)["ReplicationTaskArn"])
    left = shop.execute("SELECT name FROM sqlite_master WHERE name LIKE 'awsdms%'").fetchall()
    assert left == []


@pytest.mark.long
def test_a_column_that_comes_in_the_middle_is_not_lost(
    dms: Replications, name: str, shop: sqlite3.Connection
) -> None:
    shop.execute("CREATE TABLE grows (id INTEGER PRIMARY KEY, n INTEGER)")
    shop.execute("INSERT INTO grows VALUES (1, 1)")
    source = dms.endpoint("source", "sqlite", DatabaseName=name)
    task = dms.make(source, dms.target("more", DataFormat="parquet"), "cdc")
    dms.start(task)
    dms.loaded(task)
    shop.executescript(
        "BEGIN; ALTER TABLE grows ADD COLUMN t TEXT; INSERT INTO grows VALUES (2, 2, 'x'); COMMIT;"
        "UPDATE grows SET t = 'y' WHERE id = 1; CREATE TABLE late (id INTEGER); INSERT INTO late VALUES (7)"
    )
    until(lambda: dms.keys("more/main/late/"), bool)
    until(lambda: last(dms), lambda rows: rows == {1: "y", 2: "x"})
    assert dms.tables(task)["grows"]["Ddls"] >= 1
    dms.delete(dms.stop(task)["ReplicationTaskArn"])


def last(dms: Replications) -> dict[int, str]:
    """The new column of each row, as the last file has it."""
    found = dict[int, str]()
    for key in sorted(dms.keys("more/main/grows/")):
        with_column = [row for row in parquet.read_table(dms.reader(key)).to_pylist() if "t" in row]
        found |= {row["id"]: row["t"] for row in with_column}
    return found


def test_no_path_leads_out_of_the_home(dms: Replications) -> None:
    for name in ("../../etc/passwd", "/etc/passwd", "a/b", "", "x" * 64, "a\0b"):
        with pytest.raises(ClientError, match="DatabaseName of sqlite"):
            dms.endpoint("source", "sqlite", DatabaseName=name)
    found = dms.connection(dms.endpoint("source", "sqlite", DatabaseName="not-there"))
    assert "unable to open database file" in found["LastFailureMessage"]


def test_a_link_to_another_file_leads_nowhere(cloud: LocalCloud, dms: Replications, name: str) -> None:
    folder = cloud.home.databases / name
    folder.mkdir()
    (folder / f"{name}.db").symlink_to(cloud.home.database)
    found = dms.connection(dms.endpoint("source", "sqlite", DatabaseName=name))
    assert (found["Status"], "unable to open" in found["LastFailureMessage"]) == ("failed", True)
