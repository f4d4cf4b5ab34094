from __future__ import annotations

from typing import Any

import pytest

from sagelab.lab import athena, cleanup, news, security, streams
from sagelab.lab.session import Lab


@pytest.fixture(scope="module")
def clicks() -> Any:
    return news.make(readers=20, clicks=1_400, spike=10).week


def test_clicks_become_a_lake_that_a_crawler_finds_and_athena_asks(
    lab: Lab, clicks: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    allow = [{"Effect": "Allow", "Action": ["s3:*", "glue:*", "logs:*"], "Resource": "*"}]
    role = security.role(lab, "lake", allow, services=["firehose", "glue"])
    database = athena.name(lab)
    for _ in range(2):
        streams.database(lab, database, "form", list(clicks.columns))
    place, keys = lab.uri("lake"), {"day": ".time[0:10]"}
    for _ in range(2):
        streams.deliver(lab, role, place, keys, (database, "form"))
    assert 'lab.client("firehose").create_delivery_stream(' in capsys.readouterr().out
    assert streams.pour(lab, lab.name, clicks) == 0
    found = streams.landed(lab, place, len(clicks))
    assert list(found.index) == [f"day={day}" for day in sorted(clicks["time"].str[:10].unique())]
    assert found["rows"].sum() == len(clicks)
    targets = {"Targets": {"S3Targets": [{"Path": place + "/"}]}, "DatabaseName": database}
    lab.client("glue").create_crawler(Name=lab.name, Role=role, Tags={lab.tags[0]["Key"]: lab.name}, **targets)
    assert streams.crawl(lab, lab.name)["Status"] == "SUCCEEDED"
    day = clicks["time"].iloc[0][:10]
    answer = athena.ask(lab, f"SELECT count(*) AS clicks FROM lake WHERE day = '{day}'")
    assert answer["clicks"][0] == clicks["time"].str.startswith(day).sum()
    assert "KB of S3: $0.00005 on AWS" in capsys.readouterr().out
    assert answer.attrs["read"] > 0
    lab.client("glue").start_crawler(Name=lab.name)  # what is at work is not removed at once
    glue, tags = lab.client("glue"), {lab.tags[0]["Key"]: lab.name}
    command = {"Name": "pythonshell", "ScriptLocation": lab.uri("none.py"), "PythonVersion": "3"}
    glue.create_job(Name=lab.name, Role=role, Command=command, Tags=tags)
    glue.create_workflow(Name=lab.name, Tags=tags)
    glue.create_trigger(Name=lab.name, Type="ON_DEMAND", Actions=[{"JobName": lab.name}], Tags=tags)
    nouns = ("delivery stream", "crawler", "Glue job", "workflow", "trigger")
    assert {f"removed {noun} {lab.name}" for noun in nouns} <= set(cleanup.clean(lab))
    cleanup.assert_clean(lab)
    security.remove(lab)


def test_a_shard_refuses_and_in_the_end_all_records_are_there(lab: Lab, clicks: Any) -> None:
    for _ in range(2):
        arn = streams.shards(lab, lab.name, 1)
    assert arn.endswith(f":stream/{lab.name}")
    assert streams.pour(lab, lab.name, clicks, "kinesis") >= 0
    kinesis = lab.client("kinesis")
    (shard,) = kinesis.list_shards(StreamName=lab.name)["Shards"]
    asked = {"StreamName": lab.name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    place, count = kinesis.get_shard_iterator(**asked)["ShardIterator"], 0
    while True:
        page = kinesis.get_records(ShardIterator=place)
        if not page["Records"]:
            break
        count, place = count + len(page["Records"]), page["NextShardIterator"]
    assert count == len(clicks)
    cleanup.clean(lab)
    cleanup.assert_clean(lab)


def test_counts_are_waited_for_and_the_most_come_first(lab: Lab) -> None:
    for _ in range(2):
        table = streams.table(lab, f"{lab.name}-now", "hour", "article")
    for article, clicks in (("a", 2), ("b", 5)):
        item = {"hour": {"S": "20"}, "article": {"S": article}, "clicks": {"N": str(clicks)}}
        lab.client("dynamodb").put_item(TableName=table, Item=item)
    assert streams.counted(lab, table, "20", 7).to_dict() == {"b": 5, "a": 2}
    assert cleanup.clean(lab) == [f"removed table {table}"]
