"""Processing jobs behind Spark's image: one host and two, what they read and write in S3, and how they fail."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.jobs import Jobs
from tests.cloud.processing import GROUP, full_log, request, run, source, target
from tests.conftest import LocalCloud

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # its packages are pulled first, 600 MB

IMAGE = "173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.5-cpu-py312-v1.0"
APP = "/opt/ml/processing/code/job.py"
CORES = min(2, len(os.sched_getaffinity(0)))  # of an ml.m5.large, as far as there are so many
MEMORY = {"spark.driver.memory": "600m", "spark.executor.memory": "512m"}
WRITE = """
import sys
from pyspark.sql import SparkSession
bucket = sys.argv[1]
spark = SparkSession.builder.getOrCreate()
hosts = spark.sparkContext.parallelize(range(8), 8).map(lambda _: __import__("socket").gethostname()).collect()
print("hosts", sorted(set(hosts)))
rows = spark.range(0, 1000, 1, 4).selectExpr("id", "id % 3 as third")
for path, form in (("by third/a+b", "parquet"), ("lines", "csv"), ("objects", "json")):
    rows.write.mode("overwrite").partitionBy("third").format(form).save(f"s3a://{bucket}/{path}")
    found = spark.read.format(form).load(f"s3://{bucket}/{path}")
    print(form, found.count(), found.where("third = 1").count())
rows.limit(3).write.mode("overwrite").parquet(f"s3a://{bucket}/lines")
print("overwritten", spark.read.parquet(f"s3a://{bucket}/lines").count())
rows.coalesce(1).write.csv("file:///opt/ml/processing/result/table")
"""
BREAK = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
rows = spark.range(0, 4000, 1, 4).selectExpr("id", "if(id = 3500, raise_error('row 3500'), id) as checked")
try:
    rows.write.parquet(f"s3a://{sys.argv[1]}/half")
except Exception as error:
    print("refused", "row 3500" in str(error))
spark.read.text(f"s3://{sys.argv[1]}/nothing").count()
"""


def spark_job(jobs: Jobs, code: str, *words: str, count: int = 1, **changes: Any) -> dict[str, Any]:
    jobs.s3.put_object(Bucket=jobs.bucket, Key="code/job.py", Body=code)
    conf = [{"Classification": "spark-defaults", "Properties": MEMORY}]
    jobs.s3.put_object(Bucket=jobs.bucket, Key="conf/configuration.json", Body=json.dumps(conf))
    inputs = [
        source("code", f"s3://{jobs.bucket}/code"),
        source("conf", f"s3://{jobs.bucket}/conf", LocalPath="/opt/ml/processing/input/conf"),
    ]
    application = {
        "ImageUri": IMAGE,
        "ContainerEntrypoint": ["smspark-submit", APP],
        "ContainerArguments": [*words],
    }
    return request("", count=count, AppSpecification=application, ProcessingInputs=inputs, **changes)


def names_of(jobs: Jobs, prefix: str) -> list[str]:
    found = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix=prefix).get("Contents", [])
    return [one["Key"] for one in found]


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("count", [1, 2])
def test_a_job_reads_and_writes_s3_on_its_hosts(cloud: LocalCloud, count: int) -> None:
    jobs = Jobs(cloud)
    result = target("result", f"s3://{jobs.bucket}/result")
    job = spark_job(jobs, WRITE, jobs.bucket, count=count, ProcessingOutputConfig={"Outputs": [result]})
    ended = run(jobs, job)
    log = "\n".join(full_log(jobs, GROUP, f"{job['ProcessingJobName']}/algo-1-"))
    assert ended["ProcessingJobStatus"] == "Completed", log[-3000:]
    assert f"hosts {[f'algo-{number + 1}' for number in range(count)]}" in log
    for form in ("parquet", "csv", "json"):
        assert f"{form} 1000 333" in log
    assert "overwritten 3" in log
    assert [name for name in names_of(jobs, "") if "__uncommitted" in name or "_temporary" in name] == []
    assert jobs.s3.list_multipart_uploads(Bucket=jobs.bucket).get("Uploads", []) == []
    written = [name for name in names_of(jobs, "by third/a+b/third=1/") if name.endswith(".parquet")]
    assert written
    assert [Path(name).name for name in names_of(jobs, "result/table/") if name.endswith("_SUCCESS")] == [
        "_SUCCESS"
    ]


@pytest.mark.usefixtures("packages")
def test_an_application_that_fails_says_why(cloud: LocalCloud) -> None:
    jobs = Jobs(cloud)
    job = spark_job(jobs, BREAK, jobs.bucket)
    ended = run(jobs, job)
    assert ended["ProcessingJobStatus"] == "Failed"
    assert "refused True" in "\n".join(full_log(jobs, GROUP, f"{job['ProcessingJobName']}/algo-1-"))
    assert names_of(jobs, "half/") == []  # what was written before is no file
    assert jobs.s3.list_multipart_uploads(Bucket=jobs.bucket).get("Uploads", []) == []
    assert ended["ExitMessage"] == (
        "Algorithm Error: (caused by CalledProcessError): spark failed with a non-zero exit code: Command"
        f" 'spark-submit --master 'local[{CORES}]' --deploy-mode client {APP} {jobs.bucket}' returned non-zero"
        " exit status 1."
    )
    assert "PATH_NOT_FOUND" in ended["FailureReason"]
    assert ended["FailureReason"].endswith("exit code: 1")


@pytest.mark.usefixtures("packages")
def test_an_option_that_is_none_fails_before_spark_starts(cloud: LocalCloud) -> None:
    jobs = Jobs(cloud)
    job = spark_job(jobs, WRITE)
    job["AppSpecification"]["ContainerEntrypoint"] = ["smspark-submit", "--conf", "a=b", APP]
    del job["AppSpecification"]["ContainerArguments"]
    ended = run(jobs, job)
    said = "Algorithm Error: (caused by NoSuchOption): Couldn't parse input.: No such option"
    assert ended["ExitMessage"].startswith(said)
    assert "--conf" in ended["ExitMessage"]
