"""QuickSight's data sets and dashboards: what they take in, with whose rights, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from tests.cloud.dashboards import Desk, bar, define, field, kpi, measure
from tests.cloud.lake import SLOW, Lake
from tests.conftest import LocalCloud
from tests.waiting import until

SQL = "SELECT topic, clicks, CAST(day AS timestamp) AS day FROM {}.clicks"
TYPES = {"topic": "STRING", "clicks": "INTEGER", "day": "DATETIME"}


@pytest.fixture(scope="module")
def lake(cloud: LocalCloud) -> Lake:
    found = Lake(cloud)
    found.put("clicks/a.csv", "sport,3,2026-10-26\nmoney,4,2026-10-27\nsport,x,2026-10-28\n")
    found.run(
        "CREATE EXTERNAL TABLE clicks (topic string, clicks string, day string) ROW FORMAT DELIMITED FIELDS"
        f" TERMINATED BY ',' LOCATION '{found.uri('clicks/')}'"
    )
    return found


@pytest.fixture(scope="module")
def desk(lake: Lake) -> Desk:
    return Desk(lake)


def refused(act: Callable[..., Any], *arguments: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as error:
        act(*arguments, **params)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_a_data_set_takes_in_what_its_query_finds_and_again_when_asked(desk: Desk, lake: Lake) -> None:
    key, first = desk.make(SQL.format(lake.database), **TYPES)
    assert first["IngestionStatus"] == "COMPLETED", first
    assert first["RowInfo"] == {"RowsIngested": 2, "RowsDropped": 1, "TotalRowsInDataset": 2}
    assert first["RequestType"] == "INITIAL_INGESTION"
    told = desk.ask("describe_data_set", DataSetId=key)["DataSet"]
    assert told["ConsumedSpiceCapacityInBytes"] == first["IngestionSizeInBytes"] > 0
    assert [one["Type"] for one in told["OutputColumns"]] == list(TYPES.values())
    lake.put("clicks/b.csv", "travel,9,2026-10-29\n")
    desk.ask("create_ingestion", DataSetId=key, IngestionId="again")
    assert desk.wait(key, "again")["RowInfo"]["RowsIngested"] == 3
    listed = desk.ask("list_ingestions", DataSetId=key)["Ingestions"]
    assert [one["IngestionId"] for one in listed] == ["again", first["IngestionId"]]
    code, _ = refused(desk.ask, "create_ingestion", DataSetId=key, IngestionId="again")
    assert code == "ResourceExistsException"
    lake.s3.delete_object(Bucket=lake.bucket, Key="clicks/b.csv")


def test_a_refresh_that_fails_says_why_in_athenas_words(desk: Desk) -> None:
    _, ended = desk.make("SELECT * FROM no_such_db.nothing", x="STRING")
    assert ended["IngestionStatus"] == "FAILED"
    assert "no_such_db" in ended["ErrorInfo"]["Message"]
    _, ended = desk.make("SELECT 1 AS one", two="INTEGER")
    assert ended["ErrorInfo"] == {"Type": "SQL_SCHEMA_MISMATCH_ERROR", "Message": "The query has no column two."}


def test_an_ingestion_has_the_rights_of_who_asks_for_it(
    desk: Desk, lake: Lake, unique: Callable[[str], str]
) -> None:
    iam, name = lake.cloud.client("iam"), unique("analyst")
    iam.create_user(UserName=name)
    allow = [{"Effect": "Allow", "Action": ["quicksight:*", "athena:*", "glue:Get*"], "Resource": "*"}]
    document = json.dumps({"Version": "2012-10-17", "Statement": allow})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    pair = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    api = lake.cloud.client("quicksight", **pair)
    data, ended = desk.make(SQL.format(lake.database), api, **TYPES)
    assert (ended["IngestionStatus"], ended["ErrorInfo"]["Type"]) == ("FAILED", "PERMISSION_DENIED")
    desk.ask("create_ingestion", DataSetId=data, IngestionId="owner")
    assert desk.wait(data, "owner")["IngestionStatus"] == "COMPLETED"
    narrow = allow[0] | {"Action": ["quicksight:CreateDataSet"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [narrow]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    _, words = refused(desk.make, SQL.format(lake.database), api, **TYPES)
    assert "quicksight:PassDataSource on resource: arn:aws:quicksight" in words


def test_an_ingestion_is_cancelled_and_its_query_with_it(
    desk: Desk, lake: Lake, unique: Callable[[str], str]
) -> None:
    key = unique("slow")
    table = desk.table(SLOW.replace("count(*)", "count(*) AS n"), n="INTEGER")
    made = desk.ask("create_data_set", DataSetId=key, Name=key, ImportMode="SPICE", PhysicalTableMap=table)

    def states() -> list[str]:
        found = lake.athena.list_query_executions(WorkGroup=desk.name)["QueryExecutionIds"]
        return [lake.get(one)["Status"]["State"] for one in found[:1]]

    until(states, lambda found: found == ["RUNNING"])
    desk.ask("cancel_ingestion", DataSetId=key, IngestionId=made["IngestionId"])
    ended = desk.wait(key, made["IngestionId"])
    assert (ended["IngestionStatus"], ended["ErrorInfo"]["Type"]) == ("CANCELLED", "INGESTION_CANCELED")
    assert until(states, lambda found: found != ["RUNNING"]) == ["CANCELLED"]


@pytest.fixture(scope="module")
def data(desk: Desk, lake: Lake) -> str:
    return desk.make(SQL.format(lake.database), **TYPES)[0]


def test_a_dashboard_is_kept_in_versions_of_which_one_is_published(desk: Desk, data: str) -> None:
    one, two = bar(field("topic"), measure("clicks")), kpi(measure("clicks"))
    key = desk.draw(data, one, name="First")
    desk.ask("update_dashboard", DashboardId=key, Name="Second", Definition=define(desk.arn(data), two))
    shown = desk.ask("describe_dashboard", DashboardId=key)["Dashboard"]
    assert (shown["Name"], shown["Version"]["VersionNumber"]) == ("First", 1)
    assert shown["Version"]["DataSetArns"] == [desk.arn(data)]
    desk.ask("update_dashboard_published_version", DashboardId=key, VersionNumber=2)
    found = desk.ask("describe_dashboard_definition", DashboardId=key)
    assert (found["Name"], found["Definition"]["Sheets"][0]["Visuals"]) == ("Second", [two])
    first = desk.ask("describe_dashboard_definition", DashboardId=key, VersionNumber=1)
    assert first["Definition"]["Sheets"][0]["Visuals"][0]["BarChartVisual"]["VisualId"]
    assert key in [each["DashboardId"] for each in desk.ask("list_dashboards")["DashboardSummaryList"]]
    desk.ask("delete_dashboard", DashboardId=key)
    assert refused(desk.ask, "describe_dashboard", DashboardId=key)[0] == "ResourceNotFoundException"


def test_what_nothing_here_honours_is_refused_by_its_name(desk: Desk, data: str) -> None:
    def words(operation: str, **params: Any) -> str:
        code, message = refused(desk.ask, operation, **params)
        assert code == "InvalidParameterValueException"
        return message

    pie = define(desk.arn(data), {"PieChartVisual": {"VisualId": "pie"}})
    assert "PieChartVisual is not something" in words(
        "create_dashboard", DashboardId="x", Name="x", Definition=pie
    )
    theme = {"ThemeArn": "arn:aws:quicksight::aws:theme/MIDNIGHT", "Definition": define(desk.arn(data))}
    assert words("create_dashboard", DashboardId="x", Name="x", **theme).startswith("ThemeArn is not something")
    source = {"DataSourceId": "x", "Name": "x", "Type": "MYSQL"}
    assert words("create_data_source", **source).startswith("Type MYSQL is not something")
    table = desk.table("SELECT 1 AS a", a="INTEGER")
    direct = {"DataSetId": "x", "Name": "x", "ImportMode": "DIRECT_QUERY", "PhysicalTableMap": table}
    assert "DIRECT_QUERY" in words("create_data_set", **direct)
    rules = direct | {"ImportMode": "SPICE", "ColumnLevelPermissionRules": [{"Principals": ["x"]}]}
    assert words("create_data_set", **rules).startswith("ColumnLevelPermissionRules is not something")
    with pytest.raises(
        botocore.exceptions.ClientError, match="CreateAnalysis is not something the local cloud runs"
    ):
        desk.ask("create_analysis", AnalysisId="x", Name="x", Definition=define(desk.arn(data)))


def test_an_address_is_that_of_the_consoles_page_and_lets_nobody_in(desk: Desk, data: str) -> None:
    key = desk.draw(data, kpi(measure("clicks")))
    who = {"IdentityType": "QUICKSIGHT", "Email": "a@example.com", "UserRole": "READER", "UserName": "reader"}
    user = desk.ask("register_user", Namespace="default", **who)["User"]
    wanted = {"Dashboard": {"InitialDashboardId": key}}
    url = desk.ask("generate_embed_url_for_registered_user", UserArn=user["Arn"], ExperienceConfiguration=wanted)
    running = desk.lake.cloud.home.server()
    assert running is not None
    assert url["EmbedUrl"].replace("localhost", "127.0.0.1") == f"{running['console']}/dashboards/{key}"
    asked = {"UserArn": user["Arn"] + "x", "ExperienceConfiguration": wanted}
    code, _ = refused(desk.ask, "generate_embed_url_for_registered_user", **asked)
    assert code == "QuickSightUserNotFoundException"


def test_a_data_set_goes_with_its_rows_and_tags(desk: Desk, lake: Lake) -> None:
    key, _ = desk.make("SELECT 1 AS a", a="INTEGER")
    desk.api.tag_resource(ResourceArn=desk.arn(key), Tags=[{"Key": "k", "Value": "v"}])
    assert desk.api.list_tags_for_resource(ResourceArn=desk.arn(key))["Tags"] == [{"Key": "k", "Value": "v"}]
    folder = lake.cloud.home.path / "spice"
    before = len(list(folder.glob("*.db")))
    desk.ask("delete_data_set", DataSetId=key)
    assert len(list(folder.glob("*.db"))) == before - 1
    assert refused(desk.ask, "list_ingestions", DataSetId=key)[0] == "ResourceNotFoundException"
