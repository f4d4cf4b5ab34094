"""Streams of Kinesis in Spark: exactly once through kills, Glue's streaming jobs, EMR's format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.builds import make_role
from tests.cloud.emr import Emr, step
from tests.cloud.glue import GOES_ON, Glue
from tests.cloud.jobs import Jobs
from tests.cloud.processing import GROUP, full_log, run
from tests.conftest import LocalCloud
from tests.spark.test_jobs import spark_job
from tests.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # its packages are pulled first, 600 MB

BEGIN = """
import os, signal, sys
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from awsglue.context import GlueContext
from awsglue.dynamicframe import DynamicFrame
from awsglue.job import Job
args = getResolvedOptions(sys.argv, ["JOB_NAME", "bucket", "stream", "last"])
bucket, stream = args["bucket"], args["stream"]
glue = GlueContext(SparkContext.getOrCreate())
spark, job = glue.spark_session, Job(glue)
job.init(args["JOB_NAME"], args)
"""
# It kills its own Java, whatever that does, once a batch of this number is done; with 0 it goes on to the end.
ONCE = (
    BEGIN
    + """
rows = (
    spark.readStream.format("aws-kinesis").option("kinesis.region", "us-east-1")
    .option("kinesis.streamName", stream).option("kinesis.endpointUrl", "https://kinesis.us-east-1.amazonaws.com")
    .option("kinesis.startingposition", "TRIM_HORIZON").option("kinesis.maxFetchRecordsPerShard", "600").load()
)
rows.printSchema()
query = (
    rows.selectExpr("cast(data as string) as text", "streamName", "partitionKey", "sequenceNumber")
    .writeStream.format("parquet").option("path", f"s3://{bucket}/once")
    .option("checkpointLocation", f"s3://{bucket}/checkpoint").start()
)
last, wanted = int(args["last"]), 10_000
while not query.awaitTermination(0.3):
    done = query.lastProgress
    if last and done and done["batchId"] >= last:
        for each in filter(str.isdecimal, os.listdir("/proc")):
            if open(f"/proc/{each}/comm").read() == "java\\n":
                os.kill(int(each), signal.SIGKILL)
    if not last and spark.read.schema("text string").parquet(f"s3://{bucket}/once").count() >= wanted:
        query.stop()
found = spark.read.parquet(f"s3://{bucket}/once")
distinct = (found.select(name).distinct().count() for name in ("text", "streamName"))
print("rows", found.count(), *distinct)
"""
)
BATCHES = (
    BEGIN
    + """
account = __import__("boto3").client("sts").get_caller_identity()["Account"]
frame = glue.create_data_frame.from_options(
    connection_type="kinesis",
    connection_options={
        "typeOfData": "kinesis", "streamARN": f"arn:aws:kinesis:us-east-1:{account}:stream/{stream}",
        "classification": "json", "startingPosition": "TRIM_HORIZON", "inferSchema": "true",
    },
    transformation_ctx="frame",
)
def act(rows, number):
    if rows.count() > 0:
        made = DynamicFrame.fromDF(rows, glue, "rows").resolveChoice(specs=[("value", "cast:long")])
        glue.write_dynamic_frame.from_options(made, "s3", {"path": f"s3://{bucket}/batches"}, format="parquet")
        print("batch", *rows.columns, rows.count(), rows.selectExpr("sum(value)").first()[0], flush=True)
glue.forEachBatch(
    frame=frame, batch_function=act,
    options={"windowSize": "1 second", "checkpointLocation": f"s3://{bucket}/batch-checkpoint"},
)
job.commit()
"""
)
STEP = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
bucket, stream, consumer = sys.argv[1:]
place = {"kinesis.region": "us-east-1", "kinesis.streamName": stream, "kinesis.consumerType": consumer}
place |= {"kinesis.endpointUrl": "https://kinesis.us-east-1.amazonaws.com"}
place |= {"kinesis.startingposition": "TRIM_HORIZON"}
rows = spark.readStream.format("aws-kinesis").options(**place).load().selectExpr("cast(data as string) as text")
query = rows.writeStream.foreachBatch(lambda batch, number: print("batch", batch.count())).trigger(once=True)
query.option("checkpointLocation", f"s3://{bucket}/step").start().awaitTermination()
"""


@pytest.fixture(scope="module")
def glue(cloud: LocalCloud, packages: object) -> Glue:
    assert packages
    return Glue(cloud, "glueetl")


def job(glue: Glue, script: str, stream: str, **more: Any) -> str:
    arguments = {"--bucket": glue.bucket, "--stream": stream, "--last": "0"}
    usual = {"GlueVersion": "5.0", "WorkerType": "G.1X", "NumberOfWorkers": 2, "DefaultArguments": arguments}
    return glue.make(script, **usual | more)


def stream_of(glue: Glue, name: str, shards: int) -> Any:
    api = glue.cloud.client("kinesis")
    api.create_stream(StreamName=name, ShardCount=shards)
    return api


def put(api: Any, stream: str, texts: list[str]) -> None:
    """All of them, as fast as shards take them."""
    for start in range(0, len(texts), 250):
        left = [{"Data": one.encode(), "PartitionKey": one} for one in texts[start : start + 250]]
        while left:
            answer = api.put_records(StreamName=stream, Records=left)
            left = [row for row, one in zip(left, answer["Records"], strict=True) if "ErrorCode" in one]


def test_each_record_is_in_the_sink_once_through_kills_and_a_split(glue: Glue, unique: Any) -> None:
    stream = unique("stream")
    api = stream_of(glue, stream, 2)
    texts = [f"record {number}" for number in range(10_000)]
    put(api, stream, texts[:5000])
    name = job(glue, ONCE, stream)
    for last in ("1", "3"):
        found = glue.run(name, Arguments={"--last": last})
        assert found["JobRunState"] == "FAILED"
        shards = [one["ShardId"] for one in api.list_shards(StreamName=stream)["Shards"]]
        if last == "1":
            api.split_shard(StreamName=stream, ShardToSplit=shards[0], NewStartingHashKey=str(1 << 126))
        put(api, stream, texts[5000:7500] if last == "1" else texts[7500:])
    key = glue.start(name)
    found = glue.wait(name, key)
    assert found["JobRunState"] == "SUCCEEDED", (found.get("ErrorMessage"), glue.log(key, "error")[-30:])
    columns = ("data: binary", "streamName: string", "partitionKey: string", "sequenceNumber: string")
    said = "\n".join(glue.log(key))
    assert all(f"|-- {one} (nullable = true)" in said for one in columns)
    assert "|-- approximateArrivalTimestamp: timestamp (nullable = true)" in said
    assert glue.log(key)[-1] == "rows 10000 10000 1"


def test_a_streaming_job_of_glue_runs_until_it_is_stopped(glue: Glue, unique: Any) -> None:
    stream = unique("stream")
    api = stream_of(glue, stream, 1)
    name = job(glue, BATCHES, stream, Command={"Name": "gluestreaming"}, WorkerType="G.025X")
    assert glue.api.get_job(JobName=name)["Job"]["Timeout"] == 10_080
    put(api, stream, [json.dumps({"user": number, "value": number}) for number in range(3)])
    key = glue.start(name)
    look = lambda: (glue.log(key), glue.get(name, key)["JobRunState"])  # noqa: E731
    until(look, lambda seen: bool(seen[0]) or seen[1] not in GOES_ON)
    assert glue.log(key) == ["batch user value 3 3"], glue.log(key, "error")[-30:]
    put(api, stream, [json.dumps({"user": 9, "value": 7, "new": True}), "{broken"])
    lines = until(lambda: glue.log(key), lambda lines: len(lines) == 2)
    assert "_corrupt_record" in lines[1]
    assert lines[1].endswith(" 2 7")
    glue.api.batch_stop_job_run(JobName=name, JobRunIds=[key])
    assert glue.wait(name, key)["JobRunState"] == "STOPPED"
    again = glue.start(name)  # it goes on where its checkpoint is
    put(api, stream, [json.dumps({"user": 4, "value": 40})])
    until(lambda: glue.log(again), lambda lines: "batch user value 1 40" in lines)
    assert set(glue.log(again)) <= {lines[1], "batch user value 1 40"}  # one that was cut off is done again
    glue.api.batch_stop_job_run(JobName=name, JobRunIds=[again])
    glue.wait(name, again)
    with pytest.raises(ClientError, match="FLEX is not supported"):
        job(glue, BATCHES, stream, Command={"Name": "gluestreaming"}, ExecutionClass="FLEX")


def test_executors_on_several_hosts_read_a_stream(cloud: LocalCloud, glue: Glue, unique: Any) -> None:
    stream, jobs = unique("stream"), Jobs(cloud)
    put(stream_of(glue, stream, 3), stream, [f"record {number}" for number in range(30)])
    words = (jobs.bucket, stream, "GetRecords")
    refused = spark_job(jobs, STEP, *words)
    assert run(jobs, refused)["ProcessingJobStatus"] == "Failed"
    said = "".join(full_log(jobs, GROUP, f"{refused['ProcessingJobName']}/algo-1-"))
    assert "not authorized to perform: kinesis:ListShards" in said  # a job reads with its own role
    job = spark_job(jobs, STEP, *words, count=2, RoleArn=make_role(cloud, "sagemaker"))
    ended = run(jobs, job)
    lines = full_log(jobs, GROUP, f"{job['ProcessingJobName']}/algo-1-")
    assert ended["ProcessingJobStatus"] == "Completed", "\n".join(lines)[-3000:]
    assert "batch 30" in lines


def test_a_step_of_emr_reads_a_stream_and_no_fan_out(cloud: LocalCloud, glue: Glue, unique: Any) -> None:
    stream, emr = unique("stream"), Emr(cloud, "Spark")
    put(stream_of(glue, stream, 2), stream, [f"record {number}" for number in range(20)])
    app = emr.put("step.py", STEP)
    asked = [step("spark-submit", app, emr.bucket, stream, kind) for kind in ("GetRecords", "SubscribeToShard")]
    cluster = emr.run(keep=False, Steps=asked)
    emr.wait(cluster)
    one, other = emr.steps(cluster)
    log = emr.log(cluster, f"steps/{one['Id']}/stderr")
    assert emr.log(cluster, f"steps/{one['Id']}/stdout") == "batch 20\n", log[-3000:]
    assert other["Status"]["State"] == "FAILED"
    assert "Enhanced fan-out (SubscribeToShard)" in emr.log(cluster, f"steps/{other['Id']}/stderr")
