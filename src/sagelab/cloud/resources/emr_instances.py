"""EMR: the instances of a cluster, and the groups or fleets that say how many there are to be.

https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-manage-resize.html
"""

from __future__ import annotations

from typing import Any

from sagelab.cloud.context import Cloud
from sagelab.cloud.resources import emr_groups, emr_rules
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.emr_clusters import Clusters, page
from sagelab.cloud.resources.emr_rules import invalid, refused
from sagelab.cloud.store import Document

GROUPS, FLEETS = "INSTANCE_GROUP", "INSTANCE_FLEET"
NOT_FLEETS = "Instance fleets and instance groups are mutually exclusive."


class Instances(Family):
    """Of all clusters."""

    service = "elasticmapreduce"
    needs = (Clusters,)

    def __init__(self, cloud: Cloud, clusters: Clusters) -> None:
        super().__init__(cloud)
        self._clusters = clusters

    @operation("ListInstances")
    def instances(self, call: Call) -> Params:
        params, cluster = call.params, self._cluster(call)
        types = params.get("InstanceGroupTypes") or []
        types += [params["InstanceFleetType"]] if params.get("InstanceFleetType") else []
        within = params.get("InstanceGroupId") or params.get("InstanceFleetId")
        states = params.get("InstanceStates")
        rows = [
            emr_groups.told_instance(one)
            for one in cluster["Own"]["Instances"]
            if (not types or one["Role"] in types)
            and (not within or one["InstanceGroupId"].partition("/")[0] == within)
            and (not states or one["Status"]["State"] in states)
        ]
        return page(call, "Instances", rows)

    @operation("ListInstanceGroups")
    def groups(self, call: Call) -> Params:
        cluster = self._cluster(call)
        self._of_kind(cluster, GROUPS)
        return page(
            call, "InstanceGroups", [emr_groups.told_group(one, cluster) for one in cluster["Own"]["Groups"]]
        )

    @operation("ListInstanceFleets")
    def fleets(self, call: Call) -> Params:
        cluster = self._cluster(call)
        self._of_kind(cluster, FLEETS)
        return page(
            call, "InstanceFleets", [emr_groups.told_fleet(one, cluster) for one in cluster["Own"]["Fleets"]]
        )

    @operation("AddInstanceGroups")
    def add_groups(self, call: Call) -> Params:
        arn = self._clusters.active(call, call.params["JobFlowId"])
        for group in call.params["InstanceGroups"]:
            emr_rules.check_group(group)
        made = [emr_groups.made(group) for group in call.params["InstanceGroups"]]

        def edit(cluster: Document) -> None:
            self._of_kind(cluster, GROUPS)
            groups = [*cluster["Own"]["Groups"], *made]
            emr_rules.check_added(groups, made, cluster["Own"]["Hosts"])
            cluster["Own"]["Groups"] = groups

        self._clusters.change(arn, edit)
        key = call.params["JobFlowId"]
        return {"JobFlowId": key, "InstanceGroupIds": [group["Id"] for group in made], "ClusterArn": arn}

    @operation("ModifyInstanceGroups")
    def modify_groups(self, call: Call) -> Params:
        asked = call.params.get("InstanceGroups") or []
        if not call.params.get("ClusterId"):
            raise invalid("ClusterId is required: the local cloud finds instance groups by their cluster.")
        arn, ended = self._clusters.active(call, call.params["ClusterId"]), list[str]()
        for one in asked:
            for member in ("Configurations", "ReconfigurationType"):
                if one.get(member):
                    raise emr_rules.absent(f"{member} of an instance group")
            ended += one.get("EC2InstanceIdsToTerminate") or []

        def edit(cluster: Document) -> None:
            self._of_kind(cluster, GROUPS)
            for one in asked:
                _resize(cluster, one["InstanceGroupId"], one)

        if ended and (run := self._clusters.run_of(arn)):
            run.end_instances(ended)
        self._clusters.change(arn, edit)
        return {}

    @operation("AddInstanceFleet")
    def add_fleet(self, call: Call) -> Params:
        arn = self._clusters.active(call, call.params["ClusterId"])
        fleet = emr_groups.made_fleet(call.params["InstanceFleet"])

        def edit(cluster: Document) -> None:
            self._of_kind(cluster, FLEETS)
            made = list(emr_groups.groups_of(fleet))
            groups = [*cluster["Own"]["Groups"], *made]
            if any(one["InstanceFleetType"] == fleet["InstanceFleetType"] for one in cluster["Own"]["Fleets"]):
                raise invalid(f"The cluster has a {fleet['InstanceFleetType']} instance fleet already.")
            emr_rules.check_count(groups, cluster["Own"]["Hosts"])
            cluster["Own"]["Groups"] = groups
            cluster["Own"]["Fleets"] = [*cluster["Own"]["Fleets"], fleet]

        self._clusters.change(arn, edit)
        return {"ClusterId": call.params["ClusterId"], "InstanceFleetId": fleet["Id"], "ClusterArn": arn}

    @operation("ModifyInstanceFleet")
    def modify_fleet(self, call: Call) -> Params:
        arn, asked = self._clusters.active(call, call.params["ClusterId"]), call.params["InstanceFleet"]
        for member in ("ResizeSpecifications", "InstanceTypeConfigs"):
            if asked.get(member):
                raise emr_rules.absent(f"{member} of ModifyInstanceFleet")

        def edit(cluster: Document) -> None:
            self._of_kind(cluster, FLEETS)
            fleet = next((one for one in cluster["Own"]["Fleets"] if one["Id"] == asked["InstanceFleetId"]), None)
            if fleet is None:
                raise refused(f"Instance fleet id '{asked['InstanceFleetId']}' is not valid.")
            targets = ("TargetOnDemandCapacity", "TargetSpotCapacity")
            fleet |= {name: asked[name] for name in targets if name in asked}
            wanted = {group["Id"]: group["Requested"] for group in emr_groups.groups_of(fleet)}
            for group in cluster["Own"]["Groups"]:
                group["Requested"] = wanted.get(group["Id"], group["Requested"])
            emr_rules.check_count(cluster["Own"]["Groups"], cluster["Own"]["Hosts"])

        self._clusters.change(arn, edit)
        return {}

    def _cluster(self, call: Call) -> Document:
        return self._clusters.find(call, call.params["ClusterId"])[1]

    def _of_kind(self, cluster: Document, kind: str) -> None:
        if cluster["InstanceCollectionType"] != kind:
            raise refused(NOT_FLEETS)


def _resize(cluster: Document, key: str, asked: dict[str, Any]) -> None:
    """Beside: there is no such group, or it may not have so many."""
    groups = cluster["Own"]["Groups"]
    group = next((one for one in groups if one["Id"] == key), None)
    if group is None:
        raise refused(f"Instance group id '{key}' is not valid.")
    count = asked.get("InstanceCount")
    if count is None:
        count = group["Requested"] - len(asked.get("EC2InstanceIdsToTerminate") or [])
    if group["Role"] == "MASTER":
        raise invalid("A master instance group may not be resized.")
    if count < (1 if group["Role"] == "CORE" else 0):
        raise invalid("Instance count must be greater than 0.")
    group["Requested"] = count
    emr_rules.check_count(groups, cluster["Own"]["Hosts"])
