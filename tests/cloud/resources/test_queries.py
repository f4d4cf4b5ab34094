"""Athena's queries: what they find and read, with whose rights, and what becomes of those that cannot run."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests import signers
from tests.cloud.lake import SLOW, Lake
from tests.conftest import LocalCloud

CLICKS = [
    {"userId": number, "Page": f"p{number % 3}", "geo": {"City": "Bonn", "lat": 50.5}, "tags": ["a", "b"]}
    for number in range(30)
]


@pytest.fixture(scope="module")
def lake(cloud: LocalCloud) -> Lake:
    """With a table of JSON in two partitions, one compressed, and one of CSV whose rows are not all whole."""
    found = Lake(cloud)
    lines = "".join(json.dumps(one) + "\n" for one in CLICKS)
    found.put("clicks/dt=2026-01-01/a.json", lines)
    found.put("clicks/dt=2026-01-02/a.json.gz", gzip.compress(lines.encode()))
    found.put("prices/a.csv", 'page,price\np0,1.5\np1,cheap\n"p2",3\np3\n')
    serde = "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'"
    types = "userid int, page string, geo struct<city:string,lat:double>, tags array<string>"
    where = found.uri("clicks/")
    found.rows(f"CREATE EXTERNAL TABLE clicks ({types}) PARTITIONED BY (dt string) {serde} LOCATION '{where}'")
    found.rows("MSCK REPAIR TABLE clicks")
    found.rows(
        "CREATE EXTERNAL TABLE prices (page string, price double) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
        f" LOCATION '{found.uri('prices/')}' TBLPROPERTIES ('skip.header.line.count'='1')"
    )
    return found


def refused(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**params)
    found = error.value.response["Error"]
    return str(found["Code"]), str(found["Message"])


def test_a_query_reads_what_its_partition_has_and_says_how_much(lake: Lake) -> None:
    query = lake.run(
        "SELECT page, count(*) AS n, max(geo.city) FROM clicks WHERE dt = '2026-01-02' GROUP BY 1 ORDER BY 1"
    )
    assert query["Status"]["State"] == "SUCCEEDED", query["Status"]
    head, *rows = lake.read(query["QueryExecutionId"])
    assert (head, rows) == (["page", "n", "_col2"], [[f"p{number}", "10", "Bonn"] for number in range(3)])
    size = lake.s3.head_object(Bucket=lake.bucket, Key="clicks/dt=2026-01-02/a.json.gz")["ContentLength"]
    assert query["Statistics"]["DataScannedInBytes"] == size
    assert (query["StatementType"], query["SubstatementType"]) == ("DML", "SELECT")
    place = query["ResultConfiguration"]["OutputLocation"]
    assert place == lake.uri(f"results/{query['QueryExecutionId']}.csv")
    body = lake.s3.get_object(Bucket=lake.bucket, Key=place.partition(f"{lake.bucket}/")[2])["Body"].read()
    assert body == b'"page","n","_col2"\n"p0","10","Bonn"\n"p1","10","Bonn"\n"p2","10","Bonn"\n'
    assert lake.s3.head_object(Bucket=lake.bucket, Key=f"{place.partition(f'{lake.bucket}/')[2]}.metadata")
    timeline = lake.athena.get_query_runtime_statistics(QueryExecutionId=query["QueryExecutionId"])
    assert timeline["QueryRuntimeStatistics"]["Rows"] == {"InputBytes": size, "OutputRows": 3}


def test_results_come_in_pages(lake: Lake) -> None:
    query = lake.run(
        "SELECT userid, 'a\"b,\nc' AS text, NULL AS nothing FROM clicks WHERE dt = '2026-01-01' ORDER BY 1"
    )
    key = query["QueryExecutionId"]
    pages = lake.athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=key, PaginationConfig={"PageSize": 7}
    )
    rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
    assert len(rows) == 31
    assert [row[0]["VarCharValue"] for row in rows[1:]] == [str(number) for number in range(30)]
    assert rows[30] == [{"VarCharValue": "29"}, {"VarCharValue": 'a"b,\nc'}, {}]
    columns = lake.athena.get_query_results(QueryExecutionId=key)["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(one["Name"], one["Type"]) for one in columns][:2] == [("userid", "integer"), ("text", "varchar")]
    code, _ = refused(lake.athena.get_query_results, QueryExecutionId=key, NextToken="none")
    assert code == "InvalidRequestException"


def test_what_people_write_comes_out_as_trino_has_it(lake: Lake) -> None:
    asked = {
        "7/2": "3",
        "date_format(TIMESTAMP '2026-01-02 03:04:05', '%Y-%m-%d %H:%i')": "2026-01-02 03:04",
        "date_parse('2026-01-02', '%Y-%m-%d')": "2026-01-02 00:00:00.000",
        "from_unixtime(0)": "1970-01-01 00:00:00.000 UTC",
        'json_extract_scalar(\'{"a":{"b":"x"}}\', \'$.a.b\')': "x",
        "regexp_extract('a1b2', '(\\d)', 1)": "1",
        "element_at(MAP(ARRAY['k'], ARRAY[5]), 'k')": "5",
        "transform(sequence(1, 3), x -> x * 2)": "[2, 4, 6]",
        "slice(ARRAY[1, 2, 3], 2, 2)": "[2, 3]",
        "CAST(ROW(1, 'x') AS ROW(a int, b varchar))": "{a=1, b=x}",
        "try_cast('x' AS int)": None,
        "1e10": "1.0E10",
        "0.1e0 + 0.2e0": "0.30000000000000004",
        "CAST(12345.678 AS decimal(10, 2))": "12345.68",
        "format_datetime(TIMESTAMP '2026-01-02 03:04:05', 'yyyy/MM/dd')": "2026/01/02",
        "url_extract_host('https://a.b/c?d=1')": "a.b",
        "to_hex(to_utf8('a'))": "61",
        "approx_distinct(1)": "1",
        "day_of_week(DATE '2026-01-02')": "5",
    }
    assert lake.rows(f"SELECT {', '.join(asked)}") == [list(asked.values())]
    windows = (
        "WITH ranked AS (SELECT page, userid, row_number() OVER (PARTITION BY page ORDER BY userid DESC) AS r"
        " FROM clicks c WHERE c.dt = '2026-01-01') SELECT ranked.page, userid, price FROM ranked"
        " LEFT JOIN prices p ON p.page = ranked.page WHERE r = 1 ORDER BY 1"
    )
    assert lake.rows(windows) == [["p0", "27", "1.5"], ["p1", "28", None], ["p2", "29", None]]
    assert lake.rows("SELECT count(*) FROM clicks CROSS JOIN UNNEST(tags) AS t(tag) WHERE tag = 'a'") == [["60"]]


def test_rows_that_are_not_whole_are_null_or_end_the_query(lake: Lake) -> None:
    lake.put("bad/a.csv", "1,x\ntwo,y\n")
    made = "CREATE EXTERNAL TABLE {} (a int, b string) {} LOCATION '" + lake.uri("bad/") + "'"
    lake.rows(made.format("lazy", "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"))
    lake.rows(made.format("strict", "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'"))
    lake.rows(made.format("document", "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'"))
    assert lake.rows("SELECT a, b FROM lazy ORDER BY b") == [["1", "x"], [None, "y"]]
    assert lake.rows("SELECT * FROM prices WHERE page = 'p3'") == [["p3", None]]
    assert lake.reason("SELECT a FROM strict").startswith(
        "HIVE_BAD_DATA: Error parsing field value 'two' for field 0"
    )
    assert lake.reason("SELECT a FROM document").startswith("HIVE_CURSOR_ERROR: Row is not a valid JSON Object")
    lake.put("bad/a.csv", '{"a": 1, "b": "x"}\n{"a": 2, "b"\nnonsense\n')
    lenient = "WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')"
    lake.rows(made.format("lenient", f"ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' {lenient}"))
    assert lake.rows("SELECT count(*), count_if(a IS NULL), max(b) FROM lenient") == [["3", "2", "x"]]


def test_a_query_that_cannot_be_run_says_why_in_athenas_words(lake: Lake) -> None:
    database = lake.database
    unresolved = "cannot be resolved or requester is not authorized to access requested resources"
    asked = {
        "SELECT *\nFROM nope": f"TABLE_NOT_FOUND: line 2:6: Table 'awsdatacatalog.{database}.nope' does not exist",
        "SELECT nope FROM clicks": f"COLUMN_NOT_FOUND: line 1:1: Column 'nope' {unresolved}",
        "SELECT * FROM nodb.clicks": "SCHEMA_NOT_FOUND: line 1:1: Schema nodb not found",
        "SELEC 1": "SYNTAX_ERROR: line 1:7: mismatched input '1'",
        "SELECT foo(1)": "FUNCTION_NOT_FOUND: line 1:1: Function 'foo' not registered",
        "SELECT CAST('x' AS int)": "INVALID_CAST_ARGUMENT: Cannot cast 'x' to integer",
        "DROP TABLE nope": f"FAILED: SemanticException Table 'awsdatacatalog.{database}.nope' does not exist",
        "SELECT 1; SELECT 2": "SYNTAX_ERROR: line 1:1: Only one sql statement is allowed",
    }
    started = {sql: lake.start(sql) for sql in asked}
    ended = {sql: lake.wait(key)["Status"] for sql, key in started.items()}
    assert {sql: one["StateChangeReason"] for sql, one in ended.items()} == asked
    error = ended["SELECT *\nFROM nope"]["AthenaError"]
    assert (error["ErrorCategory"], error["Retryable"]) == (2, False)
    words = "Query did not finish successfully. Final query state: FAILED"
    call = lake.athena.get_query_results
    assert refused(call, QueryExecutionId=started["SELEC 1"]) == ("InvalidRequestException", words)


def test_sql_reaches_nothing_but_tables(lake: Lake) -> None:
    """tests/lake has more of them, each against what alone stands in its way."""
    attacks = (
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM (VALUES 1) t CROSS JOIN LATERAL read_csv('/etc/passwd')",
        "SELECT getenv('AWS_SECRET_ACCESS_KEY')",
        "COPY (SELECT 1) TO '/tmp/x'",
    )
    started = [lake.start(sql) for sql in attacks]
    reasons = [lake.wait(key)["Status"]["StateChangeReason"].partition(":")[0] for key in started]
    assert reasons == ["TABLE_NOT_FOUND", "FUNCTION_NOT_FOUND", "FUNCTION_NOT_FOUND", "SYNTAX_ERROR"]


def test_a_query_has_the_rights_of_who_asks(lake: Lake, cloud: LocalCloud, unique: Any) -> None:
    iam, name = cloud.client("iam"), unique("analyst")
    iam.create_user(UserName=name)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    session = signers.session(keys["AccessKeyId"], keys["SecretAccessKey"])
    athena = session.client("athena", endpoint_url=cloud.url)
    code, _ = refused(lambda: lake.start("SELECT 1", athena))
    assert code == "AccessDeniedException"
    allowed = ["athena:*", "s3:PutObject", "s3:ListBucket", "s3:GetObject", "glue:GetTable", "glue:GetPartitions"]

    def allow(*denies: dict[str, Any]) -> None:
        statements = [{"Effect": "Allow", "Action": allowed, "Resource": "*"}, *denies]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=document)

    sql = "SELECT count(*) FROM clicks WHERE dt = '2026-01-01'"
    allow()
    assert lake.run(sql, athena)["Status"]["State"] == "SUCCEEDED"
    data = f"arn:aws:s3:::{lake.bucket}/clicks/*"
    allow({"Effect": "Deny", "Action": "s3:GetObject", "Resource": data})
    reason = lake.reason(sql, athena)
    assert reason.startswith(f"Permission denied on S3 path: {lake.uri('clicks/dt=2026-01-01/a.json')}")
    assert "explicit deny" in reason
    table = f"arn:aws:glue:us-east-1:123456789012:table/{lake.database}/clicks"
    allow({"Effect": "Deny", "Action": "glue:GetTable", "Resource": table})
    reason = lake.reason(sql, athena)
    assert reason.startswith("Insufficient permissions to execute the query.")
    assert f"glue:GetTable on resource: {table} with an explicit deny" in reason
    allow({"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"})
    assert lake.reason(sql, athena).startswith("Access denied when writing output to")
    group = "arn:aws:athena:us-east-1:123456789012:workgroup/primary"
    allow({"Effect": "Deny", "Action": "athena:StartQueryExecution", "Resource": group})
    code, words = refused(lambda: lake.start(sql, athena))
    assert (code, group in words) == ("AccessDeniedException", True)


def test_a_partition_whose_files_are_gone_is_empty_and_one_that_is_missing_is_not_seen(lake: Lake) -> None:
    lake.put("days/d=1/a.csv", "1\n")
    lake.put("days/d=2/a.csv", "2\n")
    lake.rows(
        "CREATE EXTERNAL TABLE days (n int) PARTITIONED BY (d int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
        f" LOCATION '{lake.uri('days/')}'"
    )
    lake.rows("ALTER TABLE days ADD PARTITION (d = 1)")
    assert lake.rows("SELECT sum(n) FROM days") == [["1"]]
    assert "Partition already exists" in lake.reason("ALTER TABLE days ADD PARTITION (d = 1)")
    lake.rows("ALTER TABLE days ADD IF NOT EXISTS PARTITION (d = 1) PARTITION (d = 2)")
    lake.s3.delete_object(Bucket=lake.bucket, Key="days/d=2/a.csv")
    assert lake.rows("SELECT n, d FROM days WHERE d >= 1") == [["1", "1"]]
    lake.rows("ALTER TABLE days DROP PARTITION (d = 2)")
    assert lake.rows("SHOW PARTITIONS days") == [["d=1"]]
    assert "Partition not found" in lake.reason("ALTER TABLE days DROP PARTITION (d = 2)")


def test_projected_partitions_need_no_catalogue(lake: Lake) -> None:
    lake.put("logs/2026/01/02/eu/a.csv", "5\n")
    lake.put("logs/2026/01/03/us/a.csv", "7\n")
    properties = {
        "projection.enabled": "true",
        "projection.day.type": "date",
        "projection.day.range": "2026/01/01,NOW",
        "projection.day.format": "yyyy/MM/dd",
        "projection.place.type": "enum",
        "projection.place.values": "eu,us",
        "storage.location.template": lake.uri("logs/${day}/${place}/"),
    }
    said = ", ".join(f"'{key}'='{value}'" for key, value in properties.items())
    lake.rows(
        "CREATE EXTERNAL TABLE logs (n int) PARTITIONED BY (day string, place string)"
        f" ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION '{lake.uri('logs/')}' TBLPROPERTIES ({said})"
    )
    where = "day BETWEEN '2026/01/02' AND '2026/01/04' AND place IN ('eu', 'us')"
    sql = f"SELECT day, place, n FROM logs WHERE {where} ORDER BY n"
    assert lake.rows(sql) == [["2026/01/02", "eu", "5"], ["2026/01/03", "us", "7"]]


def test_tables_are_made_of_queries_and_written_into(lake: Lake) -> None:
    made = lake.run(
        "CREATE TABLE pages WITH (format = 'PARQUET', partitioned_by = ARRAY['dt']) AS"
        " SELECT page, count(*) AS n, dt FROM clicks GROUP BY page, dt"
    )
    assert made["Status"]["State"] == "SUCCEEDED", made["Status"]
    assert made["SubstatementType"] == "CREATE_TABLE_AS_SELECT"
    place = made["Statistics"]["DataManifestLocation"]
    assert place == lake.uri(f"results/{made['QueryExecutionId']}-manifest.csv")
    key = place.partition(f"{lake.bucket}/")[2]
    files = lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read().decode().split()
    start = lake.uri(f"results/tables/{made['QueryExecutionId']}/")
    assert len(files) == 2
    assert {file.removeprefix(start).partition("/")[0] for file in files} == {"dt=2026-01-01", "dt=2026-01-02"}
    inserted = lake.run("INSERT INTO pages (dt, n, page) VALUES ('2026-01-03', 99, 'px')")
    assert lake.athena.get_query_results(QueryExecutionId=inserted["QueryExecutionId"])["UpdateCount"] == 1
    assert lake.rows("SELECT dt, sum(n) FROM pages GROUP BY dt ORDER BY dt") == [
        ["2026-01-01", "30"],
        ["2026-01-02", "30"],
        ["2026-01-03", "99"],
    ]
    lake.rows("CREATE OR REPLACE VIEW busy AS SELECT * FROM pages WHERE n > 50")
    assert lake.rows("SELECT page FROM busy") == [["px"]]
    unload = (
        f"UNLOAD (SELECT page FROM busy) TO '{lake.uri('unloaded/')}' WITH (format = 'JSON', compression = 'GZIP')"
    )
    assert lake.run(unload)["Status"]["State"] == "SUCCEEDED"
    [one] = lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix="unloaded/")["Contents"]
    body = lake.s3.get_object(Bucket=lake.bucket, Key=one["Key"])["Body"].read()
    assert gzip.decompress(body) == b'{"page":"px"}\n'
    assert lake.reason(unload).startswith("HIVE_PATH_ALREADY_EXISTS")
    assert "already exists" in lake.reason("CREATE TABLE pages AS SELECT 1 AS a")
    shown = "\n".join(str(row[0]) for row in lake.rows("SHOW CREATE TABLE pages"))
    assert "CREATE EXTERNAL TABLE `pages`(" in shown
    assert "ParquetHiveSerDe" in shown


def test_a_schema_that_changes_in_the_middle_is_read_or_refused(lake: Lake) -> None:
    column = [{"Name": "a", "Type": "bigint"}, {"Name": "b", "Type": "string"}]
    lake.rows(f"CREATE TABLE old WITH (external_location = '{lake.uri('mixed/')}') AS SELECT 1 AS a")
    found = lake.glue.get_table(DatabaseName=lake.database, Name="old")["Table"]
    storage = found["StorageDescriptor"] | {"Columns": column}
    given = {"Name": "mixed", "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage, "PartitionKeys": []}
    lake.glue.create_table(DatabaseName=lake.database, TableInput=given)
    lake.rows("INSERT INTO mixed VALUES (2, 'new')")
    assert lake.rows("SELECT a, b FROM mixed ORDER BY a") == [["1", None], ["2", "new"]]
    lake.rows(f"UNLOAD (SELECT 'x' AS a) TO '{lake.uri('text/')}' WITH (format = 'PARQUET')")
    [file] = lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix="text/")["Contents"]
    lake.s3.copy_object(Bucket=lake.bucket, Key="mixed/z", CopySource={"Bucket": lake.bucket, "Key": file["Key"]})
    reason = lake.reason("SELECT a FROM mixed")
    assert reason.startswith(f"HIVE_BAD_DATA: Field a's type VARCHAR in parquet file {lake.uri('mixed/z')}")


def test_a_workgroup_limits_what_a_query_reads_and_says_where_results_go(lake: Lake, unique: Any) -> None:
    group = unique("group")
    settings = {
        "ResultConfiguration": {"OutputLocation": lake.uri("enforced/")},
        "EnforceWorkGroupConfiguration": True,
        "BytesScannedCutoffPerQuery": 10_000_000,
    }
    lake.athena.create_work_group(Name=group, Configuration=settings)
    lake.put("large/a.csv", b"x" * 99 + b"\n" + b"1,2\n" * 3_000_000)
    lake.rows(
        "CREATE EXTERNAL TABLE large (a int, b int) ROW FORMAT DELIMITED FIELDS TERMINATED BY ','"
        f" LOCATION '{lake.uri('large/')}'"
    )
    cut = lake.run("SELECT count(a) FROM large", WorkGroup=group)
    assert cut["Status"]["State"] == "CANCELLED"
    assert "Bytes scanned limit was exceeded" in cut["Status"]["StateChangeReason"]
    fine = lake.run("SELECT 1", WorkGroup=group)
    assert fine["ResultConfiguration"]["OutputLocation"].startswith(lake.uri("enforced/"))
    assert lake.athena.list_query_executions(WorkGroup=group)["QueryExecutionIds"] == [
        fine["QueryExecutionId"],
        cut["QueryExecutionId"],
    ]
    lake.athena.update_work_group(WorkGroup=group, State="DISABLED")
    words = f"WorkGroup {group} is disabled."
    assert refused(lambda: lake.start("SELECT 1", WorkGroup=group)) == ("InvalidRequestException", words)


def test_a_query_is_refused_without_a_place_for_its_results_or_fails_where_there_is_none(lake: Lake) -> None:
    code, words = refused(lambda: lake.start("SELECT 1", ResultConfiguration={}))
    assert (code, words[:28]) == ("InvalidRequestException", "No output location provided.")
    nowhere = {"OutputLocation": "s3://no-such-bucket-anywhere/x/"}
    assert "does not exist" in lake.reason("SELECT 1", ResultConfiguration=nowhere)
    assert refused(lake.athena.get_query_execution, QueryExecutionId="x" * 36)[0] == "InvalidRequestException"


def test_a_query_is_stopped_and_started_once_for_one_token(lake: Lake) -> None:
    token = "t" * 32
    key = lake.start(SLOW, ClientRequestToken=token)
    assert lake.start(SLOW, ClientRequestToken=token) == key
    code, _ = refused(lambda: lake.start("SELECT 1", ClientRequestToken=token))
    assert code == "InvalidRequestException"
    lake.athena.stop_query_execution(QueryExecutionId=key)
    found = lake.wait(key)
    assert found["Status"]["State"] == "CANCELLED"
    assert found["Status"]["StateChangeReason"] == "Query cancelled by user"


def test_statements_are_prepared_and_queries_are_kept(lake: Lake, unique: Any) -> None:
    name = unique("statement").replace("-", "_")
    lake.rows(f"PREPARE {name} FROM SELECT count(*) FROM clicks WHERE dt = ? AND userid < ?")
    assert lake.rows(f"EXECUTE {name} USING '2026-01-01', 5") == [["5"]]
    sql = "SELECT count(*) FROM clicks WHERE dt = ? AND page = ?"
    assert lake.rows(sql, ExecutionParameters=["'2026-01-01'", "'p1'"]) == [["10"]]
    assert "Incorrect number of parameters" in lake.reason(sql, ExecutionParameters=["'x'"])
    athena = lake.athena
    found = athena.get_prepared_statement(StatementName=name, WorkGroup="primary")["PreparedStatement"]
    assert found["QueryStatement"].startswith("SELECT count(*)")
    lake.rows(f"DEALLOCATE PREPARE {name}")
    code, _ = refused(athena.get_prepared_statement, StatementName=name, WorkGroup="primary")
    assert code == "ResourceNotFoundException"
    key = athena.create_named_query(Name="counts", Database=lake.database, QueryString="SELECT 1")["NamedQueryId"]
    assert athena.get_named_query(NamedQueryId=key)["NamedQuery"]["QueryString"] == "SELECT 1"
    assert (
        athena.batch_get_named_query(NamedQueryIds=[key, "x"])["UnprocessedNamedQueryIds"][0]["NamedQueryId"]
        == "x"
    )
    athena.delete_named_query(NamedQueryId=key)
    assert refused(athena.get_named_query, NamedQueryId=key)[0] == "InvalidRequestException"


def test_athena_tells_of_the_catalogue(lake: Lake) -> None:
    athena, named = lake.athena, {"CatalogName": "AwsDataCatalog", "DatabaseName": lake.database}
    found = athena.get_table_metadata(**named, TableName="clicks")["TableMetadata"]
    assert [one["Name"] for one in found["Columns"]] == ["userid", "page", "geo", "tags"]
    assert found["PartitionKeys"] == [{"Name": "dt", "Type": "string"}]
    assert found["Parameters"]["location"] == lake.uri("clicks/")
    listed = athena.list_table_metadata(**named, Expression="click.*")["TableMetadataList"]
    assert [one["Name"] for one in listed] == ["clicks"]
    assert athena.get_database(**named)["Database"]["Name"] == lake.database
    assert refused(athena.get_table_metadata, **named, TableName="nope")[0] == "MetadataException"
    assert athena.list_data_catalogs()["DataCatalogsSummary"] == [
        {"CatalogName": "AwsDataCatalog", "Type": "GLUE"}
    ]


def test_a_workgroup_has_tags(lake: Lake, unique: Any) -> None:
    group, athena = unique("tagged"), lake.athena
    athena.create_work_group(Name=group, Tags=[{"Key": "team", "Value": "a"}])
    arn = f"arn:aws:athena:us-east-1:123456789012:workgroup/{group}"
    athena.tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "b"}, {"Key": "cost", "Value": "1"}])
    athena.untag_resource(ResourceARN=arn, TagKeys=["cost"])
    assert athena.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "b"}]
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    code, words = refused(athena.tag_resource, ResourceARN=arn, Tags=many)
    assert (code, words) == ("InvalidRequestException", "A resource has 50 tags at most.")
    code, _ = refused(athena.list_tags_for_resource, ResourceARN=f"{arn}-none")
    assert code == "ResourceNotFoundException"
