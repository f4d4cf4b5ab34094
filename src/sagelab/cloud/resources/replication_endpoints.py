"""DMS: endpoints, and the connections that are tried between them and replication instances.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Endpoints.html
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelab.cloud.context import DMS, Cloud
from sagelab.cloud.engine.replication.host import Errand, ReplicationHost
from sagelab.cloud.engine.sandbox import servers
from sagelab.cloud.errors import JobError
from sagelab.cloud.master import Master, Unreadable
from sagelab.cloud.resources import replication_records as records
from sagelab.cloud.resources import replication_rules as rules
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.replication_instances import ReplicationInstances
from sagelab.cloud.resources.replication_records import (
    CONNECTION,
    ENDPOINT,
    OWN,
    TASK,
    combination,
    missing,
    state,
)
from sagelab.cloud.store import Document, Exists, Missing, Resource

WORKERS = 2
WORDS = 2000
_FAILED = (
    "Test Endpoint failed: Application-Status: 1020912, Application-Message: {}, Application-Detailed-Message: {}"
)
_NETWORK = "Failed to connect Network error has occurred"
_SQL = "RetCode: SQL_ERROR SqlState: 08001 NativeError: 101 Message: {}"
_CUT = "The local cloud ended while the connection was tested."
_ROLE = "The IAM Role {} is not configured properly."
_FILTERS = {
    "endpoint-arn": "EndpointArn",
    "endpoint-type": "EndpointType",
    "endpoint-id": "EndpointIdentifier",
    "engine-name": "EngineName",
}
_OF_CONNECTIONS = {"endpoint-arn": "EndpointArn", "replication-instance-arn": "ReplicationInstanceArn"}


class ReplicationEndpoints(Family):
    """The endpoints and connections of one local cloud, and the threads that try them."""

    service = "dms"
    needs = (ReplicationInstances,)

    def __init__(self, cloud: Cloud, instances: ReplicationInstances) -> None:
        super().__init__(cloud)
        self._instances = instances
        self._pool = ThreadPoolExecutor(WORKERS, "dms")
        self._hosts: set[ReplicationHost] = set()
        for key, _ in self.store.with_status(CONNECTION, "testing"):
            self._tested(key, _CUT)

    def close(self) -> None:
        for host in list(self._hosts):
            host.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def later(self, act: Callable[..., None], *arguments: Any) -> None:
        """Do something in a thread of the family's."""
        with suppress(RuntimeError):  # the local cloud ends
            self._pool.submit(act, *arguments)

    @operation("CreateEndpoint")
    def create(self, call: Call) -> Params:
        params = call.params
        name = records.check_name(params["EndpointIdentifier"], "EndpointIdentifier")
        found = rules.check(params)
        if any(one["EndpointIdentifier"] == name for one in self.store.documents(ENDPOINT, call.region)):
            raise Beside("ResourceAlreadyExistsFault", "Endpoint already exists.")
        arn = records.arn_of(call, "endpoint", params.get("ResourceIdentifier", ""))
        document = {"EndpointIdentifier": name, "EndpointArn": arn, "Status": "active"} | self._kept(
            call, found, arn
        )
        try:
            resource = Resource(arn, ENDPOINT, call.region, name, "active", document)
            self.store.add(resource, records.read_tags(params))
        except Exists:
            raise Beside("ResourceAlreadyExistsFault", "Endpoint already exists.") from None
        return {"Endpoint": records.told(document)}

    def _kept(self, call: Call, found: Params, arn: str) -> Document:
        """Without its password, which is under the home's master key. Beside: nobody may take on its role."""
        document = {name: value for name, value in found.items() if name != "Password"}
        if "Password" in found:
            wrapped = Master(self.cloud.home.path).wrap(found["Password"].encode(), arn.encode())
            document[OWN] = {"Password": base64.b64encode(wrapped).decode()}
        if settings := found.get("S3Settings"):
            document["ServiceAccessRoleArn"] = settings["ServiceAccessRoleArn"]
            self._check_role(call, settings["ServiceAccessRoleArn"])
        return document

    def _check_role(self, call: Call, role: str) -> None:
        try:
            self.cloud.assuming(DMS, call.region).assume_role(RoleArn=role, RoleSessionName="dms-session")
        except ClientError:
            raise Beside("AccessDeniedFault", _ROLE.format(role)) from None

    def password(self, document: Document) -> str:
        """Unreadable: it is not there any more as it was."""
        wrapped = base64.b64decode(document[OWN]["Password"])
        return Master(self.cloud.home.path).unwrap(wrapped, document["EndpointArn"].encode()).decode()

    @operation("DescribeEndpoints")
    def describe(self, call: Call) -> Params:
        rows = [records.told(one) for one in self.store.documents(ENDPOINT, call.region)]
        return records.described(call, "Endpoints", rows, _FILTERS)

    @operation("ModifyEndpoint")
    def modify(self, call: Call) -> Params:
        """It has to be tried again, as on AWS; while a task runs with it, it stays."""
        params = call.params
        arn = params["EndpointArn"]
        before = self.find(arn)
        for task in self._tasks(call, arn):
            if task["Status"] in ("starting", "running", "stopping"):
                raise state("Endpoint is in use by a running Replication Task.")
        asked = {name: value for name, value in before.items() if name != OWN} | {
            name: value for name, value in params.items() if name not in ("ExactSettings", "S3Settings")
        }
        exact = params.get("ExactSettings", False)
        if params.get("S3Settings") is not None:
            asked["S3Settings"] = ({} if exact else before.get("S3Settings", {})) | params["S3Settings"]
        if OWN in before and "Password" not in params and "Password" not in params.get("PostgreSQLSettings", {}):
            asked["Password"] = self.password(before)
        found = rules.check(asked)
        name = records.check_name(asked["EndpointIdentifier"], "EndpointIdentifier")
        made = {"EndpointIdentifier": name, "EndpointArn": arn, "Status": "active"} | self._kept(call, found, arn)

        self.store.change(arn, lambda one: _replaced(made, one))
        self._forget(call, arn)
        return {"Endpoint": records.told(made)}

    def _tasks(self, call: Call, arn: str) -> list[Document]:
        rows = self.store.documents(TASK, call.region)
        return [one for one in rows if arn in (one["SourceEndpointArn"], one["TargetEndpointArn"])]

    def _forget(self, call: Call, arn: str) -> None:
        for one in list(self.store.documents(CONNECTION, call.region)):
            if one["EndpointArn"] == arn:
                with suppress(Missing):
                    self.store.remove(one[OWN]["Arn"])

    @operation("DeleteEndpoint")
    def delete(self, call: Call) -> Params:
        arn = call.params["EndpointArn"]
        document = self.find(arn)
        if self._tasks(call, arn):
            raise state(f"Endpoint {arn} is part of one or more ReplicationTasks.")
        self._forget(call, arn)
        self.store.remove(arn)
        return {"Endpoint": records.told(document) | {"Status": "deleting"}}

    def find(self, arn: str) -> Document:
        """Beside: there is none of that ARN."""
        return records.find(self.store, arn, "endpoint", "Endpoint")

    # Connections

    @operation("TestConnection")
    def test(self, call: Call) -> Params:
        instance = self._instances.find(call.params["ReplicationInstanceArn"])
        endpoint = self.find(call.params["EndpointArn"])
        key = _key(instance["ReplicationInstanceArn"], endpoint["EndpointArn"])
        document = {
            "ReplicationInstanceArn": instance["ReplicationInstanceArn"],
            "EndpointArn": endpoint["EndpointArn"],
            "Status": "testing",
            "EndpointIdentifier": endpoint["EndpointIdentifier"],
            "ReplicationInstanceIdentifier": instance["ReplicationInstanceIdentifier"],
            OWN: {"Arn": key},
        }
        try:
            self.store.add(Resource(key, CONNECTION, call.region, key, "testing", document))
        except Exists:
            if self.store.get(key)["Status"] == "testing":
                raise state("The connection is being tested.") from None
            self.store.change(key, partial(_replaced, document))
        self.later(self._test, key, call.region, endpoint)
        return {"Connection": records.told(document)}

    def _test(self, key: str, region: str, endpoint: Document) -> None:
        self._tested(key, self._try(region, endpoint))

    def _try(self, region: str, endpoint: Document) -> str:
        """Why it cannot be reached; empty where it can."""
        if endpoint["EngineName"] == rules.S3:
            return self._try_bucket(region, endpoint["S3Settings"])
        done, found = self._ask_source(region, endpoint, "test")
        if done:
            return ""
        return _FAILED.format(_NETWORK, _SQL.format(found.get("reason", "")))

    def _ask_source(self, region: str, endpoint: Document, what: str) -> tuple[bool, Params]:
        name = f"{what}-{secrets.token_hex(4)}"
        host = ReplicationHost(name, self.cloud.engine_context(region, DMS), lambda _: {})
        self._hosts.add(host)
        try:
            return host.carry_out(self.errand(endpoint, what, {}))
        except (servers.Unreachable, Unreadable, JobError) as error:
            return False, {"reason": str(error)}
        finally:
            self._hosts.discard(host)

    def errand(self, endpoint: Document, what: str, asked: Params) -> Errand:
        """Something to do with a source. Unreachable: nobody answers there. Unreadable: its password is lost."""
        source = {"engine": endpoint["EngineName"], "database": endpoint["DatabaseName"]}
        if endpoint["EngineName"] == rules.SQLITE:
            folder = self._folder(endpoint["DatabaseName"])
            return Errand(what, asked | {"source": source}, folder=folder)
        server = (str(endpoint["ServerName"]), int(endpoint["Port"]))
        servers.check(*server)
        source |= {"user": endpoint["Username"], "password": self.password(endpoint), "ssl": endpoint["SslMode"]}
        source |= {"name": server[0], "port": server[1]}
        return Errand(what, asked | {"source": source}, server)

    def _folder(self, database: str) -> Path:
        folder = self.cloud.home.databases / database
        if not folder.is_dir():
            raise servers.Unreachable(f"unable to open database file: there is no {folder}")
        return folder

    def _try_bucket(self, region: str, settings: Params) -> str:
        name, role = settings["BucketName"], settings["ServiceAccessRoleArn"]
        try:
            s3 = self.cloud.client_as(role, "s3", region, DMS)
            s3.list_objects_v2(Bucket=name, Prefix=settings["BucketFolder"], MaxKeys=1)
        except (ClientError, BotoCoreError) as error:
            found = getattr(error, "response", {}).get("Error", {})
            words = f"AWS Error Code: {found.get('Code')}, AWS Error Message: {found.get('Message', error)}"
            return _FAILED.format("Failed to connect to S3", f"failed to list bucket {name} {words}")
        return ""

    def _tested(self, key: str, why: str) -> None:
        status = "failed" if why else "successful"

        def edit(connection: Document) -> str:
            connection["Status"] = status
            if why:
                connection["LastFailureMessage"] = why[:WORDS]
            return status

        with suppress(Missing):
            self.store.change(key, edit)

    def is_tested(self, instance: str, endpoint: str) -> bool:
        """Whether the last test of a connection has succeeded."""
        try:
            return bool(self.store.get(_key(instance, endpoint))["Status"] == "successful")
        except Missing:
            return False

    @operation("DescribeConnections")
    def connections(self, call: Call) -> Params:
        rows = [records.told(one) for one in self.store.documents(CONNECTION, call.region)]
        return records.described(call, "Connections", rows, _OF_CONNECTIONS)

    @operation("DeleteConnection")
    def delete_connection(self, call: Call) -> Params:
        key = _key(call.params["ReplicationInstanceArn"], call.params["EndpointArn"])
        try:
            found = self.store.get(key)
            self.store.remove(key)
        except Missing:
            raise missing("Connection not found.") from None
        return {"Connection": records.told(found) | {"Status": "deleting"}}

    # What a source has

    @operation("RefreshSchemas")
    def refresh(self, call: Call) -> Params:
        endpoint = self.find(call.params["EndpointArn"])
        self._instances.find(call.params["ReplicationInstanceArn"])
        if endpoint["EndpointType"] != "source":
            raise combination("The schemas are those of a source endpoint.")
        done, found = self._ask_source(call.region, endpoint, "schemas")
        if done:
            names = [str(name)[:255] for name in found.get("schemas") or ()][:10_000]
            self.store.change(endpoint["EndpointArn"], lambda one: one.setdefault(OWN, {}).update(Schemas=names))
        status = {"EndpointArn": endpoint["EndpointArn"], "Status": "successful" if done else "failed"}
        status["ReplicationInstanceArn"] = call.params["ReplicationInstanceArn"]
        return {
            "RefreshSchemasStatus": status | ({} if done else {"LastFailureMessage": str(found["reason"])[:WORDS]})
        }

    @operation("DescribeSchemas")
    def schemas(self, call: Call) -> Params:
        names = self.find(call.params["EndpointArn"]).get(OWN, {}).get("Schemas")
        if names is None:
            raise state("The schemas of the endpoint have not been refreshed.")
        found = records.described(call, "Schemas", [{"name": name} for name in names], {})
        return found | {"Schemas": [one["name"] for one in found["Schemas"]]}


def _replaced(document: Document, kept: Document) -> str:
    kept.clear()
    kept.update(document)
    return str(document["Status"])


def _key(instance: str, endpoint: str) -> str:
    return f"dms-connection/{instance}/{endpoint}"
