"""DMS: replication instances, which are names here, their subnet groups, and the tags of all that DMS has.

A task's host is this machine's; an instance says what it would cost on AWS and whose tasks are whose.
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_ReplicationInstance.html
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud.resources import replication_records as records
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.replication_records import INSTANCE, OWN, SUBNETS, TASK, invalid, missing, state
from sagelab.cloud.store import Document, Exists, Missing, Resource

VERSION = "3.5.4"
CLASSES = re.compile(
    r"dms\.(t2|t3|c4|c5|c6i|c7i|r4|r5|r6i|r7i)\.(micro|small|medium|large|\d{0,2}xlarge)", re.ASCII
)
STORAGE = 50  # GB
_REFUSED = ("DnsNameServers", "KerberosAuthenticationSettings")
_CHANGED = (
    *("AllocatedStorage", "ReplicationInstanceClass", "PreferredMaintenanceWindow", "MultiAZ"),
    *("EngineVersion", "AutoMinorVersionUpgrade"),
)
_FILTERS = {
    "replication-instance-arn": "ReplicationInstanceArn",
    "replication-instance-id": "ReplicationInstanceIdentifier",
    "replication-instance-class": "ReplicationInstanceClass",
    "engine-version": "EngineVersion",
}


class ReplicationInstances(Family):
    """Those of one local cloud."""

    service = "dms"

    @operation("CreateReplicationInstance")
    def create(self, call: Call) -> Params:
        params = call.params
        name = records.check_name(params["ReplicationInstanceIdentifier"], "ReplicationInstanceIdentifier", 63)
        if not CLASSES.fullmatch(params["ReplicationInstanceClass"]):
            raise invalid(f"Invalid replication instance class: {params['ReplicationInstanceClass'][:60]}")
        for refused in _REFUSED:
            if params.get(refused):
                raise invalid(f"{refused} is not something the local cloud can do.")
        if self._by_name(call, name):
            raise Beside("ResourceAlreadyExistsFault", "Replication Instance already exists.")
        arn = records.arn_of(call, "rep", params.get("ResourceIdentifier", ""))
        document = self._made(call, params, name, arn)
        self._add(Resource(arn, INSTANCE, call.region, name, "available", document), records.read_tags(params))
        return {"ReplicationInstance": document | {"ReplicationInstanceStatus": "creating"}}

    def _made(self, call: Call, params: Params, name: str, arn: str) -> Document:
        group = params.get("ReplicationSubnetGroupIdentifier")
        storage = params.get("AllocatedStorage", STORAGE)
        if not 5 <= storage <= 6144:
            raise invalid("AllocatedStorage must be between 5 and 6144.")
        return {
            "ReplicationInstanceIdentifier": name,
            "ReplicationInstanceClass": params["ReplicationInstanceClass"],
            "ReplicationInstanceStatus": "available",
            "AllocatedStorage": storage,
            "InstanceCreateTime": datetime.now(UTC),
            "VpcSecurityGroups": [
                {"VpcSecurityGroupId": key, "Status": "active"} for key in params.get("VpcSecurityGroupIds") or []
            ],
            "AvailabilityZone": params.get("AvailabilityZone", f"{call.region}a"),
            **({"ReplicationSubnetGroup": self._group(call, group)} if group else {}),
            "PreferredMaintenanceWindow": params.get("PreferredMaintenanceWindow", "sun:06:00-sun:14:00"),
            "PendingModifiedValues": {},
            "MultiAZ": params.get("MultiAZ", False),
            "EngineVersion": params.get("EngineVersion", VERSION),
            "AutoMinorVersionUpgrade": params.get("AutoMinorVersionUpgrade", True),
            "ReplicationInstanceArn": arn,
            "PubliclyAccessible": params.get("PubliclyAccessible", True),
            "NetworkType": params.get("NetworkType", "IPV4"),
        }

    def _add(self, resource: Resource, tags: dict[str, str]) -> None:
        try:
            self.store.add(resource, tags)
        except Exists:
            raise Beside("ResourceAlreadyExistsFault", f"{resource.arn} already exists.") from None

    @operation("DescribeReplicationInstances")
    def describe(self, call: Call) -> Params:
        rows = [records.told(one) for one in self.store.documents(INSTANCE, call.region)]
        return records.described(call, "ReplicationInstances", rows, _FILTERS)

    @operation("ModifyReplicationInstance")
    def modify(self, call: Call) -> Params:
        """What an instance is on AWS; here it is told, and changes nothing."""
        params = call.params
        document = self.find(params["ReplicationInstanceArn"])
        if (kind := params.get("ReplicationInstanceClass")) and not CLASSES.fullmatch(kind):
            raise invalid(f"Invalid replication instance class: {kind[:60]}")
        changed = {name: params[name] for name in _CHANGED if name in params}
        if name := params.get("ReplicationInstanceIdentifier"):
            changed["ReplicationInstanceIdentifier"] = records.check_name(
                name, "ReplicationInstanceIdentifier", 63
            )
        found = self.store.change(document["ReplicationInstanceArn"], lambda one: one.update(changed))
        return {"ReplicationInstance": records.told(found)}

    @operation("DeleteReplicationInstance")
    def delete(self, call: Call) -> Params:
        arn = call.params["ReplicationInstanceArn"]
        document = self.find(arn)
        if any(one["ReplicationInstanceArn"] == arn for one in self.store.documents(TASK, call.region)):
            raise state("Replication Instance has associated Replication Tasks. Delete them first.")
        for one in list(self.store.documents(records.CONNECTION, call.region)):
            if one["ReplicationInstanceArn"] == arn:
                self.store.remove(one[OWN]["Arn"])
        self.store.remove(arn)
        return {"ReplicationInstance": records.told(document) | {"ReplicationInstanceStatus": "deleting"}}

    def find(self, arn: str) -> Document:
        """Beside: there is none of that ARN."""
        return records.find(self.store, arn, "rep", "Replication Instance")

    def _by_name(self, call: Call, name: str) -> Document | None:
        rows = self.store.documents(INSTANCE, call.region)
        return next((one for one in rows if one["ReplicationInstanceIdentifier"] == name), None)

    # Subnet groups

    @operation("CreateReplicationSubnetGroup")
    def create_group(self, call: Call) -> Params:
        params = call.params
        name = records.check_name(params["ReplicationSubnetGroupIdentifier"], "ReplicationSubnetGroupIdentifier")
        found = self._subnets(call, params["SubnetIds"])
        document = {
            "ReplicationSubnetGroupIdentifier": name,
            "ReplicationSubnetGroupDescription": params["ReplicationSubnetGroupDescription"],
            "VpcId": found[0]["VpcId"],
            "SubnetGroupStatus": "Complete",
            "Subnets": [
                {
                    "SubnetIdentifier": one["SubnetId"],
                    "SubnetAvailabilityZone": {"Name": one["AvailabilityZone"]},
                    "SubnetStatus": "Active",
                }
                for one in found
            ],
            "SupportedNetworkTypes": ["IPV4"],
        }
        arn = f"arn:aws:dms:{call.region}:{call.account}:subgrp:{name}"
        self._add(Resource(arn, SUBNETS, call.region, name, "Complete", document), records.read_tags(params))
        return {"ReplicationSubnetGroup": document}

    def _subnets(self, call: Call, ids: list[str]) -> list[dict[str, Any]]:
        try:
            found = self.cloud.client("ec2", call.region).describe_subnets(SubnetIds=ids)["Subnets"]
        except ClientError as error:
            raise Beside("InvalidSubnet", error.response["Error"]["Message"]) from None
        if len({one["AvailabilityZone"] for one in found}) < 2:
            words = "The Replication Subnet Group doesn't meet Availability Zone (AZ) coverage requirement."
            raise Beside(
                "ReplicationSubnetGroupDoesNotCoverEnoughAZs", f"{words} Please add subnets to cover 2 AZs."
            )
        if len({one["VpcId"] for one in found}) > 1:
            raise Beside("InvalidSubnet", "The subnets of a group are of one VPC.")
        return list(found)

    def _group(self, call: Call, name: str) -> Document:
        try:
            return self.store.get(f"arn:aws:dms:{call.region}:{call.account}:subgrp:{name.lower()}")
        except Missing:
            raise missing(f"Replication Subnet Group {name[:100]} not found.") from None

    @operation("DescribeReplicationSubnetGroups")
    def describe_groups(self, call: Call) -> Params:
        rows = [records.told(one) for one in self.store.documents(SUBNETS, call.region)]
        known = {"replication-subnet-group-id": "ReplicationSubnetGroupIdentifier"}
        return records.described(call, "ReplicationSubnetGroups", rows, known)

    @operation("DeleteReplicationSubnetGroup")
    def delete_group(self, call: Call) -> Params:
        name = call.params["ReplicationSubnetGroupIdentifier"]
        found = self._group(call, name)
        for one in self.store.documents(INSTANCE, call.region):
            if one.get("ReplicationSubnetGroup", {}).get("ReplicationSubnetGroupIdentifier") == name.lower():
                raise state(f"Replication Subnet Group {name} is in use.")
        group = found["ReplicationSubnetGroupIdentifier"]
        self.store.remove(f"arn:aws:dms:{call.region}:{call.account}:subgrp:{group}")
        return {}

    # Tags

    @operation("AddTagsToResource")
    def tag(self, call: Call) -> Params:
        arn, tags = self._tagged(call.params["ResourceArn"]), records.read_tags(call.params)
        if len(self.store.tags(arn) | tags) > records.MAX_TAGS:
            raise invalid(f"A resource has {records.MAX_TAGS} tags at most.")
        self.store.tag(arn, tags)
        return {}

    @operation("RemoveTagsFromResource")
    def untag(self, call: Call) -> Params:
        self.store.untag(self._tagged(call.params["ResourceArn"]), call.params["TagKeys"])
        return {}

    @operation("ListTagsForResource")
    def tags(self, call: Call) -> Params:
        arns = (
            [call.params["ResourceArn"]] if call.params.get("ResourceArn") else call.params.get("ResourceArnList")
        )
        if not arns:
            raise invalid("ResourceArn must be provided.")
        rows = [
            {"Key": key, "Value": value, **({"ResourceArn": arn} if len(arns) > 1 else {})}
            for arn in map(self._tagged, arns)
            for key, value in self.store.tags(arn).items()
        ]
        return {"TagList": rows}

    def _tagged(self, arn: str) -> str:
        if not arn.startswith("arn:aws:dms:") or not self.store.has(arn):
            raise missing(f"Invalid resource: {arn[:300]}")
        return arn
