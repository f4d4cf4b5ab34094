"""What networks of their own cost hosts: to make them, at a job's start; a large object on its way into a VPC."""

from __future__ import annotations

import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from jobs import Jobs
from place import Place, local_cloud
from table import Result
from turns import compare

from sagelab.cloud.engine.data.workspace import environment
from sagelab.cloud.engine.images.runtimes import PYTHON
from sagelab.cloud.engine.sandbox import links, namespaces
from sagelab.cloud.engine.sandbox.launcher import Launcher
from sagelab.cloud.engine.sandbox.namespaces import HostSpec
from sagelab.cloud.home import Home

ADDRESSES = ["10.0.0.1", "10.0.0.2"]
GROUP = "/aws/sagemaker/TrainingJobs"
LOOK = 0.05
SIZE = 100 << 20
FETCH = """
import boto3, time
s3 = boto3.client("s3")
for _ in range({times}):
    began = time.perf_counter()
    body = s3.get_object(Bucket="{bucket}", Key="large")["Body"]
    size = sum(map(len, body.iter_chunks(1 << 20)))
    print("took", time.perf_counter() - began, size)
"""


def networks(quick: bool) -> Iterator[Result]:
    """The limits are those of the networks' plan: 30 ms, and 0.8 of what a relay carried without them."""
    times = [_join() for _ in range(5 if quick else 50)]
    seen = f"median of {len(times)}; the slowest {max(times) * 1000:.1f} ms"
    yield Result("two networks of hosts, joined", statistics.median(times), 0.03, "s", seen=seen)
    yield _start(5 if quick else 30)
    with local_cloud() as place:
        yield _fetch(place, 1 if quick else 5)


def _join() -> float:
    """Seconds that two networks and their bridge take to make."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        namespaces.isolate_users()
        began = time.perf_counter()
        for _ in links.join(ADDRESSES, namespaces.raise_loopback):
            pass
        os.write(writer, str(time.perf_counter() - began).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        took = float(answer.read())
    os.waitpid(child, 0)
    return took


def _start(count: int) -> Result:
    """Two hosts that do nothing, from their start to their end, with networks of their own and with one."""
    with tempfile.TemporaryDirectory(prefix="sagelab-bench-") as folder:
        launcher = Launcher(Home(folder), {})
        fork_server = launcher.warm(PYTHON)
        fork_server.wait_ready()

        def run(joined: bool) -> None:
            fork_server.joined = joined
            job = f"bench-{time.time_ns():x}"
            peers = {f"algo-{number}": address for number, address in enumerate(ADDRESSES, 1)}
            hosts = [
                HostSpec(name, str(launcher.make_folder(job, name)), ("true",), environment("us-east-1"), peers)
                for name in peers
            ]
            running = launcher.start(PYTHON, hosts, None)
            for pipe in running.outputs.values():
                os.close(pipe)
            running.group.ended.wait()
            launcher.remove_folder(job)

        own, shared = compare(lambda: run(True), lambda: run(False), count)
        launcher.close()
    seen = f"median of {count}: {own:.1f} ms; in one network {shared:.1f} ms"
    return Result("two hosts with networks of their own - in one", (own - shared) / 1000, 0.03, "s", seen=seen)


def _fetch(place: Place, rounds: int) -> Result:
    """An object of 100 MB, fetched by a job in a VPC with an endpoint of S3 and by one in none."""
    jobs, vpc = Jobs(place), _make_vpc(place.client("ec2"))
    jobs.s3.put_object(Bucket=jobs.bucket, Key="large", Body=os.urandom(SIZE))
    program = FETCH.format(times=3, bucket=jobs.bucket)
    jobs.s3.put_object(Bucket=jobs.bucket, Key="code/fetch.py", Body=program.encode())
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{jobs.bucket}/code"}
    code = {"InputDataConfig": [{"ChannelName": "code", "DataSource": {"S3DataSource": source}}]}
    inside: list[float] = []
    outside: list[float] = []
    for _ in range(rounds):
        for took, changes in ((inside, {"VpcConfig": vpc}), (outside, {})):
            request = jobs.shell("python3 /opt/ml/input/data/code/fetch.py") | code | changes
            jobs.run(request, LOOK)
            took += _taken(place, request["TrainingJobName"])
    one, other = statistics.median(inside), statistics.median(outside)
    seen = f"median of {len(inside)}: {one * 1000:.0f} ms; in no VPC {other * 1000:.0f} ms"
    return Result("S3 get of 100 MB from no VPC / from one", other / one, 0.8, "x", at_least=True, seen=seen)


def _taken(place: Place, job: str) -> list[float]:
    """What a job printed that each get took."""
    logs = place.client("logs")
    streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=job)["logStreams"]
    name = streams[0]["logStreamName"]
    events = logs.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True)["events"]
    found = [re.fullmatch(rf"took (\S+) {SIZE}", event["message"].strip()) for event in events]
    return [float(one[1]) for one in found if one]


def _make_vpc(ec2: Any) -> dict[str, list[str]]:
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.0.0/24")["Subnet"]["SubnetId"]
    wanted = [{"Name": "vpc-id", "Values": [vpc]}]
    group = ec2.describe_security_groups(Filters=wanted)["SecurityGroups"][0]["GroupId"]
    table = ec2.describe_route_tables(Filters=wanted)["RouteTables"][0]["RouteTableId"]
    name = "com.amazonaws.us-east-1.s3"
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=name, VpcEndpointType="Gateway", RouteTableIds=[table])
    return {"Subnets": [subnet], "SecurityGroupIds": [group]}
