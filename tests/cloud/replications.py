"""Replications of DMS as tests make them: an instance, endpoints, tasks, and what comes to a bucket."""

from __future__ import annotations

import csv
import gzip
import io
import json
import uuid
from typing import Any

from tests.cloud.builds import make_role
from tests.cloud.postgres import PASSWORD, Postgres
from tests.conftest import LocalCloud
from tests.waiting import until

EVERYTHING = {"rule-type": "selection", "object-locator": {"schema-name": "%", "table-name": "%"}}
QUICK = {"CdcMaxBatchInterval": 1}
AT_WORK = ("creating", "starting", "running", "stopping", "deleting")


def rule(number: int, **more: Any) -> dict[str, Any]:
    """hyphens are written as _."""
    given = {name.replace("_", "-"): value for name, value in more.items()}
    return {"rule-id": str(number), "rule-name": str(number), **given}


def including(schema: str = "%", table: str = "%", **more: Any) -> dict[str, Any]:
    locator = {"schema-name": schema, "table-name": table}
    return {"rule_type": "selection", "rule_action": "include", "object_locator": locator, **more}


def mappings(*rules: dict[str, Any]) -> str:
    found = [rule(number, **one) for number, one in enumerate(rules or [including()], 1)]
    return json.dumps({"rules": found})


class Replications:
    """database: of the server; one a test."""

    def __init__(self, cloud: LocalCloud, postgres: Postgres | None = None) -> None:
        self.postgres = postgres
        self.at(cloud)
        self.bucket = f"dms-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.role = make_role(cloud, "dms")
        asked = {"ReplicationInstanceIdentifier": f"i-{uuid.uuid4().hex[:8]}"}
        made = self.api.create_replication_instance(ReplicationInstanceClass="dms.t3.micro", **asked)
        self.instance = made["ReplicationInstance"]["ReplicationInstanceArn"]
        self.instance_name = asked["ReplicationInstanceIdentifier"]

    def at(self, cloud: LocalCloud) -> None:
        """From now on ask this one, which may have another port after a kill."""
        self.cloud = cloud
        self.api: Any = cloud.client("dms")
        self.s3: Any = cloud.client("s3")

    def endpoint(self, kind: str, engine: str, **more: Any) -> str:
        name = f"e-{uuid.uuid4().hex[:8]}"
        made = self.api.create_endpoint(EndpointIdentifier=name, EndpointType=kind, EngineName=engine, **more)
        return str(made["Endpoint"]["EndpointArn"])

    def source(self, database: str, **more: Any) -> str:
        assert self.postgres
        place = {"ServerName": "127.0.0.1", "Port": self.postgres.port, "DatabaseName": database}
        return self.endpoint(
            "source", "postgres", **({"Username": "learner", "Password": PASSWORD} | place | more)
        )

    def target(self, folder: str = "", **more: Any) -> str:
        usual = {"BucketName": self.bucket, "BucketFolder": folder, "ServiceAccessRoleArn": self.role}
        return self.endpoint("target", "s3", S3Settings=usual | QUICK | more)

    def connection(self, endpoint: str) -> dict[str, Any]:
        """Tried, and what came of it."""
        self.api.test_connection(ReplicationInstanceArn=self.instance, EndpointArn=endpoint)
        asked = [{"Name": "endpoint-arn", "Values": [endpoint]}]
        look = lambda: self.api.describe_connections(Filters=asked)["Connections"][0]  # noqa: E731
        return until(look, lambda one: one["Status"] != "testing")

    def make(self, source: str, target: str, kind: str = "full-load", rules: str = "", **more: Any) -> str:
        for endpoint in (source, target):
            found = self.connection(endpoint)
            assert found["Status"] == "successful", found
        made = self.api.create_replication_task(
            ReplicationTaskIdentifier=f"t-{uuid.uuid4().hex[:8]}",
            SourceEndpointArn=source,
            TargetEndpointArn=target,
            ReplicationInstanceArn=self.instance,
            MigrationType=kind,
            TableMappings=rules or mappings(),
            **({"ReplicationTaskSettings": json.dumps(more)} if more else {}),
        )
        return str(made["ReplicationTask"]["ReplicationTaskArn"])

    def start(self, task: str, kind: str = "start-replication") -> None:
        self.api.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType=kind)

    def get(self, task: str) -> dict[str, Any]:
        asked = [{"Name": "replication-task-arn", "Values": [task]}]
        found: dict[str, Any] = self.api.describe_replication_tasks(Filters=asked)["ReplicationTasks"][0]
        return found

    def wait(self, task: str, *states: str) -> dict[str, Any]:
        """The task in one of these states, by default at rest."""
        return until(lambda: self.get(task), lambda one: one["Status"] in states or one["Status"] not in AT_WORK)

    def run(self, task: str, kind: str = "start-replication") -> dict[str, Any]:
        self.start(task, kind)
        return self.wait(task)

    def stop(self, task: str) -> dict[str, Any]:
        self.api.stop_replication_task(ReplicationTaskArn=task)
        return self.wait(task)

    def delete(self, task: str) -> None:
        self.api.delete_replication_task(ReplicationTaskArn=task)
        until(lambda: self._tasks(), lambda arns: task not in arns)

    def _tasks(self) -> list[str]:
        return [one["ReplicationTaskArn"] for one in self.api.describe_replication_tasks()["ReplicationTasks"]]

    def loaded(self, task: str) -> dict[str, Any]:
        """The task once all of its tables are loaded and it reads changes."""
        return until(
            lambda: self.get(task),
            lambda one: (
                one["Status"] not in AT_WORK or one["ReplicationTaskStats"]["FullLoadProgressPercent"] == 100
            ),
        )

    def tables(self, task: str) -> dict[str, dict[str, Any]]:
        found = self.api.describe_table_statistics(ReplicationTaskArn=task)["TableStatistics"]
        return {one["TableName"]: one for one in found}

    def log(self, task: str) -> list[str]:
        stream = {
            "logGroupName": f"dms-tasks-{self.instance_name}",
            "logStreamName": f"dms-task-{task.split(':')[-1]}",
        }
        events = self.cloud.client("logs").get_log_events(**stream, startFromHead=True)["events"]
        return [str(one["message"]) for one in events]

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def body(self, key: str) -> bytes:
        found: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return gzip.decompress(found) if key.endswith(".gz") else found

    def reader(self, key: str) -> io.BytesIO:
        return io.BytesIO(self.body(key))

    def rows(self, prefix: str, kind: str = "") -> list[list[str]]:
        """Of all CSV files below a prefix, in their order. kind: LOAD, or 2 for those of changes."""
        keys = [key for key in sorted(self.keys(prefix)) if key.rpartition("/")[2].startswith(kind)]
        texts = [self.body(key).decode() for key in keys]
        return [row for text in texts for row in csv.reader(io.StringIO(text, newline=""))]

    def changes(self, prefix: str, count: int) -> list[list[str]]:
        """Rows of changes, once there are so many."""
        return until(lambda: self.rows(prefix, "2"), lambda rows: len(rows) >= count)
