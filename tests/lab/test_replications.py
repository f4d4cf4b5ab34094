"""What a lab leaves of DMS is found and removed: a task that runs, its endpoints, its instance."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelab.lab import elsewhere
from sagelab.lab.session import Lab
from tests.cloud.builds import make_role
from tests.conftest import LocalCloud
from tests.waiting import until

RULE: dict[str, Any] = {"rule-type": "selection", "rule-id": "1", "rule-name": "1", "rule-action": "include"}
RULE |= {"object-locator": {"schema-name": "%", "table-name": "%"}}


def test_a_task_that_runs_is_found_and_goes_with_its_endpoints(cloud: LocalCloud, lab: Lab) -> None:
    dms: Any = lab.client("dms")

    def named(what: str) -> dict[str, Any]:
        return {f"{what}Identifier": lab.fresh_name(what[-4:].lower()), "Tags": lab.tags}

    folder = cloud.home.databases / lab.name
    folder.mkdir()
    with closing(sqlite3.connect(folder / f"{lab.name}.db")) as database:
        database.execute("CREATE TABLE t (x)")
    small = {"ReplicationInstanceClass": "dms.t3.micro"}
    instance = dms.create_replication_instance(**named("ReplicationInstance"), **small)["ReplicationInstance"]
    place = {"BucketName": lab.bucket, "ServiceAccessRoleArn": make_role(cloud, "dms")}
    kinds: list[dict[str, Any]] = [
        {"EndpointType": "source", "EngineName": "sqlite", "DatabaseName": lab.name},
        {"EndpointType": "target", "EngineName": "s3", "S3Settings": place},
    ]
    endpoints = [dms.create_endpoint(**named("Endpoint"), **kind)["Endpoint"]["EndpointArn"] for kind in kinds]
    arn = {"ReplicationInstanceArn": instance["ReplicationInstanceArn"]}
    for endpoint in endpoints:
        dms.test_connection(EndpointArn=endpoint, **arn)
    statuses = lambda: {one["Status"] for one in dms.describe_connections()["Connections"]}  # noqa: E731
    until(statuses, lambda found: "testing" not in found)
    task = dms.create_replication_task(
        **named("ReplicationTask"),
        **arn,
        SourceEndpointArn=endpoints[0],
        TargetEndpointArn=endpoints[1],
        MigrationType="cdc",
        TableMappings=json.dumps({"rules": [RULE]}),
    )["ReplicationTask"]["ReplicationTaskArn"]
    dms.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType="start-replication")
    left = list(elsewhere.left(lab))
    assert ("replication task", task) in left
    assert len(left) == 4
    list(elsewhere.remove(lab))
    assert list(elsewhere.left(lab)) == []


@pytest.mark.parametrize("code", ["ResourceNotFoundFault", "StateMachineDoesNotExist"])
def test_what_is_gone_since_it_was_listed_has_no_tags(code: str) -> None:
    class Client:
        def list_tags_for_resource(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "ListTagsForResource")

    assert elsewhere._tags(Client(), "TagList", ResourceArn="arn") == ()
