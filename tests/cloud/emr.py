"""Clusters of EMR as tests make them: with roles, a profile and a bucket of a test module's own."""

from __future__ import annotations

import gzip
import uuid
from typing import Any

from tests.cloud.builds import make_role
from tests.conftest import LocalCloud
from tests.waiting import until

RELEASE = "emr-7.5.0"
OVER = ("TERMINATED", "TERMINATED_WITH_ERRORS")
GOES_ON = ("PENDING", "CANCEL_PENDING", "RUNNING")


def step(*args: str, failure: str = "CONTINUE", name: str = "step") -> dict[str, Any]:
    jar = {"Jar": "command-runner.jar", "Args": list(args)}
    return {"Name": name, "ActionOnFailure": failure, "HadoopJarStep": jar}


def shell(command: str, failure: str = "CONTINUE") -> dict[str, Any]:
    return step("bash", "-c", command, failure=failure)


def group(role: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"InstanceRole": role, "InstanceType": "m5.large", "InstanceCount": count} | more


class Emr:
    """Makes clusters, and ends them. applications: of each."""

    def __init__(self, cloud: LocalCloud, *applications: str) -> None:
        self.cloud, self.applications = cloud, applications
        self.api: Any = cloud.client("emr")
        self.s3: Any = cloud.client("s3")
        self.bucket = f"emr-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.service = make_role(cloud, "elasticmapreduce")
        self.role = make_role(cloud, "ec2")
        self.profile = self.make_profile(self.role)
        self.made: list[str] = []

    def make_profile(self, role: str) -> str:
        iam, name = self.cloud.client("iam"), f"profile-{uuid.uuid4().hex[:8]}"
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role.rpartition("/")[2])
        return name

    def asked(self, *groups: dict[str, Any], keep: bool = True, **more: Any) -> dict[str, Any]:
        instances = {"InstanceGroups": list(groups or [group("MASTER")]), "KeepJobFlowAliveWhenNoSteps": keep}
        return {
            "Name": "a cluster",
            "ReleaseLabel": RELEASE,
            "LogUri": f"s3://{self.bucket}/logs/",
            "Applications": [{"Name": name} for name in self.applications],
            "Instances": instances | more.pop("Instances", {}),
            "JobFlowRole": self.profile,
            "ServiceRole": self.service,
        } | more

    def run(self, *groups: dict[str, Any], **more: Any) -> str:
        key = str(self.api.run_job_flow(**self.asked(*groups, **more))["JobFlowId"])
        self.made.append(key)
        return key

    def get(self, cluster: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.describe_cluster(ClusterId=cluster)["Cluster"]
        return found

    def wait(self, cluster: str, *states: str) -> dict[str, Any]:
        """The cluster in one of these states, by default at its end."""
        wanted = states or OVER
        return until(lambda: self.get(cluster), lambda one: one["Status"]["State"] in (*wanted, *OVER))

    def add(self, cluster: str, *steps: dict[str, Any]) -> list[str]:
        return list(self.api.add_job_flow_steps(JobFlowId=cluster, Steps=list(steps))["StepIds"])

    def step(self, cluster: str, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.describe_step(ClusterId=cluster, StepId=key)["Step"]
        return found

    def steps(self, cluster: str) -> list[dict[str, Any]]:
        """The oldest first."""
        return list(self.api.list_steps(ClusterId=cluster)["Steps"])[::-1]

    def ended(self, cluster: str, key: str) -> dict[str, Any]:
        """The status of a step that has ended, in whatever way."""
        look = until(lambda: self.step(cluster, key), lambda one: one["Status"]["State"] not in GOES_ON)
        status: dict[str, Any] = look["Status"]
        return status

    def running(self, cluster: str, *roles: str) -> list[dict[str, Any]]:
        asked = {"InstanceGroupTypes": list(roles)} if roles else {}
        found = self.api.list_instances(ClusterId=cluster, InstanceStates=["RUNNING"], **asked)
        return list(found["Instances"])

    def log(self, cluster: str, name: str) -> str:
        body = self.s3.get_object(Bucket=self.bucket, Key=f"logs/{cluster}/{name}.gz")["Body"].read()
        return gzip.decompress(body).decode()

    def put(self, key: str, body: str) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def end(self, *clusters: str) -> None:
        """Terminate these, by default all that were made."""
        for cluster in clusters or self.made:
            if self.get(cluster)["Status"]["State"] not in OVER:
                self.api.set_termination_protection(JobFlowIds=[cluster], TerminationProtected=False)
                self.api.terminate_job_flows(JobFlowIds=[cluster])
                self.wait(cluster)
