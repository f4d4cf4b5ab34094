"""Jobs of Glue's with Spark: awsglue's classes on real files, bookmarks, executors on several hosts."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas
import pytest

from tests.cloud.glue import Glue
from tests.conftest import LocalCloud

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # its packages are pulled first, 600 MB

BEGIN = """
import sys
from awsglue.transforms import *
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from awsglue.context import GlueContext
from awsglue.dynamicframe import DynamicFrame
from awsglue.job import Job
args = getResolvedOptions(sys.argv, ["JOB_NAME", "bucket", "database"])
bucket, database = args["bucket"], args["database"]
glue = GlueContext(SparkContext.getOrCreate())
spark, job = glue.spark_session, Job(glue)
job.init(args["JOB_NAME"], args)
"""
CLASSES = (
    BEGIN
    + """
sales = glue.create_dynamic_frame.from_catalog(database=database, table_name="sales", transformation_ctx="sales")
sales.printSchema()
print("malformed", sales.errorsCount())
cols = ResolveChoice.apply(sales, specs=[("price", "make_cols")])
print("make_cols", *sorted(cols.toDF().columns))
cast = sales.resolveChoice(specs=[("price", "cast:double")])
print("cast", cast.toDF().where("price is null").count(), cast.toDF().selectExpr("sum(price)").first()[0])
print("project", sales.resolveChoice(specs=[("price", "project:double")]).toDF().where("price is null").count())
mapped = ApplyMapping.apply(
    frame=cast, mappings=[("id", "long", "sale.id", "string"), ("price", "double", "price", "double")]
)
print("mapped", mapped.toDF().schema.simpleString())
print("fields", *SelectFields.apply(cast, paths=["id"]).toDF().columns)
print("dropped", *DropFields.apply(cast, ["id"]).toDF().columns)
print("renamed", *RenameField.apply(cast, "id", "number").toDF().columns)
few = Filter.apply(frame=cast, f=lambda row: row["id"] > 1)
print("filter", few.count(), few.errorsCount())
def longer(row):
    row["twice"] = row["id"] * 2
    if row["id"] == 3:
        raise ValueError("not this one")
    return row
more = Map.apply(frame=few, f=longer)
print("map", more.count(), more.stageErrorsCount(), more.errorsAsDynamicFrame().toDF().first()["error"])
place = {"paths": [f"s3://{bucket}/clicks/"], "recurse": True}
clicks = glue.create_dynamic_frame.from_options("s3", place, "json")
clicks.printSchema()
print("clicks", clicks.count(), clicks.errorsCount())
print("whole", clicks.resolveChoice(choice="cast:long").toDF().selectExpr("sum(value)").first()[0])
both = Join.apply(cast, clicks, "id", "user")
print("join", both.count())
flat = clicks.relationalize("root", f"s3://{bucket}/tmp")
print("relationalize", *sorted(flat.keys()), flat.select("root_tags").count())
print("nulls", *DropNullFields.apply(clicks).toDF().columns)
glue.write_dynamic_frame.from_options(
    few, "s3", {"path": f"s3://{bucket}/out", "partitionKeys": ["id"]}, format="parquet"
)
made = {"enableUpdateCatalog": True, "partitionKeys": ["id"]}
sink = glue.getSink(connection_type="s3", path=f"s3://{bucket}/made", **made)
sink.setFormat("parquet")
sink.setCatalogInfo(catalogDatabase=database, catalogTableName="made")
sink.writeFrame(few)
some = glue.create_dynamic_frame.from_catalog(database=database, table_name="made", push_down_predicate="id = 2")
print("made", some.count(), DynamicFrame.fromDF(some.toDF(), glue, "x").count())
job.commit()
"""
)
BOOKMARK = (
    BEGIN
    + """
import os
read = glue.create_dynamic_frame.from_options(
    "s3", {"paths": [f"s3://{bucket}/in/"]}, "csv", {"withHeader": True}, transformation_ctx="in"
)
print("read", sorted(int(row["n"]) for row in read.toDF().collect()) if read.toDF().columns != ["_"] else [])
if os.environ.get("GLUE_VERSION") == "4.0":
    raise RuntimeError("before the commit")
job.commit()
"""
)
MALFORMED = (
    BEGIN
    + """
def read(form, **options):
    place = {"paths": [f"s3://{bucket}/bad/{form}/"]}
    return glue.create_dynamic_frame.from_options("s3", place, form, options)
for frame in (read("csv", withHeader=True), read("json")):
    aside = frame.errorsAsDynamicFrame()
    print(frame.count(), frame.errorsCount(), *sorted(row["record"] for row in aside.toDF().collect()), sep="|")
    glue.write_dynamic_frame.from_options(aside, "s3", {"path": f"s3://{bucket}/aside/"}, "json")
    good = SelectFields.apply(frame, paths=["id"])
    print(good.stageErrorsCount(), good.errorsCount())
    try:
        frame.assertErrorThreshold(1, 0)
    except Exception as error:
        print(type(error).__name__)
try:
    read("json", withSchema="{}")
except ValueError as error:
    print("withSchema" in str(error))
schema, own = "id int, name string, _corrupt_record string", f"s3://{bucket}/bad/csv/"
kept = spark.read.csv(own, schema=schema, header=True).cache()
print("permissive", kept.count(), kept.where("_corrupt_record is not null").count())
for mode in ("DROPMALFORMED", "FAILFAST"):
    try:
        print(mode, len(spark.read.csv(own, schema="id int, name string", header=True, mode=mode).collect()))
    except Exception as error:
        print(mode, "MALFORMED_RECORD_IN_PARSING" in str(error))
"""
)
SEVERAL = (
    BEGIN
    + """
hosts = spark.sparkContext.parallelize(range(16), 16).map(lambda _: __import__("socket").gethostname()).collect()
print("on", *sorted(set(hosts)))
frame = DynamicFrame.fromDF(spark.range(100), glue, "numbers")
print("kept", Filter.apply(frame, lambda row: row["id"] % 2 == 0).count())
"""
)


@pytest.fixture(scope="module")
def glue(cloud: LocalCloud, packages: object) -> Glue:
    assert packages
    made = Glue(cloud, "glueetl")
    database = made.bucket.replace("-", "_")
    made.api.create_database(DatabaseInput={"Name": database})
    made.put("sales/a.csv", "id,price\n1,1.5\n2,none\n3,2\n")
    columns = [{"Name": "id", "Type": "bigint"}, {"Name": "price", "Type": "double"}]
    storage = {"Columns": columns, "Location": f"s3://{made.bucket}/sales/"}
    parameters = {"classification": "csv", "skip.header.line.count": "1"}
    table = {"Name": "sales", "StorageDescriptor": storage, "Parameters": parameters}
    made.api.create_table(DatabaseName=database, TableInput=table)
    clicks = [{"user": 1, "value": 5, "tags": ["a", "b"], "no": None}, {"user": 3, "value": "7", "tags": []}]
    made.put("clicks/2026/a.json", "".join(json.dumps(one) + "\n" for one in clicks) + "{broken\n")
    return made


def job(glue: Glue, script: str, **more: Any) -> str:
    arguments = {"--bucket": glue.bucket, "--database": glue.bucket.replace("-", "_")}
    arguments |= more.pop("DefaultArguments", {})
    usual = {"GlueVersion": "5.0", "WorkerType": "G.1X", "NumberOfWorkers": 2, "DefaultArguments": arguments}
    return glue.make(script, **usual | more)


def test_the_classes_of_awsglue_do_what_glue_says_they_do(glue: Glue) -> None:
    name = job(glue, CLASSES)
    run = glue.start(name)
    found = glue.wait(name, run)
    assert found["JobRunState"] == "SUCCEEDED", (found.get("ErrorMessage"), glue.log(run, "error")[-30:])
    schema = ["root", "|-- id: long", "|-- price: choice", "|    |-- double", "|    |-- string"]
    json_schema = ["root", "|-- no: string", "|-- tags: array", "|    |-- element: string", "|-- user: long"]
    json_schema += ["|-- value: choice", "|    |-- long", "|    |-- string"]
    assert glue.log(run) == [
        *schema,
        "malformed 0",
        "make_cols id price_double price_string",
        "cast 1 3.5",
        "project 1",
        "mapped struct<sale:struct<id:string>,price:double>",
        "fields id",
        "dropped price",
        "renamed number price",
        "filter 2 0",
        "map 1 1 ValueError: not this one",
        *json_schema,
        "clicks 2 1",
        "whole 12",
        "join 2",
        "relationalize root root_tags 2",
        "nulls tags user value",
        "made 1 1",
    ]
    kept = glue.s3.list_objects_v2(Bucket=glue.bucket, Prefix="out/id=3/")["Contents"]
    body = glue.s3.get_object(Bucket=glue.bucket, Key=kept[0]["Key"])["Body"].read()
    assert pandas.read_parquet(io.BytesIO(body))["price"].tolist() == [2.0]
    database = glue.bucket.replace("-", "_")
    parts = glue.api.get_partitions(DatabaseName=database, TableName="made")["Partitions"]
    assert sorted(one["Values"][0] for one in parts) == ["2", "3"]


def test_what_is_malformed_is_put_aside_and_counted(glue: Glue) -> None:
    glue.put("bad/csv/a.csv", "id,name\n1,ann\n2,bob,more\nx\n4,dan\n")
    glue.put("bad/json/a.json", '{"id": 1}\n{"id": 2\nnonsense\n{"id": 4}\n')
    name = job(glue, MALFORMED)
    run = glue.start(name)
    found = glue.wait(name, run)
    assert found["JobRunState"] == "SUCCEEDED", (found.get("ErrorMessage"), glue.log(run, "error")[-30:])
    assert glue.log(run) == [
        "2|2|2,bob,more|x",
        "0 2",
        "ThresholdError",
        '2|2|nonsense|{"id": 2',
        "0 2",
        "ThresholdError",
        "True",
        "permissive 4 2",
        "DROPMALFORMED 2",
        "FAILFAST True",
    ]
    keys = [one["Key"] for one in glue.s3.list_objects_v2(Bucket=glue.bucket, Prefix="aside/")["Contents"]]
    bodies = (glue.s3.get_object(Bucket=glue.bucket, Key=key)["Body"].read().decode() for key in keys)
    lines = [json.loads(line)["record"] for body in bodies for line in body.splitlines()]
    assert sorted(lines) == ["2,bob,more", "nonsense", "x", '{"id": 2']


def test_a_bookmark_goes_on_where_the_last_commit_was(glue: Glue) -> None:
    enabled = {"--job-bookmark-option": "job-bookmark-enable"}
    name = job(glue, BOOKMARK, DefaultArguments=enabled)
    asked = glue.api.get_job(JobName=name)["Job"]

    def read(version: str = "5.0") -> list[str]:
        members = ("Role", "Command", "DefaultArguments", "WorkerType", "NumberOfWorkers")
        update = {member: asked[member] for member in members} | {"GlueVersion": version}
        glue.api.update_job(JobName=name, JobUpdate=update)
        run = glue.start(name)
        glue.wait(name, run)
        return glue.log(run)

    glue.put("in/1.csv", "n\n1\n2\n")
    assert read() == ["read [1, 2]"]
    assert read() == ["read []"]
    glue.put("in/2.csv", "n\n3\n")
    assert read("4.0")[0] == "read [3]"  # it fails before its commit
    found = glue.api.get_job_runs(JobName=name)["JobRuns"][0]
    assert found["ErrorMessage"] == (
        "Error Category: UNCLASSIFIED_ERROR; Failed Line Number: 21; RuntimeError: before the commit"
    )
    assert read() == ["read [3]"]
    entry = glue.api.get_job_bookmark(JobName=name)["JobBookmarkEntry"]
    assert (entry["Run"], "in/2.csv" in entry["JobBookmark"]) == (3, True)
    glue.api.reset_job_bookmark(JobName=name)
    assert read() == ["read [1, 2, 3]"]


def test_executors_are_on_several_hosts(glue: Glue) -> None:
    name = job(glue, SEVERAL, NumberOfWorkers=3, DefaultArguments={"--conf": "spark.sql.shuffle.partitions=3"})
    run = glue.start(name)
    found = glue.wait(name, run)
    assert found["JobRunState"] == "SUCCEEDED", (found.get("ErrorMessage"), glue.log(run, "error")[-30:])
    assert glue.log(run) == ["on algo-1 algo-2", "kept 50"]
    assert any("2 executors" in line for line in glue.log(run, "error"))
