"""Queries and crawls in a local cloud that is killed, and started again on the same home with a fast clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sagelab.cloud import clock
from sagelab.cloud.home import Home
from sagelab.cloud.spice import Spice
from sagelab.cloud.visuals import read
from tests import clouds
from tests.cloud.builds import make_role
from tests.cloud.dashboards import Desk, kpi, measure
from tests.cloud.kills import kill
from tests.cloud.lake import SLOW, Lake
from tests.waiting import until

pytestmark = pytest.mark.long  # each half of it has a local cloud and an engine of its own

TOKEN, CRAWLER, SCHEDULED = "t" * 32, "killed", "each-five-minutes"
FAST = 300.0  # five minutes in a second
TRAIL_TABLE = """
CREATE EXTERNAL TABLE trail (eventsource string, eventname string, useridentity struct<arn:string>)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.CloudTrailSerde'
LOCATION '{}'
"""


@dataclass(frozen=True)
class Killed:
    """running, waiting: queries when the kill came. after: the lake of the next cloud. statements: of Redshift.

    data: a data set of QuickSight's that has taken in its rows, and was at it anew. dashboard: over it.
    """

    running: str
    waiting: list[str]
    after: Lake
    statements: list[str]
    data: str
    dashboard: str


@pytest.fixture(scope="module")
def killed(sagelab: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    home = Home(tmp_path_factory.mktemp("killed"))
    lake = Lake(clouds.start(home))
    for day in range(1, 6):
        lake.put(f"raw/days/d={day}/a.csv", "id,name\n1,x\n2,y\n")
    lake.rows(f"CREATE TABLE kept WITH (external_location = '{lake.uri('kept/')}') AS SELECT 1 AS n")
    lake.rows("INSERT INTO kept SELECT 2")
    desk = Desk(lake)
    data, _ = desk.make(f"SELECT n FROM {lake.database}.kept", n="INTEGER")
    dashboard = desk.draw(data, kpi(measure("n")))
    running = lake.start(f"INSERT INTO kept {SLOW}", ClientRequestToken=TOKEN)
    until(lambda: lake.get(running), lambda one: one.get("StatementType") == "DML")
    target = {"S3Targets": [{"Path": lake.uri("raw/days/")}]}
    usual = {"Role": make_role(lake.cloud, "glue"), "DatabaseName": lake.database, "Targets": target}
    lake.glue.create_crawler(Name=CRAWLER, **usual)
    lake.glue.create_crawler(Name=SCHEDULED, Schedule="cron(0/5 * * * ? *)", **usual)
    waiting = [lake.start(f"INSERT INTO kept {SLOW}") for _ in range(5)]
    desk.ask("create_ingestion", DataSetId=data, IngestionId="cut-off")
    statements = _statements(lake)
    lake.glue.start_crawler(Name=CRAWLER)
    kill(home)
    after = Lake(clouds.start(home), lake.bucket, lake.database, there=True)
    yield Killed(running, waiting, after, statements, data, dashboard)
    assert sagelab("down", home=home.path).returncode == 0


WAREHOUSE = {"ClusterIdentifier": "killed", "Database": "dev", "DbUser": "awsuser"}


def _statements(lake: Lake) -> list[str]:
    """One that is done, one that runs and one that waits."""
    made = {"NodeType": "ra3.xlplus", "MasterUsername": "awsuser", "MasterUserPassword": "Secret-1-word"}
    lake.cloud.client("redshift").create_cluster(ClusterIdentifier="killed", DBName="dev", **made)
    data: Any = lake.cloud.client("redshift-data")
    series = "generate_series(1, 100000) a(x) CROSS JOIN generate_series(1, 1000000) b(y)"
    slow = f"INSERT INTO kept SELECT count(*) FROM {series} WHERE x * y % 7 = 3"
    sqls = ("CREATE TABLE kept AS SELECT 1 AS n", slow, "INSERT INTO kept VALUES (3)")
    keys = [data.execute_statement(Sql=sql, **WAREHOUSE)["Id"] for sql in sqls]
    until(lambda: data.describe_statement(Id=keys[1])["Status"], lambda status: status == "STARTED")
    return keys


def test_statements_that_a_kill_cut_off_have_failed_and_have_changed_nothing(killed: Killed) -> None:
    data: Any = killed.after.cloud.client("redshift-data")
    told = [data.describe_statement(Id=key) for key in killed.statements]
    assert [one["Status"] for one in told] == ["FINISHED", "FAILED", "FAILED"]
    assert told[1]["Error"] == "ERROR: The local cloud ended while the statement was running."
    key = data.execute_statement(Sql="SELECT n FROM kept", **WAREHOUSE)["Id"]
    done = until(lambda: data.describe_statement(Id=key), lambda one: one["Status"] in ("FINISHED", "FAILED"))
    assert done["Status"] == "FINISHED", done
    assert data.get_statement_result(Id=key)["Records"] == [[{"longValue": 1}]]


def test_what_a_kill_cut_off_has_failed_and_has_written_nothing(killed: Killed) -> None:
    lake = killed.after
    for key in (killed.running, *killed.waiting):
        status = lake.get(key)["Status"]
        assert (status["State"], status["StateChangeReason"]) == (
            "FAILED",
            "The local cloud ended while the query was running.",
        )
        assert status["CompletionDateTime"] >= status["SubmissionDateTime"]
    assert lake.rows("SELECT n FROM kept ORDER BY n") == [["1"], ["2"]]
    again = lake.start(f"INSERT INTO kept {SLOW}", ClientRequestToken=TOKEN)
    assert (again, lake.get(again)["Status"]["State"]) == (killed.running, "FAILED")
    lake.rows("INSERT INTO kept SELECT 3")
    assert lake.rows("SELECT n FROM kept ORDER BY n") == [["1"], ["2"], ["3"]]


def test_a_crawl_that_a_kill_cut_off_has_failed_and_the_next_makes_each_table_once(killed: Killed) -> None:
    lake = killed.after
    found = lake.glue.get_crawler(Name=CRAWLER)["Crawler"]
    assert (found["State"], found["LastCrawl"]["Status"]) == ("READY", "FAILED")
    assert found["LastCrawl"]["ErrorMessage"] == "The local cloud ended while the crawler was running."
    lake.glue.start_crawler(Name=CRAWLER)
    ready = until(lambda: lake.glue.get_crawler(Name=CRAWLER)["Crawler"], lambda one: one["State"] == "READY")
    assert ready["LastCrawl"]["Status"] == "SUCCEEDED"
    crawls = lake.glue.list_crawls(CrawlerName=CRAWLER)["Crawls"]
    assert [one["State"] for one in crawls] == ["COMPLETED", "FAILED"]
    tables = [one["Name"] for one in lake.glue.get_tables(DatabaseName=lake.database)["TableList"]]
    assert sorted(tables) == ["days", "kept"]
    assert lake.rows("SHOW PARTITIONS days") == [[f"d={day}"] for day in range(1, 6)]
    assert lake.rows("SELECT count(*) FROM days") == [["10"]]


def test_a_crawler_with_a_schedule_starts_when_it_is_due(killed: Killed) -> None:
    glue = killed.after.glue
    clock.set_speed(killed.after.cloud.home, FAST)
    until(
        lambda: [one["State"] for one in glue.list_crawls(CrawlerName=SCHEDULED)["Crawls"]],
        lambda states: "COMPLETED" in states,
    )
    glue.stop_crawler_schedule(CrawlerName=SCHEDULED)
    until(lambda: glue.get_crawler(Name=SCHEDULED)["Crawler"], lambda one: one["State"] == "READY")


def test_athena_asks_what_a_trail_has_written(killed: Killed) -> None:
    lake, name = killed.after, "asked"
    trails, place = lake.cloud.client("cloudtrail"), f"arn:aws:s3:::{lake.bucket}"
    principal = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}}
    acl = {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}
    statements = [
        principal | {"Action": "s3:GetBucketAcl", "Resource": place},
        principal | {"Action": "s3:PutObject", "Resource": f"{place}/AWSLogs/*", "Condition": acl},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    lake.s3.put_bucket_policy(Bucket=lake.bucket, Policy=policy)
    trails.create_trail(Name=name, S3BucketName=lake.bucket)
    trails.start_logging(Name=name)
    clock.set_speed(lake.cloud.home, FAST)
    lake.cloud.client("iam").create_user(UserName="somebody-who-is-seen")
    listed = f"AWSLogs/{lake.cloud.home.account}/CloudTrail/"
    until(
        lambda: lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix=listed)["KeyCount"], lambda count: bool(count)
    )
    lake.rows(TRAIL_TABLE.format(lake.uri(listed)))
    sql = (
        "SELECT eventname, count(*), max(useridentity.arn) FROM trail WHERE eventsource = 'iam.amazonaws.com'"
        " AND eventname = 'CreateUser' GROUP BY eventname"
    )
    found = until(lambda: lake.rows(sql), lambda rows: bool(rows))
    assert found == [["CreateUser", "1", lake.cloud.home.caller_arn]]


def test_a_dashboard_keeps_its_rows_though_their_refresh_is_cut_off(killed: Killed) -> None:
    desk = Desk(killed.after)
    assert desk.wait(killed.data, "cut-off")["IngestionStatus"] == "FAILED"
    kept = desk.ask("describe_dashboard_definition", DashboardId=killed.dashboard)
    assert kept["ResourceStatus"] == "CREATION_SUCCESSFUL"
    question = read(kept["Definition"]["Sheets"][0]["Visuals"][0])
    spice = Spice(killed.after.cloud.home.path / "spice")
    assert spice.ask(desk.arn(killed.data), question)["rows"] == [(3.0,)]
