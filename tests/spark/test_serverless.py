"""Job runs of EMR Serverless with Spark: one Java, executors on several hosts, too little memory."""

from __future__ import annotations

import pytest

from sagelab.spark import history
from tests.cloud.emr_serverless import ONE, Serverless
from tests.conftest import LocalCloud

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # its packages are pulled first, 600 MB

COUNT = """
import sys, helper
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
source, target = sys.argv[1:]
sales = spark.read.csv(source, header=True, inferSchema=True)
sales.groupBy("kind").sum("price").orderBy("kind").write.parquet(target)
for row in spark.read.parquet(target).collect():
    print(row["kind"], row["sum(price)"], helper.ANSWER)
hosts = spark.sparkContext.parallelize(range(16), 16).map(lambda _: __import__("socket").gethostname()).collect()
print("on", *sorted(set(hosts)), spark.conf.get("spark.sql.shuffle.partitions"))
"""
SEVERAL = "--conf spark.executor.instances=2 --conf spark.executor.cores=1 --conf spark.executor.memory=1g"
GREEDY = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
jvm = spark.sparkContext._jvm
kept = [jvm.java.nio.ByteBuffer.allocate(200_000_000) for _ in range(100)]
"""


@pytest.fixture(scope="module")
def serverless(cloud: LocalCloud, packages: object) -> Serverless:
    assert packages
    return Serverless(cloud)


@pytest.fixture(scope="module")
def application(serverless: Serverless) -> str:
    usual = {"classification": "spark-defaults", "properties": {"spark.sql.shuffle.partitions": "3"}}
    return serverless.make(runtimeConfiguration=[usual], initialCapacity={"DRIVER": {"workerCount": 1}})


@pytest.mark.parametrize(
    ("parameters", "hosts"), [(ONE, ["algo-1"]), (SEVERAL, ["algo-1", "algo-2"])], ids=["alone", "several"]
)
def test_a_script_reads_and_writes_s3_with_modules_of_its_own(
    serverless: Serverless, application: str, parameters: str, hosts: list[str]
) -> None:
    source = serverless.put("in/sales.csv", "kind,price\nbook,1.5\nfilm,2\nbook,3\n").rpartition("/")[0]
    library = serverless.put("lib/helper.py", "ANSWER = 42\n")
    target = f"s3://{serverless.bucket}/out-{len(hosts)}"
    found = serverless.run(
        application,
        COUNT,
        source,
        target,
        parameters=f"{parameters} --py-files {library} --conf spark.driver.memory=1g",
    )
    assert found["state"] == "SUCCESS", (
        found["stateDetails"],
        serverless.log(found, "SPARK_DRIVER/stdout"),
    )
    said = serverless.log(found, "SPARK_DRIVER/stdout").splitlines()
    assert said == ["book 4.5 42", "film 2.0 42", f"on {' '.join(hosts)} 3"]
    kept = serverless.s3.list_objects_v2(Bucket=serverless.bucket, Prefix="logs/")["Contents"]
    names = [one["Key"].partition(f"{found['jobRunId']}/")[2] for one in kept]
    executors = {name.removeprefix("SPARK_") for name in names}
    (events,) = [name for name in names if name.startswith("sparklogs/")]
    place = f"logs/applications/{application}/jobs/{found['jobRunId']}/{events}"
    told = history.read(serverless.s3.get_object(Bucket=serverless.bucket, Key=place)["Body"])
    assert (told["application"]["code"], told["work"]["failed"]) == (0, 0)
    assert told["work"]["done"] > 0
    numbers = range(len(hosts)) if len(hosts) > 1 else ()
    assert {f"EXECUTOR/{number}/stderr.gz" for number in numbers} <= executors


def test_too_little_memory_is_said_with_the_last_errors(serverless: Serverless, application: str) -> None:
    found = serverless.run(application, GREEDY)
    assert found["state"] == "FAILED"
    assert "ExitCode: 1. Last few exceptions: " in found["stateDetails"]
    assert "java.lang.OutOfMemoryError" in found["stateDetails"]
