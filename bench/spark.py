"""Spark: Parquet in S3 beside pyarrow and boto3, and how long a step takes to its first result."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from place import Place, local_cloud, new_home
from table import Result

from sagelab.cloud.engine.images.environments import SPARK, Environments

BUCKET, RELEASE = "bench-spark", "emr-7.5.0"
ROWS, QUICK = 4_000_000, 200_000
FILES = 4
# Both in one process of their own, one after the other: what a machine does beside falls on both alike.
BOTH = """
import io, json, statistics, sys, time
import boto3, numpy as np, pyarrow as pa, pyarrow.parquet as pq
from pyspark.sql import SparkSession
from concurrent.futures import ThreadPoolExecutor

bucket, rows, files, times = sys.argv[1], *map(int, sys.argv[2:5])
spark, s3 = SparkSession.builder.getOrCreate(), boto3.client("s3")
cores = spark.sparkContext.defaultParallelism
random = np.random.default_rng(7)
table = pa.table({
    "customer": random.integers(0, 50_000, rows), "price": random.gamma(2.0, 10.0, rows).round(2),
    "kind": random.choice(["book", "film", "game", "song"], rows), "number": np.arange(rows),
})
parts = [table.slice(n * rows // files, rows // files) for n in range(files)]

def put(n):
    out = io.BytesIO()
    pq.write_table(parts[n], out, compression="snappy")
    s3.put_object(Bucket=bucket, Key=f"plain/{n}.parquet", Body=out.getvalue())

def get(n):
    body = s3.get_object(Bucket=bucket, Key=f"plain/{n}.parquet")["Body"].read()
    return pq.read_table(io.BytesIO(body)).num_rows

def plain(act):
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(act, range(files)))

def seconds(act):
    began = time.perf_counter()
    act()
    return time.perf_counter() - began

plain(put)
frame = spark.read.parquet(f"s3a://{bucket}/plain").repartition(files).cache()
frame.count()

def write():
    frame.write.mode("overwrite").parquet(f"s3a://{bucket}/spark")

def read(place=f"s3a://{bucket}/plain"):
    spark.read.parquet(place).write.format("noop").mode("overwrite").save()

def write_disk():
    frame.write.mode("overwrite").parquet("file:///tmp/bench-spark")

def read_disk():
    read("file:///tmp/bench-spark")

write(), read(), write_disk(), read_disk(), plain(put), plain(get)  # classes are loaded, code is compiled
found = {name: [] for name in ("write", "read", "put", "get", "write_disk", "read_disk")}
for _ in range(times):
    found["write_disk"].append(seconds(write_disk))
    found["read_disk"].append(seconds(read_disk))
    found["put"].append(seconds(lambda: plain(put)))
    found["write"].append(seconds(write))
    found["get"].append(seconds(lambda: plain(get)))
    found["read"].append(seconds(read))
size = sum(one["Size"] for one in s3.list_objects_v2(Bucket=bucket, Prefix="plain/")["Contents"])
answer = {name: statistics.median(all) for name, all in found.items()} | {"size": size}
s3.put_object(Bucket=bucket, Key="answer.json", Body=json.dumps(answer))
"""
FIRST = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("sum", spark.range(1_000_000).selectExpr("sum(id)").first()[0])
"""
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole"}


def spark(quick: bool) -> Iterator[Result]:
    rows, times = (QUICK, 2) if quick else (ROWS, 5)
    with new_home() as home, local_cloud(home) as place:
        Environments(home.environments).pull(SPARK)
        cluster = Cluster(place)
        yield from _beside(cluster, rows, times)
        yield _first(cluster, 2 if quick else 5)
        cluster.end()
        yield _first_of_glue(place, 2 if quick else 5)
        yield _first_of_serverless(place, 2 if quick else 5)


def _beside(cluster: Cluster, rows: int, times: int) -> Iterator[Result]:
    cluster.step("both.py", BOTH, BUCKET, rows, FILES, times)
    found = json.loads(cluster.s3.get_object(Bucket=BUCKET, Key="answer.json")["Body"].read())
    for own, other, what in (("write", "put", "written"), ("read", "get", "read")):
        rate = found["size"] / found[own] / 1e6
        size = f"{found['size'] / 1e6:.0f} MB of Parquet in {FILES} objects, {rate:.0f} MB a second"
        seen = f"{size}; plain: {found[other]:.2f} s"
        ratio, disk = found[other] / found[own], found[f"{own}_disk"]
        yield Result(
            f"s3a, {what}: Spark's speed of pyarrow and boto3's", ratio, 0.6, "x", at_least=True, seen=seen
        )
        seen = f"Spark alone, on the disk: {disk:.2f} s, {found[other] / disk:.2f} times pyarrow and boto3 with S3"
        yield Result(
            f"s3a, {what}: Spark's speed of its own on the disk",
            disk / found[own],
            0.6,
            "x",
            at_least=True,
            seen=seen,
        )


def _first(cluster: Cluster, times: int) -> Result:
    took = [cluster.step("first.py", FIRST) for _ in range(times)]
    seen = f"p50 of {times}, from AddJobFlowSteps to COMPLETED; slowest {max(took):.1f} s"
    return Result("EMR: a step's first Spark result", statistics.median(took), 12.0, "s", seen=seen)


def _first_of_serverless(place: Place, times: int) -> Result:
    """A job run with one executor on an application that is started, from StartJobRun to SUCCESS."""
    serverless = place.client("emr-serverless")
    _make_role(place.client("iam"), "emr-serverless")
    key = serverless.create_application(name="first", releaseLabel=RELEASE, type="SPARK")["applicationId"]
    while serverless.get_application(applicationId=key)["application"]["state"] != "CREATED":
        time.sleep(0.05)
    words = "--conf spark.executor.instances=1 --conf spark.driver.memory=1g --conf spark.executor.memory=1g"
    submit = {"entryPoint": f"s3://{BUCKET}/first.py", "sparkSubmitParameters": words}
    role = place.client("iam").get_role(RoleName="emr-serverless")["Role"]["Arn"]
    asked = {"applicationId": key, "executionRoleArn": role, "jobDriver": {"sparkSubmit": submit}}
    took = [_run_of_serverless(serverless, asked) for _ in range(times)]
    seen = f"p50 of {times}, from StartJobRun to SUCCESS; slowest {max(took):.1f} s"
    return Result("EMR Serverless: a job run's first Spark result", statistics.median(took), 12.0, "s", seen=seen)


def _run_of_serverless(serverless: Any, asked: dict[str, Any]) -> float:
    """RuntimeError: it does not succeed."""
    began = time.perf_counter()
    key = serverless.start_job_run(**asked)["jobRunId"]
    while True:
        run = serverless.get_job_run(applicationId=asked["applicationId"], jobRunId=key)["jobRun"]
        if run["state"] in ("SUCCESS", "FAILED", "CANCELLED"):
            break
        time.sleep(0.05)
    if run["state"] != "SUCCESS":
        raise RuntimeError(run)
    return time.perf_counter() - began


def _first_of_glue(place: Place, times: int) -> Result:
    """A run of glueetl with two workers, from StartJobRun to SUCCEEDED."""
    glue, iam = place.client("glue"), place.client("iam")
    _make_role(iam, "glue")
    command = {"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/first.py"}
    workers = {"GlueVersion": "5.0", "WorkerType": "G.1X", "NumberOfWorkers": 2}
    glue.create_job(Name="first", Role="glue", Command=command, **workers)
    took = [_run_of_glue(glue) for _ in range(times)]
    seen = f"p50 of {times}, from StartJobRun to SUCCEEDED; slowest {max(took):.1f} s"
    return Result("Glue: a job's first Spark result", statistics.median(took), 12.0, "s", seen=seen)


def _run_of_glue(glue: Any) -> float:
    """RuntimeError: it does not succeed."""
    began = time.perf_counter()
    key = glue.start_job_run(JobName="first")["JobRunId"]
    while (run := glue.get_job_run(JobName="first", RunId=key)["JobRun"])["JobRunState"] in (
        "STARTING",
        "RUNNING",
    ):
        time.sleep(0.05)
    if run["JobRunState"] != "SUCCEEDED":
        raise RuntimeError(run)
    return time.perf_counter() - began


class Cluster:
    """One instance that waits for steps."""

    def __init__(self, place: Place) -> None:
        self._emr, self.s3, iam = (place.client(name) for name in ("emr", "s3", "iam"))
        self.s3.create_bucket(Bucket=BUCKET)
        for service in ("elasticmapreduce", "ec2"):
            _make_role(iam, service)
        iam.create_instance_profile(InstanceProfileName="ec2")
        iam.add_role_to_instance_profile(InstanceProfileName="ec2", RoleName="ec2")
        asked = {"MasterInstanceType": "m5.xlarge", "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True}
        applications = [{"Name": "Spark"}]
        self._id = self._emr.run_job_flow(
            Name="bench", ReleaseLabel=RELEASE, Instances=asked, Applications=applications,
            ServiceRole="elasticmapreduce", JobFlowRole="ec2",
        )["JobFlowId"]  # fmt: skip

    def step(self, name: str, code: str, *words: Any) -> float:
        """Seconds until a step is seen to be COMPLETED. RuntimeError: it is not."""
        self.s3.put_object(Bucket=BUCKET, Key=name, Body=code)
        args = ["spark-submit", "--conf", "spark.driver.memory=1500m", f"s3://{BUCKET}/{name}", *map(str, words)]
        step = {
            "Name": name,
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": args},
        }
        while self._emr.describe_cluster(ClusterId=self._id)["Cluster"]["Status"]["State"] != "WAITING":
            time.sleep(0.1)
        began = time.perf_counter()
        (key,) = self._emr.add_job_flow_steps(JobFlowId=self._id, Steps=[step])["StepIds"]
        while True:
            status = self._emr.describe_step(ClusterId=self._id, StepId=key)["Step"]["Status"]
            if status["State"] not in ("PENDING", "RUNNING"):
                break
            time.sleep(0.05)
        if status["State"] != "COMPLETED":
            raise RuntimeError(status)
        return time.perf_counter() - began

    def end(self) -> None:
        self._emr.terminate_job_flows(JobFlowIds=[self._id])


def _make_role(iam: Any, service: str) -> None:
    trust = TRUST | {"Principal": {"Service": f"{service}.amazonaws.com"}}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    iam.create_role(RoleName=service, AssumeRolePolicyDocument=json.dumps(document))
    rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=service, PolicyName="rights", PolicyDocument=json.dumps(rights))
