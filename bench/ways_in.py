"""Until a job's first step: its data downloaded, streamed, or in a file system that another job has filled."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from jobs import Jobs
from place import Place, local_cloud
from table import Result

FILES, SIZE = 100, 1 << 20
LOOK = 0.02
GROUP = "/aws/sagemaker/TrainingJobs"
DATA = "/opt/ml/input/data/train"


def ways_in(quick: bool) -> Iterator[Result]:
    """100 files of 1 MB, of which the first step reads one; each way takes its turn."""
    count = 2 if quick else 10
    with local_cloud() as place:
        site = _Site(place)
        ways = {"File": site.objects("File"), "FastFile": site.objects("FastFile"), "FSx": site.lustre()}
        cold = site.first_step(ways["FSx"], f"cat {DATA}/0")
        times: dict[str, list[float]] = {name: [] for name in ("local", *ways)}
        for _ in range(count):
            times["local"].append(site.first_step(None, "cat /usr/bin/env"))
            for name, channel in ways.items():
                times[name].append(site.first_step(channel, f"cat {DATA}/0"))
    middle = {name: statistics.median(found) for name, found in times.items()}
    seen = (
        f"median of {count}: {middle['FSx']:.2f} s; {middle['local']:.2f} s; the job that loaded them {cold:.2f} s"
    )
    yield Result("second job with FSx / with local files", middle["FSx"] / middle["local"], 1.05, "x", seen=seen)
    seen = f"median of {count}: {middle['FastFile']:.2f} s; File mode {middle['File']:.2f} s"
    yield Result("FastFile mode / File mode", middle["FastFile"] / middle["File"], 1.0, "x", seen=seen)


class _Site:
    """A VPC with a way to S3, and the objects."""

    def __init__(self, place: Place) -> None:
        self.jobs, self.place = Jobs(place), place
        self.ec2, self.fsx, self.logs = (place.client(name) for name in ("ec2", "fsx", "logs"))
        for number in range(FILES):
            self.jobs.s3.put_object(Bucket=self.jobs.bucket, Key=f"data/{number}", Body=bytes(SIZE))
        vpc = self.ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
        made = self.ec2.create_security_group(GroupName="bench", Description="bench", VpcId=vpc)
        self.group = made["GroupId"]
        pair = [{"GroupId": self.group}]
        rule = {"IpProtocol": "tcp", "FromPort": 988, "ToPort": 988, "UserIdGroupPairs": pair}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])
        wanted = [{"Name": "vpc-id", "Values": [vpc]}]
        (table,) = self.ec2.describe_route_tables(Filters=wanted)["RouteTables"]
        service = {"ServiceName": "com.amazonaws.us-east-1.s3", "VpcEndpointType": "Gateway"}
        self.ec2.create_vpc_endpoint(VpcId=vpc, RouteTableIds=[table["RouteTableId"]], **service)

    def objects(self, mode: str) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.jobs.bucket}/data/"}
        return {"ChannelName": "train", "DataSource": {"S3DataSource": source}, "InputMode": mode}

    def lustre(self) -> dict[str, Any]:
        config = {"DeploymentType": "SCRATCH_2", "ImportPath": f"s3://{self.jobs.bucket}/data"}
        asked = {"FileSystemType": "LUSTRE", "StorageCapacity": 1200, "LustreConfiguration": config}
        where = {"SubnetIds": [self.subnet], "SecurityGroupIds": [self.group]}
        name = self.fsx.create_file_system(**asked, **where)["FileSystem"]["FileSystemId"]
        while True:
            (found,) = self.fsx.describe_file_systems(FileSystemIds=[name])["FileSystems"]
            if found["Lifecycle"] == "AVAILABLE":
                break
            time.sleep(LOOK)
        path = f"/{found['LustreConfiguration']['MountName']}"
        source = {"FileSystemId": name, "FileSystemType": "FSxLustre", "DirectoryPath": path}
        source["FileSystemAccessMode"] = "ro"
        return {"ChannelName": "train", "DataSource": {"FileSystemDataSource": source}}

    def first_step(self, channel: dict[str, Any] | None, step: str) -> float:
        """Seconds from the Create call until the job has read its first file."""
        request = self.jobs.shell(f"{step} > /dev/null && date +FIRST=%s.%N")
        request["VpcConfig"] = {"Subnets": [self.subnet], "SecurityGroupIds": [self.group]}
        if channel:
            request["InputDataConfig"] = [channel]
        began = time.time()
        self.jobs.run(request, LOOK)
        wanted = {"logGroupName": GROUP, "logStreamNamePrefix": request["TrainingJobName"]}
        found = self.logs.filter_log_events(**wanted, filterPattern="FIRST")["events"]
        return float(found[0]["message"].partition("=")[2]) - began
