"""Firehose: what is put comes to S3, in the form that is asked for, and what fails is put aside."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from datetime import UTC, datetime
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from botocore.exceptions import ClientError

from tests.cloud.builds import make_role
from tests.cloud.firehoses import PARTITIONED, Firehoses
from tests.cloud.functions import Functions
from tests.conftest import LocalCloud
from tests.waiting import until

ACCOUNT = "123456789012"
CLICKS: list[dict[str, Any]] = [{"user": number, "page": f"p{number % 3}"} for number in range(12)]


@pytest.fixture(scope="module")
def hoses(cloud: LocalCloud) -> Firehoses:
    return Firehoses(cloud)


def code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def test_records_come_to_s3_in_order_under_aws_s_name(hoses: Firehoses) -> None:
    name = hoses.make(Prefix="plain/")
    answer = hoses.put(name, *CLICKS)
    ids = [one["RecordId"] for one in answer["RequestResponses"]]
    assert (answer["FailedPutCount"], len(set(ids)), answer["Encrypted"]) == (0, 12, False)
    assert hoses.await_lines("plain/", 12) == CLICKS
    (key,) = hoses.keys("plain/")
    now = datetime.now(UTC)
    assert re.fullmatch(
        rf"plain/{now:%Y/%m}/\d\d/\d\d/{name}-1-{now:%Y-%m}-\d\d-\d\d-\d\d-\d\d-[0-9a-f-]{{36}}", key
    )


def test_records_gather_until_the_buffer_is_full(hoses: Firehoses) -> None:
    name = hoses.make(Prefix="full/", BufferingHints={"SizeInMBs": 1, "IntervalInSeconds": 900})
    hoses.api.put_record(DeliveryStreamName=name, Record={"Data": b"a" * 600_000})
    assert hoses.keys("full/") == []
    hoses.api.put_record(DeliveryStreamName=name, Record={"Data": b"b" * 600_000})
    until(lambda: hoses.content("full/"), lambda content: content == b"a" * 600_000 + b"b" * 600_000)


@pytest.mark.parametrize(
    ("compression", "ending"), [("GZIP", ".gz"), ("ZIP", ".zip"), ("HADOOP_SNAPPY", ".hsnappy")]
)
def test_objects_are_compressed(hoses: Firehoses, compression: str, ending: str) -> None:
    name = hoses.make(Prefix=f"{compression}/", CompressionFormat=compression)
    hoses.put(name, *CLICKS)
    (key,) = until(lambda: hoses.keys(f"{compression}/"), bool)
    assert key.endswith(ending)
    body = hoses.s3.get_object(Bucket=hoses.bucket, Key=key)["Body"].read()
    assert [json.loads(line) for line in unpacked(compression, hoses.body(key), body).splitlines()] == CLICKS


def unpacked(compression: str, unzipped: bytes, body: bytes) -> bytes:
    if compression == "ZIP":
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return archive.read(archive.namelist()[0])
    if compression == "HADOOP_SNAPPY":
        size, length = (int.from_bytes(body[at : at + 4], "big") for at in (0, 4))
        assert length == len(body) - 8
        found: bytes = pyarrow.decompress(body[8:], size, codec="snappy", asbytes=True)
        return found
    return unzipped


def test_prefixes_have_expressions_and_a_zone_and_an_ending(hoses: Firehoses) -> None:
    prefix = "zoned/y=!{timestamp:yyyy}/!{timestamp:'h='HH}/!{firehose:random-string}/"
    failures = "zoned-errors/!{firehose:error-output-type}/"
    zone: dict[str, Any] = {"CustomTimeZone": "Asia/Tokyo", "FileExtension": ".jsonl"}
    name = hoses.make(Prefix=prefix, ErrorOutputPrefix=failures, **zone)
    hoses.put(name, *CLICKS)
    (key,) = until(lambda: hoses.keys("zoned/"), bool)
    assert re.fullmatch(r"zoned/y=\d{4}/h=\d\d/[0-9a-f]{8}-[0-9a-f]{2}/.*\.jsonl", key)


def test_the_source_is_backed_up_beside(hoses: Firehoses) -> None:
    backup = hoses.place(Prefix="raw/", CompressionFormat="GZIP")
    name = hoses.make(Prefix="beside/", S3BackupMode="Enabled", S3BackupConfiguration=backup)
    hoses.put(name, *CLICKS)
    assert hoses.await_lines("beside/", 12) == hoses.await_lines("raw/", 12) == CLICKS


TRANSFORM = """
import base64, json

def handler(event, context):
    found = []
    for one in event["records"]:
        click = json.loads(base64.b64decode(one["data"]))
        result = ["Ok", "Dropped", "ProcessingFailed"][click["user"] % 3]
        data = base64.b64encode(json.dumps({"seen": click["user"]}).encode() + b"\\n").decode()
        found.append({"recordId": one["recordId"], "result": result, "data": data})
    return {"records": found}
"""


def processing(*processors: tuple[str, dict[str, str]]) -> dict[str, Any]:
    rows = [
        {
            "Type": kind,
            "Parameters": [{"ParameterName": name, "ParameterValue": text} for name, text in given.items()],
        }
        for kind, given in processors
    ]
    return {"Enabled": True, "Processors": rows}


def arn_of(function: str) -> str:
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function}:$LATEST"


def test_a_function_transforms_drops_and_fails_records(cloud: LocalCloud, hoses: Firehoses, unique: Any) -> None:
    function = arn_of(Functions(cloud, unique).make(TRANSFORM))
    name = hoses.make(Prefix="made/", ProcessingConfiguration=processing(("Lambda", {"LambdaArn": function})))
    hoses.put(name, *CLICKS)
    assert hoses.await_lines("made/2", 4) == [{"seen": number} for number in (0, 3, 6, 9)]
    failed = hoses.await_lines("made/processing-failed/", 4)
    assert [json.loads(base64.b64decode(one["rawData"]))["user"] for one in failed] == [2, 5, 8, 11]
    assert {(one["errorCode"], one["attemptsMade"], one["lambdaArn"]) for one in failed} == {
        ("Lambda.ProcessingFailedStatus", 1, function)
    }


@pytest.mark.parametrize(
    ("answer", "error", "attempts"),
    [
        ("1 / 0", "Lambda.FunctionError", 2),
        ("__import__('time').sleep(600)", "Lambda.FunctionError", 2),
        ("{'records': []}", "Lambda.MissingRecordId", 1),
        ("{'records': [dict(one, result='Ok') for one in event['records'] * 2]}", "Lambda.DuplicatedRecordId", 1),
        ("{'records': [dict(one, result='Odd') for one in event['records']]}", "Lambda.FunctionError", 1),
        ("{'records': [dict(one, result='Ok', data='?') for one in event['records']]}", "Lambda.FunctionError", 1),
        ("'x' * 7_000_000", "Lambda.FunctionError", 2),
    ],
    ids=["raises", "never-returns", "missing", "twice", "odd", "no-base64", "large"],
)
def test_a_function_that_answers_nothing_sound_puts_records_aside(
    cloud: LocalCloud, hoses: Firehoses, unique: Any, answer: str, error: str, attempts: int
) -> None:
    functions = Functions(cloud, unique)
    code_of = f"def handler(event, context):\n    return {answer}\n"
    options = {"Timeout": 1} if "sleep" in answer else {}
    given = {"LambdaArn": arn_of(functions.make(code_of, **options)), "NumberOfRetries": "1"}
    prefix = f"{unique('odd')}/"
    name = hoses.make(Prefix=prefix, ProcessingConfiguration=processing(("Lambda", given)))
    hoses.put(name, *CLICKS[:3])
    failed = hoses.await_lines(f"{prefix}processing-failed/", 3)
    assert {(one["errorCode"], one["attemptsMade"]) for one in failed} == {(error, attempts)}
    assert [json.loads(base64.b64decode(one["rawData"])) for one in failed] == CLICKS[:3]
    assert hoses.keys(f"{prefix}2") == []


def test_records_are_partitioned_by_a_query(hoses: Firehoses) -> None:
    query = {"MetadataExtractionQuery": "{page: .page, odd: (.user % 2)}", "JsonParsingEngine": "JQ-1.6"}
    name = hoses.make(
        Prefix="parts/page=!{partitionKeyFromQuery:page}/odd=!{partitionKeyFromQuery:odd}/",
        ErrorOutputPrefix="parts-errors/!{firehose:error-output-type}/",
        BufferingHints=PARTITIONED,
        DynamicPartitioningConfiguration={"Enabled": True},
        ProcessingConfiguration=processing(
            ("MetadataExtraction", query),
            ("RecordDeAggregation", {"SubRecordType": "JSON"}),
            ("AppendDelimiterToRecord", {"Delimiter": "\\n"}),
        ),
    )
    together = "".join(map(json.dumps, CLICKS[:6])).encode()
    hoses.put(name, together, *CLICKS[6:], b"no json", {"user": 1}, {"user": 2, "page": None})
    assert sorted(hoses.await_lines("parts/", 12), key=lambda one: int(one["user"])) == CLICKS
    assert hoses.lines("parts/page=p1/odd=0/") == [
        one for one in CLICKS if one["page"] == "p1" and one["user"] % 2 == 0
    ]
    failed = hoses.await_lines("parts-errors/metadata-extraction-failed/", 3)
    assert {one["errorCode"] for one in failed} == {"DynamicPartitioning.MetadataExtractionFailed"}
    assert failed[2]["errorMessage"] == "partitionKeys values must not be null or empty"


KEYED = """
import base64, json

def handler(event, context):
    found = []
    for one in event["records"]:
        click = json.loads(base64.b64decode(one["data"]))
        keys = {"page": click["page"]} if click["user"] else {}
        made = {"recordId": one["recordId"], "result": "Ok", "data": one["data"]}
        found.append(made | {"metadata": {"partitionKeys": keys}})
    return {"records": found}
"""


def test_records_are_partitioned_by_a_function(cloud: LocalCloud, hoses: Firehoses, unique: Any) -> None:
    function = arn_of(Functions(cloud, unique).make(KEYED))
    name = hoses.make(
        Prefix="keyed/!{partitionKeyFromLambda:page}/!{timestamp:yyyy}/",
        ErrorOutputPrefix="keyed-errors/!{firehose:error-output-type}/",
        BufferingHints=PARTITIONED,
        DynamicPartitioningConfiguration={"Enabled": True},
        ProcessingConfiguration=processing(("Lambda", {"LambdaArn": function})),
    )
    hoses.put(name, *CLICKS)
    assert len(hoses.await_lines("keyed/", 11)) == 11
    assert [one["user"] for one in hoses.lines("keyed/p1/")] == [1, 4, 7, 10]
    assert len(hoses.await_lines("keyed-errors/", 1)) == 1


COLUMNS = [("user", "int"), ("page", "string"), ("at", "timestamp"), ("geo", "struct<city:string,lat:double>")]


def conversion(role: str, database: str, table: str = "clicks", **writing: Any) -> dict[str, Any]:
    return {
        "SchemaConfiguration": {
            "RoleARN": role,
            "DatabaseName": database,
            "TableName": table,
            "Region": "us-east-1",
        },
        "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": writing or {"ParquetSerDe": {}}},
    }


def make_table(cloud: LocalCloud, database: str, columns: list[tuple[str, str]]) -> Any:
    glue = cloud.client("glue")
    glue.create_database(DatabaseInput={"Name": database})
    rows = [{"Name": name, "Type": kind} for name, kind in columns]
    glue.create_table(DatabaseName=database, TableInput={"Name": "clicks", "StorageDescriptor": {"Columns": rows}})
    return glue


def read_parquet(hoses: Firehoses, prefix: str) -> list[dict[str, Any]]:
    bodies = [io.BytesIO(hoses.body(key)) for key in hoses.keys(prefix)]
    return [row for body in bodies for row in pyarrow.parquet.read_table(body).to_pylist()]


def test_records_become_parquet_by_the_catalogue_whose_table_changes(
    cloud: LocalCloud, hoses: Firehoses, unique: Any
) -> None:
    database = unique("db").replace("-", "_")
    glue = make_table(cloud, database, COLUMNS)
    name = hoses.make(
        Prefix="columns/",
        BufferingHints=PARTITIONED,
        DataFormatConversionConfiguration=conversion(hoses.role, database),
    )
    good = {"USER": 7, "page": "p", "at": "2026-01-02T03:04:05Z", "geo": {"city": "Bonn", "lat": 1.5}, "more": 1}
    bad = [b"{", b"[1]", b'{"user": "x"}', b'{"user": 99999999999}', b'{"page": "\\ud800"}', b"", b"[" * 50_000]
    hoses.put(name, good, *bad, b'{"user": 8} {"user": 9}')
    failed = hoses.await_lines("columns/format-conversion-failed/", len(bad))
    assert [one["lastErrorCode"].rpartition(".")[2] for one in failed] == [
        *(
            "ParseError",
            "ParseError",
            "MalformedData",
            "MalformedData",
            "MalformedData",
            "ParseError",
            "ParseError",
        )
    ]
    assert failed[0]["dataCatalogTable"]["tableName"] == "clicks"
    rows = until(lambda: read_parquet(hoses, "columns/2"), bool)
    assert [row["user"] for row in rows] == [7, 8, 9]
    assert (rows[0]["geo"], rows[0]["at"]) == ({"city": "Bonn", "lat": 1.5}, datetime(2026, 1, 2, 3, 4, 5))
    assert hoses.keys("columns/2")[0].endswith(".parquet")
    columns = [{"Name": "user", "Type": "string"}, {"Name": "more", "Type": "array<int>"}]
    glue.update_table(
        DatabaseName=database, TableInput={"Name": "clicks", "StorageDescriptor": {"Columns": columns}}
    )
    hoses.put(name, {"user": 10, "more": [1, None]})
    rows = until(lambda: read_parquet(hoses, "columns/2"), lambda found: len(found) > 3)
    assert rows[3:] == [{"user": "10", "more": [1, None]}]


def test_a_table_that_is_gone_holds_records_back_until_it_is_there_again(
    cloud: LocalCloud, hoses: Firehoses, unique: Any
) -> None:
    database = unique("db").replace("-", "_")
    glue = make_table(cloud, database, [("user", "int")])
    logs, group = cloud.client("logs"), unique("/aws/kinesisfirehose/x")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="S3Delivery")
    name = hoses.make(
        Prefix="gone/",
        BufferingHints=PARTITIONED,
        DataFormatConversionConfiguration=conversion(hoses.role, database),
        CloudWatchLoggingOptions={"Enabled": True, "LogGroupName": group, "LogStreamName": "S3Delivery"},
    )
    glue.delete_table(DatabaseName=database, Name="clicks")
    hoses.put(name, {"user": 1})
    told = until(lambda: read_log(logs, group), bool)
    assert told[0]["errorCode"] == "DataFormatConversion.EntityNotFoundException"
    glue.create_table(
        DatabaseName=database,
        TableInput={"Name": "clicks", "StorageDescriptor": {"Columns": [{"Name": "user", "Type": "int"}]}},
    )
    assert until(lambda: read_parquet(hoses, "gone/2"), bool) == [{"user": 1}]


def read_log(logs: Any, group: str) -> list[Any]:
    events = logs.get_log_events(logGroupName=group, logStreamName="S3Delivery", startFromHead=True)["events"]
    return [json.loads(one["message"]) for one in events]


def test_what_a_role_may_not_write_waits_and_the_log_says_so(cloud: LocalCloud, unique: Any) -> None:
    role = make_role(cloud, "firehose", actions=("logs:*", "s3:GetObject"))
    hoses = Firehoses(cloud, role=role)
    logs, group = cloud.client("logs"), unique("/aws/kinesisfirehose/x")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="S3Delivery")
    logging = {"Enabled": True, "LogGroupName": group, "LogStreamName": "S3Delivery"}
    name = hoses.make(Prefix="denied/", CloudWatchLoggingOptions=logging)
    hoses.put(name, *CLICKS)
    told = until(lambda: read_log(logs, group), bool)[0]
    assert (told["errorCode"], told["destination"]) == ("S3.AccessDenied", f"arn:aws:s3:::{hoses.bucket}")
    assert told["message"].startswith("Access was denied. Ensure that the trust policy for the provided IAM role")
    assert hoses.keys() == []
    cloudwatch = cloud.client("cloudwatch")
    assert until(lambda: success(cloudwatch, name), bool) == [0.0]
    rights = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}
    iam = cloud.client("iam")
    iam.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="more", PolicyDocument=json.dumps(rights))
    assert hoses.await_lines("denied/", 12) == CLICKS


def success(cloudwatch: Any, name: str) -> list[float]:
    now = datetime.now(UTC).timestamp()
    found = cloudwatch.get_metric_statistics(
        Namespace="AWS/Firehose",
        MetricName="DeliveryToS3.Success",
        Dimensions=[{"Name": "DeliveryStreamName", "Value": name}],
        StartTime=now - 3600,
        EndTime=now + 60,
        Period=7200,
        Statistics=["Minimum"],
    )["Datapoints"]
    return [float(one["Minimum"]) for one in found]


def test_a_partition_that_may_not_be_written_is_put_aside(cloud: LocalCloud) -> None:
    role = make_role(cloud, "firehose")
    hoses = Firehoses(cloud, role=role)
    closed = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{hoses.bucket}/x/p1/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": closed})
    cloud.client("iam").put_role_policy(
        RoleName=role.rpartition("/")[2], PolicyName="closed", PolicyDocument=policy
    )
    query = {"MetadataExtractionQuery": "{page: .page}", "JsonParsingEngine": "JQ-1.6"}
    name = hoses.make(
        Prefix="x/!{partitionKeyFromQuery:page}/",
        ErrorOutputPrefix="x-errors/!{firehose:error-output-type}/",
        BufferingHints=PARTITIONED,
        DynamicPartitioningConfiguration={"Enabled": True, "RetryOptions": {"DurationInSeconds": 0}},
        ProcessingConfiguration=processing(("MetadataExtraction", query)),
    )
    hoses.put(name, *CLICKS)
    aside = hoses.await_lines("x-errors/dynamic-partitioning-failed/", 4)
    assert [one["page"] for one in aside] == ["p1"] * 4
    assert len(hoses.await_lines("x/", 8)) == 8


def test_a_bucket_or_a_role_that_goes_in_the_middle_loses_nothing(cloud: LocalCloud) -> None:
    hoses, other = Firehoses(cloud), make_role(cloud, "firehose")
    name = hoses.make(Prefix="middle/", RoleARN=other)
    hoses.s3.delete_bucket(Bucket=hoses.bucket)
    iam = cloud.client("iam")
    iam.delete_role_policy(RoleName=other.rpartition("/")[2], PolicyName="rights")
    iam.delete_role(RoleName=other.rpartition("/")[2])
    hoses.put(name, *CLICKS[:6])
    hoses.put(name, *CLICKS[6:])
    hoses.s3.create_bucket(Bucket=hoses.bucket)
    hoses.update(name, RoleARN=hoses.role)
    assert hoses.await_lines("middle/", 12) == CLICKS


def test_an_update_keeps_what_it_does_not_name_and_counts_versions(hoses: Firehoses) -> None:
    name = hoses.make(Prefix="before/", BufferingHints={"SizeInMBs": 3, "IntervalInSeconds": 0})
    hoses.update(name, Prefix="after/")
    told = hoses.settings(name)
    assert (told["Prefix"], told["BufferingHints"]) == ("after/", {"SizeInMBs": 3, "IntervalInSeconds": 0})
    hoses.put(name, *CLICKS)
    hoses.await_lines("after/", 12)
    assert f"{name}-2-" in hoses.keys("after/")[0]
    with pytest.raises(ClientError, match="do not match") as refused:
        hoses.api.update_destination(
            DeliveryStreamName=name,
            CurrentDeliveryStreamVersionId="1",
            DestinationId="destinationId-000000000001",
            ExtendedS3DestinationUpdate={"Prefix": "x/"},
        )
    assert code(refused.value) == "ConcurrentModificationException"


def test_who_may_not_pass_a_role_makes_no_stream_and_who_may_read_one_reads_no_other(
    cloud: LocalCloud, hoses: Firehoses, unique: Any
) -> None:
    iam, user = cloud.client("iam"), unique("user")
    iam.create_user(UserName=user)
    mine, other = unique("mine"), unique("other")
    arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/{mine}"
    allowed = [
        {"Effect": "Allow", "Action": "firehose:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "kinesis:*", "Resource": arn},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": allowed})
    iam.put_user_policy(UserName=user, PolicyName="rights", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    theirs = cloud.client("firehose", **keys)
    with pytest.raises(ClientError, match=f"iam:PassRole on resource: {hoses.role}") as passed:
        theirs.create_delivery_stream(DeliveryStreamName="x", ExtendedS3DestinationConfiguration=hoses.place())
    assert code(passed.value) == "AccessDeniedException"
    kinesis, reader = cloud.client("kinesis"), cloud.client("kinesis", **keys)
    tokens = {}
    for name in (mine, other):
        kinesis.create_stream(StreamName=name, ShardCount=1)
        where = {"StreamName": name, "ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST"}
        tokens[name] = kinesis.get_shard_iterator(**where)["ShardIterator"]
    assert reader.get_records(ShardIterator=tokens[mine])["Records"] == []
    with pytest.raises(ClientError, match="kinesis:GetRecords on resource"):
        reader.get_records(ShardIterator=tokens[other])


def test_streams_are_listed_tagged_and_deleted(hoses: Firehoses, unique: Any) -> None:
    name = hoses.make(unique("a-list"), source={"Tags": [{"Key": "k", "Value": "v"}]})
    hoses.api.tag_delivery_stream(DeliveryStreamName=name, Tags=[{"Key": "l", "Value": "w"}])
    hoses.api.untag_delivery_stream(DeliveryStreamName=name, TagKeys=["k"])
    told = hoses.api.list_tags_for_delivery_stream(DeliveryStreamName=name)
    assert (told["Tags"], told["HasMoreTags"]) == ([{"Key": "l", "Value": "w"}], False)
    listed = hoses.api.list_delivery_streams(Limit=1, ExclusiveStartDeliveryStreamName=name[:-1])
    assert listed["DeliveryStreamNames"] == [name]
    with pytest.raises(ClientError, match="already exists") as taken:
        hoses.make(name)
    assert code(taken.value) == "ResourceInUseException"
    hoses.api.delete_delivery_stream(DeliveryStreamName=name)
    with pytest.raises(ClientError, match=f"Firehose {name} under account {ACCOUNT} not found.") as gone:
        hoses.put(name, *CLICKS)
    assert code(gone.value) == "ResourceNotFoundException"


ROLE = {"RoleARN": f"arn:aws:iam::{ACCOUNT}:role/nobody"}
QUERY = ("MetadataExtraction", {"MetadataExtractionQuery": ".", "JsonParsingEngine": "JQ-1.6"})
KEY = {"Prefix": "!{partitionKeyFromQuery:a}/", "ErrorOutputPrefix": "e/!{firehose:error-output-type}/"}
DYNAMIC = {"DynamicPartitioningConfiguration": {"Enabled": True}, "BufferingHints": PARTITIONED}
COLUMNAR = {"DataFormatConversionConfiguration": conversion("r", "d"), "BufferingHints": PARTITIONED}
REFUSED: list[tuple[dict[str, Any], str]] = [
    (ROLE, "Firehose is unable to assume role"),
    ({"BufferingHints": {"SizeInMBs": 5}}, "BufferingHints: both"),
    ({"CompressionFormat": "Snappy"}, "Snappy is not something the local cloud's Firehose can do"),
    ({"Prefix": "!{timestamp:yyyy}/"}, "ErrorOutputPrefix cannot be null"),
    ({"Prefix": "!{odd:x}/", "ErrorOutputPrefix": "e/"}, "the namespace odd is not supported"),
    ({"Prefix": "!{timestamp:qqq}/", "ErrorOutputPrefix": "e/"}, "cannot evaluate: qqq"),
    ({"Prefix": "!{" * 300, "ErrorOutputPrefix": "e/"}, "can only appear in"),
    ({"Prefix": "!{firehose:error-output-type}/", "ErrorOutputPrefix": "e/"}, "Prefix cannot contain"),
    ({"ErrorOutputPrefix": "!{timestamp:yyyy}/"}, "must contain !{firehose:error-output-type}"),
    ({"CustomTimeZone": "Moon/Base"}, "The time zone Moon/Base is not supported"),
    ({"CustomTimeZone": "/etc/passwd"}, "is not supported"),
    (KEY, "when Dynamic Partitioning is disabled"),
    (DYNAMIC, "S3 Prefix should contain Dynamic Partitioning namespaces"),
    (DYNAMIC | KEY, "MetadataExtraction processor should be present"),
    (DYNAMIC | KEY | {"BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 60}}, "must be at least 64"),
    ({"ProcessingConfiguration": processing(QUERY)}, "not supported when Dynamic Partitioning is disabled"),
    (
        {"ProcessingConfiguration": processing(("Decompression", {}))},
        "The processor Decompression is not something",
    ),
    ({"ProcessingConfiguration": processing(("Lambda", {"LambdaArn": "arn:x"}))}, "needs the LambdaArn"),
    ({"S3BackupMode": "Enabled"}, "S3BackupConfiguration is required"),
    (COLUMNAR | {"CompressionFormat": "GZIP"}, "UNCOMPRESSED"),
    (COLUMNAR | {"BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 60}}, "must be at least 64"),
]


@pytest.mark.parametrize(("asked", "why"), REFUSED, ids=[why[:30] for _, why in REFUSED])
def test_what_cannot_be_is_refused_in_words(hoses: Firehoses, asked: dict[str, Any], why: str) -> None:
    found = hoses.refusal(**asked)
    assert found.startswith("InvalidArgumentException: ")
    assert why in found


def test_too_much_is_refused(hoses: Firehoses) -> None:
    name = hoses.make(Prefix="much/")
    with pytest.raises(ClientError, match="less than or equal to 1024000") as large:
        hoses.put(name, b"x" * 1_024_001)
    with pytest.raises(ClientError, match="Records size exceeds 4 MB limit") as batch:
        hoses.put(name, *[b"x" * 1_000_000] * 5)
    with pytest.raises(ClientError, match="less than or equal to 500"):
        hoses.put(name, *[b"x"] * 501)
    assert (code(large.value), code(batch.value)) == ("ValidationException", "InvalidArgumentException")
    with pytest.raises(ClientError, match="Encryption of a stream at rest is not something"):
        hoses.api.start_delivery_stream_encryption(DeliveryStreamName=name)


def test_what_is_over_a_stream_s_quota_is_told_record_by_record(hoses: Firehoses) -> None:
    small = Firehoses(hoses.cloud, hoses.bucket, hoses.role, there=True, region="eu-central-1")
    name, lost, sent = small.make(BufferingHints={"SizeInMBs": 128, "IntervalInSeconds": 900}), 0, 0
    while not lost and sent < 200:
        answer = small.put(name, *[b"x" * 1_000_000] * 4)
        lost, sent = answer["FailedPutCount"], sent + 4
    failed = [one for one in answer["RequestResponses"] if "ErrorCode" in one]
    assert len(failed) == lost > 0
    assert failed[0] == {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."}
    small.api.delete_delivery_stream(DeliveryStreamName=name)


@pytest.mark.parametrize("query", ["[range(1e12)] | length", "def f: f; f", "[limit(1e9; repeat(1))]", "{a: "])
@pytest.mark.long
def test_a_hostile_query_ends(hoses: Firehoses, unique: Any, query: str) -> None:
    errors = f"{unique('hostile')}/"
    name = hoses.make(
        Prefix="hostile/!{partitionKeyFromQuery:a}/",
        ErrorOutputPrefix=errors + "!{firehose:error-output-type}/",
        BufferingHints=PARTITIONED,
        DynamicPartitioningConfiguration={"Enabled": True},
        ProcessingConfiguration=processing(
            ("MetadataExtraction", {"MetadataExtractionQuery": query, "JsonParsingEngine": "JQ-1.6"})
        ),
    )
    hoses.put(name, *CLICKS)
    failed = hoses.await_lines(f"{errors}metadata-extraction-failed/", 12)
    assert [json.loads(base64.b64decode(one["rawData"])) for one in failed] == CLICKS
