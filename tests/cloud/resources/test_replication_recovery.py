"""Replications in a local cloud that is killed again and again: every change comes to S3, and once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from sagelab.cloud import clock
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud import postgres
from tests.cloud.kills import kill
from tests.cloud.postgres import Postgres
from tests.cloud.replications import Replications
from tests.waiting import until

pytestmark = pytest.mark.long  # each has a local cloud of its own, which is killed

KILLS = 20
FAST = 20.0  # a batch each 50 ms
PLACE = "killed/public/log/"


@pytest.fixture
def home(tmp_path: Any, sagelab: Callable[..., Any]) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    clock.set_speed(made, FAST)
    yield made
    assert sagelab("down", home=made.path).returncode == 0


class Writer(threading.Thread):
    """Writes transactions of some rows into two tables, and deletes what is ten transactions old."""

    def __init__(self, server: Postgres, database: str) -> None:
        super().__init__(daemon=True)
        self._server, self._database = server, database
        self.ended, self.written = threading.Event(), 0

    def run(self) -> None:
        with self._server.connect(self._database) as connection:
            while not self.ended.is_set():
                with connection.transaction():
                    for number in range(self.written, self.written + 5):
                        connection.execute("INSERT INTO log VALUES (%s, %s)", [number, "x" * 50])
                        connection.execute("INSERT INTO other VALUES (%s)", [number])
                    connection.execute("DELETE FROM other WHERE id < %s", [self.written - 50])
                self.written += 5

    def end(self) -> None:
        self.ended.set()
        self.join()


def test_each_change_comes_once_whenever_it_is_killed(
    home: Home, server: Postgres, database: str, sql: Any
) -> None:
    sql("CREATE TABLE log (id int PRIMARY KEY, t text); CREATE TABLE other (id int PRIMARY KEY)")
    dms, writer = Replications(clouds.start(home), server), Writer(server, database)
    task = dms.make(dms.source(database), dms.target("killed"), "full-load-and-cdc")
    writer.start()
    try:
        until(lambda: writer.written, lambda written: written > 100)
        dms.start(task)
        for _ in range(KILLS):
            before = len(dms.keys(PLACE))
            until(lambda: len(dms.keys(PLACE)), lambda keys: keys > before + 1)  # noqa: B023
            time.sleep(random.random() * 0.2)  # anywhere in a batch
            kill(home)
            dms.at(clouds.start(home))
    finally:
        writer.end()
    wanted = set(range(writer.written))
    until(lambda: numbers(dms, PLACE), lambda found: found == wanted)
    assert dms.wait(task, "running")["Status"] == "running"
    others = Counter(row[1] for row in dms.rows("killed/public/other/", "2") if row[0] == "D")
    assert set(others.values()) == {1}
    dms.delete(dms.stop(task)["ReplicationTaskArn"])


def numbers(dms: Replications, place: str) -> set[int]:
    """All that came. AssertionError: something came twice."""
    load = [int(row[0]) for row in dms.rows(place, "LOAD")]
    counts = Counter(load + [int(row[1]) for row in dms.rows(place, "2")])
    assert set(counts.values()) <= {1}
    return set(counts)


def test_a_load_that_a_kill_cuts_off_begins_anew(home: Home, server: Postgres, database: str, sql: Any) -> None:
    sql("CREATE TABLE log (id int PRIMARY KEY, t text)")
    sql("INSERT INTO log SELECT g, repeat('x', 100) FROM generate_series(0, 299999) g")
    dms = Replications(clouds.start(home), server)
    task = dms.make(dms.source(database), dms.target("killed", MaxFileSize=512), "full-load-and-cdc")
    dms.start(task)
    until(lambda: dms.keys(PLACE), bool)
    assert dms.tables(task)["log"]["TableState"] == "Full load"
    kill(home)
    sql("DELETE FROM log WHERE id >= 1000; INSERT INTO log VALUES (1000000, 'y')")
    dms.at(clouds.start(home))
    dms.loaded(task)
    assert numbers(dms, PLACE) == {*range(1000), 1_000_000}
    dms.delete(dms.stop(task)["ReplicationTaskArn"])


def test_a_server_that_goes_and_comes_back_is_read_on(home: Home) -> None:
    programs = postgres.programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL here (Debian's package postgresql)")
    with postgres.own_folder() as folder, postgres.started(folder, programs) as server:
        database = server.database()
        with closing(server.connect(database)) as connection:
            connection.execute("CREATE TABLE log (id int PRIMARY KEY); INSERT INTO log VALUES (0)")
        dms = Replications(clouds.start(home), server)
        task = dms.make(dms.source(database), dms.target("killed"), "full-load-and-cdc")
        dms.start(task)
        dms.loaded(task)
        for number in range(1, 4):
            server.restart()
            with closing(server.connect(database)) as connection:
                connection.execute(f"INSERT INTO log VALUES ({number})")
            until(lambda: numbers(dms, PLACE), lambda found: len(found) == number + 1)  # noqa: B023
        assert dms.get(task)["Status"] == "running"
        dms.delete(dms.stop(task)["ReplicationTaskArn"])


def test_a_large_transaction_is_spilled_and_comes_whole(
    home: Home, server: Postgres, database: str, sql: Any
) -> None:
    sql("CREATE TABLE log (id int PRIMARY KEY, t text)")
    dms = Replications(clouds.start(home), server)
    task = dms.make(dms.source(database), dms.target("killed", CdcMinFileSize=1), "cdc")
    dms.start(task)
    dms.loaded(task)
    sql("INSERT INTO log SELECT g, repeat('x', 100) FROM generate_series(1, 300000) g")
    until(lambda: len(numbers(dms, PLACE)), lambda count: count == 300_000)
    assert len(dms.keys(PLACE)) == 1
    dms.delete(dms.stop(task)["ReplicationTaskArn"])
