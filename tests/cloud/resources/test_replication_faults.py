"""DMS: what goes wrong with a replication, and what of it comes to S3 all the same: everything, once."""

from __future__ import annotations

import json
import re
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.cloud.builds import make_role
from tests.cloud.postgres import PASSWORD, Postgres
from tests.cloud.replications import Replications, including, mappings
from tests.conftest import LocalCloud
from tests.waiting import until

FOR_EVER = {"ErrorBehavior": {"RecoverableErrorInterval": 1, "RecoverableErrorThrottling": False}}


def table_of(rows: list[list[str]], changes: list[list[str]]) -> dict[str, list[str]]:
    """What a target has, whose key is the first column. AssertionError: a change comes twice, or too soon."""
    found: dict[str, list[str]] = {}
    for key, *rest in rows:
        assert key not in found
        found[key] = rest
    for op, key, *rest in changes:
        assert (key in found) == (op != "I"), (op, key)
        if op == "D":
            del found[key]
        else:
            found[key] = rest
    return found


def test_what_is_written_while_a_table_is_loaded_comes_once(
    dms: Replications, server: Postgres, database: str, sql: Any
) -> None:
    sql("CREATE TABLE busy (id int PRIMARY KEY, n int)")
    sql("INSERT INTO busy SELECT g, 0 FROM generate_series(1, 20000) g")
    ended = threading.Event()

    def write(first: int) -> None:
        with server.connect(database) as other:
            for number in range(first, first + 1_000_000, 2):
                if ended.is_set():
                    return
                with other.transaction():
                    other.execute("INSERT INTO busy VALUES (%s, 1)", [number])
                    other.execute("UPDATE busy SET n = n + 1 WHERE id = %s", [number % 20000 + 1])
                    other.execute("DELETE FROM busy WHERE id = %s", [number - 8])

    writers = [threading.Thread(target=write, args=(first,)) for first in (100_000, 100_001)]
    task = dms.make(dms.source(database), dms.target("busy", MaxFileSize=100), "full-load-and-cdc")
    for writer in writers:
        writer.start()
    try:
        until(lambda: sql("SELECT max(id) FROM busy").fetchone()[0], lambda most: most > 100_050)
        dms.start(task)
        dms.loaded(task)
        seen = sql("SELECT max(id) FROM busy").fetchone()[0]
        until(lambda: sql("SELECT max(id) FROM busy").fetchone()[0], lambda most: most > seen + 100)
    finally:
        ended.set()
        for writer in writers:
            writer.join()
    dms.stop(task)  # and on, from where it was
    dms.start(task, "resume-processing")
    wanted = {str(key): [str(n)] for key, n in sql("SELECT id, n FROM busy").fetchall()}
    place = "busy/public/busy/"
    until(lambda: table_of(dms.rows(place, "LOAD"), dms.rows(place, "2")), lambda found: found == wanted)
    assert len([key for key in dms.keys(place) if "LOAD" in key]) > 1
    dms.delete(dms.stop(task)["ReplicationTaskArn"])


def test_a_column_that_comes_in_the_middle_begins_a_file(dms: Replications, database: str, sql: Any) -> None:
    sql("CREATE TABLE grows (id int PRIMARY KEY, n int)")
    sql("INSERT INTO grows VALUES (1, 1)")
    task = dms.make(dms.source(database), dms.target("grows", AddColumnName=True), "full-load-and-cdc")
    dms.start(task)
    dms.loaded(task)
    sql(
        "INSERT INTO grows VALUES (2, 2); ALTER TABLE grows ADD COLUMN t text;"
        " INSERT INTO grows VALUES (3, 3, 'x')"
    )
    sql("ALTER TABLE grows DROP COLUMN n")
    sql("UPDATE grows SET t = 'y' WHERE id = 1")
    sql("CREATE TABLE late (id int)")
    sql("INSERT INTO late VALUES (7)")
    assert dms.changes("grows/public/late/", 2) == [["Op", "id"], ["I", "7"]]
    assert dms.rows("grows/public/grows/", "2") == [
        *(["Op", "id", "n"], ["I", "2", "2"]),
        *(["Op", "id", "n", "t"], ["I", "3", "3", "x"]),
        *(["Op", "id", "t"], ["U", "1", "y"]),
    ]
    assert (dms.tables(task)["grows"]["Ddls"], dms.tables(task)["late"]["Inserts"]) == (2, 1)
    dms.delete(dms.stop(task)["ReplicationTaskArn"])


@pytest.mark.long
def test_large_values_that_an_update_leaves_are_told_with_it(dms: Replications, database: str, sql: Any) -> None:
    sql("CREATE TABLE large (id int PRIMARY KEY, n int, body text)")
    sql("ALTER TABLE large ALTER body SET STORAGE EXTERNAL")
    sql("INSERT INTO large VALUES (1, 1, repeat('x', 20000))")
    task = dms.make(dms.source(database), dms.target("large"), "cdc")
    dms.start(task)
    dms.loaded(task)
    sql("UPDATE large SET n = 2")
    assert dms.changes("large/", 1) == [["U", "1", "2", "x" * 20000]]
    dms.delete(dms.stop(task)["ReplicationTaskArn"])


def test_a_role_that_may_not_write_fails_the_task_and_nothing_is_lost(
    cloud: LocalCloud, dms: Replications, database: str, sql: Any
) -> None:
    sql("CREATE TABLE kept (id int PRIMARY KEY)")
    sql("INSERT INTO kept VALUES (1)")
    role = make_role(cloud, "dms")
    task = dms.make(dms.source(database), dms.target("kept", ServiceAccessRoleArn=role), "full-load-and-cdc")
    dms.start(task)
    dms.loaded(task)
    policy = {"RoleName": role.rpartition("/")[2], "PolicyName": "no"}
    statement = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
    denied = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.client("iam").put_role_policy(**policy, PolicyDocument=denied)
    sql("INSERT INTO kept VALUES (2)")
    found = dms.wait(task, "failed")
    assert (found["Status"], found["StopReason"]) == ("failed", "Stop Reason FATAL_ERROR Error Level FATAL")
    assert "AWS Error Code: AccessDenied" in found["LastFailureMessage"]
    cloud.client("iam").delete_role_policy(**policy)
    sql("INSERT INTO kept VALUES (3)")
    dms.start(task, "resume-processing")
    assert dms.changes("kept/", 2) == [["I", "2"], ["I", "3"]]
    assert dms.rows("kept/", "LOAD") == [["1"]]
    dms.delete(dms.stop(task)["ReplicationTaskArn"])


def test_a_table_that_cannot_be_read_is_suspended_and_the_others_go_on(
    dms: Replications, database: str, sql: Any
) -> None:
    user = f"u{database}"
    sql(f"CREATE ROLE {user} LOGIN REPLICATION PASSWORD 'p'")
    sql("CREATE TABLE open_one (id int); CREATE TABLE shut_one (id int)")
    sql(f"GRANT SELECT ON open_one TO {user}; INSERT INTO open_one VALUES (1)")
    source = dms.source(database, Username=user, Password="p")
    task = dms.make(source, dms.target("some"))
    found = dms.run(task)
    assert found["StopReason"] == "Stop Reason FULL_LOAD_ONLY_FINISHED"
    assert {name: one["TableState"] for name, one in dms.tables(task).items()} == {
        "open_one": "Table completed",
        "shut_one": "Table error",
    }
    assert dms.keys("some/") == ["some/public/open_one/LOAD00000001.csv"]
    sql(f"GRANT SELECT ON shut_one TO {user}; INSERT INTO shut_one VALUES (2)")
    dms.run(task, "resume-processing")
    assert dms.rows("some/") == [["1"], ["2"]]
    dms.delete(task)


def test_connections_fail_in_aws_s_words_without_the_password(
    cloud: LocalCloud, dms: Replications, database: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = listener.getsockname()[1]
    gateway = urlsplit(cloud.url).port
    faults = {
        "password authentication failed": {"Password": "wrong"},
        'database "none" does not exist': {"DatabaseName": "none"},
        "Connection refused": {"Port": nobody},
        "could not translate host name": {"ServerName": "nowhere.invalid"},
        "Network is unreachable": {"ServerName": "169.254.169.254"},
        "received invalid response to SSL negotiation": {"Port": gateway},
    }
    for words, more in faults.items():
        found = dms.connection(dms.source(database, **more))
        assert found["Status"] == "failed"
        message = found["LastFailureMessage"]
        assert message.startswith(
            "Test Endpoint failed: Application-Status: 1020912, Application-Message: Failed to"
        )
        assert words in message, message
        assert not {PASSWORD, "3129"} & set(re.split(r"[ ,]", message))  # nor the way inside
        assert "wrong" not in message.replace(words, "")
    bucket = dms.connection(dms.target(BucketName="there-is-none-such-bucket"))
    assert "AWS Error Code: NoSuchBucket" in bucket["LastFailureMessage"]


def test_a_password_is_nowhere_to_be_read(cloud: LocalCloud, dms: Replications) -> None:
    secret = "secret-of-a-test-7531"
    source = dms.source("postgres", Password=secret)
    dms.connection(source)
    dms.api.modify_endpoint(EndpointArn=source, PostgreSQLSettings={"Password": secret + "2"})
    told = [dms.api.describe_endpoints(), dms.api.describe_connections()]
    told.append(cloud.client("cloudtrail").lookup_events())
    assert secret not in json.dumps(told, default=str)
    files = [file for file in cloud.home.path.glob("*") if file.is_file()]
    assert [file.name for file in files if secret.encode() in file.read_bytes()] == []


def test_a_task_needs_connections_that_were_tried(dms: Replications, database: str) -> None:
    source, target = dms.source(database), dms.target()
    made = dms.api.create_replication_task(
        ReplicationTaskIdentifier=f"untried-{database}",
        SourceEndpointArn=source,
        TargetEndpointArn=target,
        ReplicationInstanceArn=dms.instance,
        MigrationType="full-load",
        TableMappings=mappings(),
    )
    task = made["ReplicationTask"]["ReplicationTaskArn"]
    with pytest.raises(
        ClientError, match="Test connection for replication instance and endpoint should be success"
    ):
        dms.start(task)
    for endpoint in (source, target):
        dms.connection(endpoint)
    found = dms.run(task)  # of a database without tables
    assert "No tables were found at task initialization" in found["LastFailureMessage"]
    with pytest.raises(ClientError, match="START_REPLICATION, valid only for tasks running for the first time"):
        dms.start(task)
    with pytest.raises(ClientError, match="part of one or more ReplicationTasks"):
        dms.api.delete_endpoint(EndpointArn=source)
    with pytest.raises(ClientError, match="has associated Replication Tasks"):
        dms.api.delete_replication_instance(ReplicationInstanceArn=dms.instance)
    dms.delete(task)
    dms.api.delete_endpoint(EndpointArn=source)


REFUSED: dict[str, dict[str, Any]] = {
    "is no source of the local cloud's DMS": {"EngineName": "mysql"},
    "SslMode verify-full": {"SslMode": "verify-full"},
    "ServerName has characters": {"ServerName": "a\r\nFLUSHALL\r\n"},
    "Password has characters": {"Password": "x\x00y"},
    "PostgreSQLSettings.SlotName": {"PostgreSQLSettings": {"SlotName": "mine"}},
    "extra connection attribute pluginname": {"ExtraConnectionAttributes": "PluginName=pglogical"},
    "Username is required": {"Username": ""},
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_no_endpoint_can_be_is_refused(cloud: LocalCloud, words: str) -> None:
    asked: dict[str, Any] = {
        "EndpointIdentifier": "never",
        "EndpointType": "source",
        "EngineName": "postgres",
        "Username": "u",
    }
    asked |= {"Password": "p", "ServerName": "localhost", "Port": 5432, "DatabaseName": "d"} | REFUSED[words]
    with pytest.raises(ClientError, match=words):
        cloud.client("dms").create_endpoint(**asked)


TARGETS: dict[str, dict[str, Any]] = {
    "PreserveTransactions True": {"PreserveTransactions": True},
    "CdcPath": {"CdcPath": "x"},
    "need a BucketName": {"BucketName": ""},
    "is not configured properly": {"ServiceAccessRoleArn": "arn:aws:iam::123456789012:role/none"},
    "CsvDelimiter and CsvRowDelimiter": {"CsvDelimiter": "\\n"},
}


@pytest.mark.parametrize("words", TARGETS)
def test_what_no_target_can_be_is_refused(cloud: LocalCloud, words: str) -> None:
    role = make_role(cloud, "dms")
    settings = {"BucketName": "b", "ServiceAccessRoleArn": role} | TARGETS[words]
    with pytest.raises(ClientError, match=words):
        cloud.client("dms").create_endpoint(
            EndpointIdentifier="never", EndpointType="target", EngineName="s3", S3Settings=settings
        )


@pytest.mark.long
def test_a_reload_loads_a_table_anew(dms: Replications, database: str, sql: Any) -> None:
    sql("CREATE TABLE again (id int PRIMARY KEY); INSERT INTO again VALUES (1)")
    target = dms.target("again")
    task = dms.make(dms.source(database), target, "full-load-and-cdc", mappings(including("public", "again")))
    dms.start(task)
    dms.loaded(task)
    sql("INSERT INTO again VALUES (2)")
    dms.changes("again/", 1)
    wanted = [{"SchemaName": "public", "TableName": "again"}]
    dms.api.reload_tables(ReplicationTaskArn=task, TablesToReload=wanted)
    until(lambda: dms.rows("again/", "LOAD"), lambda rows: rows == [["1"], ["2"]])
    sql("INSERT INTO again VALUES (3)")
    assert dms.changes("again/", 2)[-1] == ["I", "3"]
    assert dms.tables(task)["again"]["FullLoadReloaded"] is True
    dms.delete(dms.stop(task)["ReplicationTaskArn"])
