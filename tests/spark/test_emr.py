"""Steps of EMR that run Spark: on one instance and on several, in both deploy modes, when an instance is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sagelab.cloud.engine.jobs.market import INTERRUPT, NOW
from sagelab.spark import history
from tests.cloud.emr import Emr, group, step
from tests.conftest import LocalCloud
from tests.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # its packages are pulled first, 600 MB

COUNT = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("count").getOrCreate()
hosts = spark.sparkContext.parallelize(range(16), 16).map(lambda _: __import__("socket").gethostname()).collect()
rows = spark.range(0, 1000, 1, 4).selectExpr("id", "id % 3 as third")
rows.write.mode("overwrite").parquet(sys.argv[1])
print("counted", spark.read.parquet(sys.argv[1]).where("third = 1").count(), "on", *sorted(set(hosts)))
print("driver on", __import__("socket").gethostname())
"""
# Each task says that it began, and waits until it is let go: so an instance can be lost in the middle.
LOSE = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
bucket = sys.argv[1]

def wait(number):
    import socket, time, boto3
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key=f"began/{number}/{socket.gethostname()}", Body=b"")
    while s3.list_objects_v2(Bucket=bucket, Prefix="go")["KeyCount"] == 0:
        time.sleep(0.2)
    return number

rows = spark.sparkContext.parallelize(range(8), 8)
print("sum", rows.map(wait).sum())
"""
MEMORY = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.range(0, 4, 1, 2).selectExpr("length(repeat(cast(id as string), 1000000000))").collect()
"""


@pytest.fixture(scope="module")
def emr(cloud: LocalCloud, packages: object) -> Iterator[Emr]:
    assert packages
    made = Emr(cloud, "Spark")
    yield made
    made.end()


@pytest.fixture(scope="module")
def several(emr: Emr) -> str:
    """A master, a core and a task instance on spot, without weather."""
    task = group("TASK", Market="SPOT")
    calm = [{"Key": "sagelab:spot-rate", "Value": "0"}, {"Key": "sagelab:spot-wait", "Value": "0"}]
    cluster = emr.run(group("MASTER"), group("CORE"), task, Tags=calm)
    emr.wait(cluster, "WAITING")
    until(lambda: emr.running(cluster), lambda found: len(found) == 3)
    return cluster


def host(instance: dict[str, str]) -> str:
    return instance["PrivateDnsName"].partition(".")[0]


def test_an_application_runs_on_the_one_instance_that_there_is(emr: Emr) -> None:
    app = emr.put("count.py", COUNT)
    cluster = emr.run(keep=False, Steps=[step("spark-submit", app, f"s3://{emr.bucket}/one")])
    ended = emr.wait(cluster)
    (only,) = emr.steps(cluster)
    log = emr.log(cluster, f"steps/{only['Id']}/stderr")
    assert only["Status"]["State"] == "COMPLETED", log[-3000:]
    assert ended["Status"]["StateChangeReason"] == {"Code": "ALL_STEPS_COMPLETED", "Message": "Steps completed"}
    (master,) = emr.api.list_instances(ClusterId=cluster)["Instances"]
    said = emr.log(cluster, f"steps/{only['Id']}/stdout").splitlines()
    assert said == [f"counted 333 on {host(master)}", f"driver on {host(master)}"]


def test_executors_are_on_core_and_task_instances_and_the_driver_where_it_is_asked(emr: Emr, several: str) -> None:
    app = emr.put("count.py", COUNT)
    workers = sorted(host(one) for one in emr.running(several, "CORE", "TASK"))
    (master,), (core,) = emr.running(several, "MASTER"), emr.running(several, "CORE")
    client, other = emr.add(
        several,
        step("spark-submit", "--deploy-mode", "client", "--master", "yarn", app, f"s3://{emr.bucket}/client"),
        step("spark-submit", "--deploy-mode", "cluster", app, f"s3://{emr.bucket}/cluster"),
    )
    for key in (client, other):
        assert emr.ended(several, key)["State"] == "COMPLETED", emr.log(several, f"steps/{key}/stderr")[-3000:]
    said = emr.log(several, f"steps/{client}/stdout").splitlines()
    assert said == [f"counted 333 on {' '.join(workers)}", f"driver on {host(master)}"]
    assert emr.log(several, f"steps/{other}/stdout") == ""
    assert "(state: RUNNING)" in emr.log(several, f"steps/{other}/stderr")
    found = emr.s3.list_objects_v2(Bucket=emr.bucket, Prefix=f"logs/{several}/containers/application_")["Contents"]
    (key,) = [one["Key"] for one in found if one["Key"].endswith("/stdout.gz")]
    said = emr.log(several, key.removeprefix(f"logs/{several}/").removesuffix(".gz")).splitlines()
    assert said == [f"counted 333 on {' '.join(workers)}", f"driver on {host(core)}"]


def test_an_instance_that_is_lost_in_the_middle_costs_time_alone(emr: Emr, several: str) -> None:
    (task,) = emr.running(several, "TASK")
    (key,) = emr.add(several, step("spark-submit", emr.put("lose.py", LOSE), emr.bucket))

    def began() -> list[str]:
        found = emr.s3.list_objects_v2(Bucket=emr.bucket, Prefix="began/").get("Contents", [])
        return [one["Key"] for one in found]

    until(began, lambda names: any(name.endswith(f"/{host(task)}") for name in names))
    lost = {name.split("/")[1] for name in began() if name.endswith(f"/{host(task)}")}
    emr.api.add_tags(ResourceId=several, Tags=[{"Key": INTERRUPT, "Value": NOW}])
    until(lambda: emr.running(several, "TASK"), lambda found: task not in found)
    emr.put("go", "")
    assert emr.ended(several, key)["State"] == "COMPLETED", emr.log(several, f"steps/{key}/stderr")[-3000:]
    assert emr.log(several, f"steps/{key}/stdout") == "sum 28\n"
    again = [name for name in began() if name.split("/")[1] in lost and not name.endswith(f"/{host(task)}")]
    assert {name.split("/")[1] for name in again} == lost  # each task of the lost instance ran elsewhere
    log = emr.log(several, f"steps/{key}/stderr")
    assert "Lost executor" in log
    (kept,) = emr.s3.list_objects_v2(Bucket=emr.bucket, Prefix=f"logs/{several}/steps/{key}/events/")["Contents"]
    told = history.read(emr.s3.get_object(Bucket=emr.bucket, Key=kept["Key"])["Body"])
    assert told["application"]["code"] == 0
    (gone,) = [one for one in told["executors"] if one.get("removed") and one["work"]["failed"]]
    assert gone["reason"]
    assert told["work"]["failed"] == len(lost)
    assert told["work"]["done"] == 8


def test_an_executor_out_of_memory_and_a_driver_that_fails_say_so(emr: Emr, several: str) -> None:
    memory, fails = emr.put("memory.py", MEMORY), emr.put("fails.py", "raise ValueError('no such thing')")
    asked = ("spark-submit", "--deploy-mode", "cluster", fails)
    first, second, third = emr.add(
        several,
        step("spark-submit", "--executor-memory", "480m", memory),
        step(*asked),
        step("spark-submit", "--executor-memory", "900g", memory),
    )
    found = emr.ended(several, first)
    assert found["State"] == "FAILED"
    assert "OutOfMemoryError" in emr.log(several, f"steps/{first}/stderr")
    found = emr.ended(several, second)["FailureDetails"]
    assert "finished with failed status" in found["Message"]
    found = emr.ended(several, third)["FailureDetails"]
    assert "above the max threshold" in found["Message"]
