"""Glue's crawlers: what they make of files, and of files that change."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pandas
import pytest
from botocore.exceptions import ClientError

from tests.cloud.builds import make_role
from tests.cloud.lake import Lake
from tests.conftest import LocalCloud
from tests.waiting import until


class Crawlers:
    """Makes crawlers with one role, which run to their end."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.lake = Lake(cloud)
        self.role, self.logs = make_role(cloud, "glue"), cloud.client("logs")

    def make(self, name: str, path: str, **more: Any) -> str:
        target = {"Path": self.lake.uri(path)} | more.pop("Target", {})
        usual = {"Role": self.role, "DatabaseName": self.lake.database, "Targets": {"S3Targets": [target]}}
        self.lake.glue.create_crawler(Name=name, **(usual | more))
        return name

    def get(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.lake.glue.get_crawler(Name=name)["Crawler"]
        return found

    def run(self, name: str) -> dict[str, Any]:
        """The last crawl, of a crawler that is started."""
        self.lake.glue.start_crawler(Name=name)
        found: dict[str, Any] = until(lambda: self.get(name), lambda one: one["State"] == "READY")["LastCrawl"]
        return found

    def table(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.lake.glue.get_table(DatabaseName=self.lake.database, Name=name)["Table"]
        return found

    def columns(self, name: str) -> dict[str, str]:
        return {one["Name"]: one["Type"] for one in self.table(name)["StorageDescriptor"]["Columns"]}

    def log(self, name: str) -> Iterator[str]:
        found = self.logs.get_log_events(logGroupName="/aws-glue/crawlers", logStreamName=name)["events"]
        yield from (one["message"].partition("] ")[2] for one in found)


@pytest.fixture(scope="module")
def crawlers(cloud: LocalCloud) -> Crawlers:
    return Crawlers(cloud)


def test_a_crawler_makes_tables_that_athena_asks_and_follows_their_change(crawlers: Crawlers, unique: Any) -> None:
    lake, name = crawlers.lake, unique("crawler")
    click = {"userId": 1, "geo": {"City": "Bonn", "lat": 1.5}, "tags": ["a"]}
    for day in (1, 2):
        lake.put(f"raw/clicks/dt=2026-01-0{day}/a.json", (json.dumps(click) + "\n") * 3)
        lake.put(f"raw/Sales/2026/0{day}/a.csv", "id,name,price\n1,ann,1.5\n2,bob,2\n")
    parquet = io.BytesIO()
    pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}).to_parquet(parquet)
    lake.put("raw/small/a.parquet", parquet.getvalue())
    lake.put("raw/skipped/a.csv", "a,b\n1,2\n3,4\n")
    lake.put("raw/odd/a.bin", bytes(range(256)) * 10)
    crawlers.make(name, "raw/", Target={"Exclusions": ["skip*/**"]}, TablePrefix="t_")
    assert crawlers.run(name)["Status"] == "SUCCEEDED"
    listed = lake.glue.get_tables(DatabaseName=lake.database)["TableList"]
    assert {one["Name"] for one in listed} == {"t_clicks", "t_sales", "t_small"}
    clicks = crawlers.table("t_clicks")
    assert crawlers.columns("t_clicks") == {
        "userid": "int",
        "geo": "struct<city:string,lat:double>",
        "tags": "array<string>",
    }
    assert clicks["PartitionKeys"] == [{"Name": "dt", "Type": "string"}]
    facts = {"classification": "json", "recordCount": "6", "UPDATED_BY_CRAWLER": name}
    assert facts.items() <= clicks["Parameters"].items()
    sales = crawlers.table("t_sales")
    assert [one["Name"] for one in sales["PartitionKeys"]] == ["partition_0", "partition_1"]
    assert crawlers.columns("t_sales") == {"id": "bigint", "name": "string", "price": "double"}
    assert sales["Parameters"]["skip.header.line.count"] == "1"
    assert crawlers.columns("t_small") == {"a": "bigint", "b": "string"}
    assert lake.rows("SELECT sum(price) FROM t_sales WHERE partition_1 = '02'") == [["3.5"]]
    assert lake.rows("SELECT count(*), max(geo.city) FROM t_clicks WHERE dt = '2026-01-01'") == [["3", "Bonn"]]
    lines = list(crawlers.log(name))
    assert f"INFO : Created table t_small in database {lake.database}" in lines
    assert any("odd/a.bin is UNKNOWN" in line for line in lines)
    lake.put("raw/clicks/dt=2026-01-03/a.json", json.dumps(click | {"extra": 1}) + "\n")
    lake.s3.delete_object(Bucket=lake.bucket, Key="raw/small/a.parquet")
    crawlers.run(name)
    assert crawlers.columns("t_clicks")["extra"] == "int"
    assert "DEPRECATED_BY_CRAWLER" in crawlers.table("t_small")["Parameters"]
    assert lake.rows("SELECT count(extra) FROM t_clicks") == [["1"]]
    [metrics] = lake.glue.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"]
    assert (metrics["TablesCreated"], metrics["TablesUpdated"], metrics["TablesDeleted"]) == (0, 1, 1)
    assert [one["State"] for one in lake.glue.list_crawls(CrawlerName=name)["Crawls"]] == [
        "COMPLETED",
        "COMPLETED",
    ]


def test_a_crawler_that_only_logs_leaves_a_schema_and_one_that_deletes_removes_a_table(
    crawlers: Crawlers, unique: Any
) -> None:
    lake, name = crawlers.lake, unique("crawler")
    lake.put("kept/a.csv", "id,name\n1,x\n2,y\n")
    policy = {"UpdateBehavior": "LOG", "DeleteBehavior": "DELETE_FROM_DATABASE"}
    crawlers.make(name, "kept/", SchemaChangePolicy=policy)
    crawlers.run(name)
    lake.put("kept/a.csv", "id,name,more\n1,x,2\n2,y,3\n")
    crawlers.run(name)
    assert crawlers.columns("kept") == {"id": "bigint", "name": "string"}
    lake.s3.delete_object(Bucket=lake.bucket, Key="kept/a.csv")
    crawlers.run(name)
    with pytest.raises(lake.glue.exceptions.EntityNotFoundException):
        crawlers.table("kept")


def test_a_crawler_has_the_rights_of_its_role_and_states_that_move_in_order(
    crawlers: Crawlers, cloud: LocalCloud, unique: Any
) -> None:
    lake, glue, name = crawlers.lake, crawlers.lake.glue, unique("crawler")
    lake.put("closed/a.csv", "id,name\n1,x\n2,y\n")
    crawlers.make(name, "closed/", Role=make_role(cloud, "glue", actions=("glue:*", "s3:ListBucket")))
    last = crawlers.run(name)
    assert last["Status"] == "FAILED"
    assert last["ErrorMessage"].startswith(f"Permission denied on S3 path: {lake.uri('closed/a.csv')}")
    assert refused(glue.stop_crawler, Name=name)[0] == "CrawlerNotRunningException"
    glue.start_crawler(Name=name)
    assert refused(glue.start_crawler, Name=name) == (
        "CrawlerRunningException",
        f"Crawler with name {name} has already started",
    )
    assert refused(glue.delete_crawler, Name=name)[0] == "CrawlerRunningException"
    glue.stop_crawler(Name=name)
    ended = until(lambda: crawlers.get(name), lambda one: one["State"] == "READY")
    assert ended["LastCrawl"]["Status"] == "CANCELLED"
    assert [one["State"] for one in glue.list_crawls(CrawlerName=name)["Crawls"]] == ["STOPPED", "FAILED"]
    glue.delete_crawler(Name=name)
    assert refused(glue.get_crawler, Name=name)[0] == "EntityNotFoundException"


def test_what_nothing_crawls_is_refused(crawlers: Crawlers, cloud: LocalCloud, unique: Any) -> None:
    untrusted = make_role(cloud, "lambda")
    code, words = refused(crawlers.make, name=unique("c"), path="x/", Role=untrusted)
    assert (code, "unable to assume" in words) == ("InvalidInputException", True)
    for more in (
        {"Targets": {"JdbcTargets": [{"ConnectionName": "x", "Path": "y"}]}},
        {"Schedule": "rate(5 minutes)"},
        {"Configuration": "{"},
        {"Classifiers": ["own"]},
        {"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}},
    ):
        assert refused(crawlers.make, name=unique("c"), path="x/", **more)[0] == "InvalidInputException"
    scheduled = crawlers.make(unique("c"), "x/", Schedule="cron(15 12 * * ? *)")
    glue = crawlers.lake.glue
    assert crawlers.get(scheduled)["Schedule"] == {
        "ScheduleExpression": "cron(15 12 * * ? *)",
        "State": "SCHEDULED",
    }
    glue.stop_crawler_schedule(CrawlerName=scheduled)
    assert crawlers.get(scheduled)["Schedule"]["State"] == "NOT_SCHEDULED"
    assert refused(glue.stop_crawler_schedule, CrawlerName=scheduled)[0] == "SchedulerNotRunningException"
    glue.delete_crawler(Name=scheduled)


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**params)
    found = error.value.response["Error"]
    return str(found["Code"]), str(found["Message"])
