"""EMR: clusters, what may be changed of them, and their end.

https://docs.aws.amazon.com/emr/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import math
import secrets
import threading
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud import spot
from sagelab.cloud.context import EC2, EMR, Cloud
from sagelab.cloud.engine.emr.run import ENDED, ClusterRun, Order, Rules
from sagelab.cloud.engine.jobs import market
from sagelab.cloud.engine.jobs.run import Step
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import emr_groups, emr_records, emr_rules, listing
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.emr_rules import invalid, refused
from sagelab.cloud.store import Document, Missing, Resource

KIND = "emr-cluster"
ACTIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
LIVE = (*ACTIVE, "TERMINATING")
PAGE = 50
OVER = "A job flow that is shutting down, terminated, or finished may not be modified."
NONE = "Specified job flow ID does not exist."
PROTECTED = "Could not shut down one or more job flows since they are termination protected."
TOLD = ("Name", "LogUri", "ReleaseLabel", "ScaleDownBehavior", "EbsRootVolumeSize", "Configurations")


class Clusters(Family):
    """The clusters of one local cloud."""

    service = "elasticmapreduce"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._runs: dict[str, ClusterRun] = {}
        self._lock, self._closed = threading.Lock(), False
        for arn, cluster in self.store.with_status(KIND, *LIVE):
            emr_records.interrupt(self.store, arn)
            _end_instances(cluster)
            instances = cluster["Own"]["Instances"]
            facts = {"Code": "INTERNAL_ERROR", "Instances": instances}
            self._report(arn, Step("TERMINATED_WITH_ERRORS", ENDED, facts))

    @operation("RunJobFlow")
    def run(self, call: Call) -> Params:
        params, instances = call.params, call.params["Instances"]
        emr_rules.check(params)
        fleets: list[Params] = []
        if instances.get("InstanceFleets"):
            fleets, groups = emr_groups.fleets_of_request(instances["InstanceFleets"])
        else:
            groups = emr_groups.of_request(instances)
        emr_rules.check_count(groups, emr_rules.MOST)
        asked, level = params.get("Steps") or [], params.get("StepConcurrencyLevel", 1)
        emr_rules.check_steps(asked, level)
        emr_rules.check_more(0, len(asked))
        if len(self._runs) >= emr_rules.MOST_ACTIVE:
            raise invalid(f"The local cloud runs {emr_rules.MOST_ACTIVE} clusters at a time; terminate one first.")
        key = f"j-{secrets.token_hex(7).upper()[:13]}"
        arn, tags = _arn(call, key), {tag["Key"]: tag.get("Value", "") for tag in params.get("Tags") or []}
        cluster = _document(call, key, groups, fleets)
        order = self._order(call, key, cluster, tags)
        steps = [emr_records.made(step, arn, number) for number, step in enumerate(asked)]
        run = ClusterRun(
            order, _rules(cluster), steps, partial(self._report, arn), partial(emr_records.report, self.store, arn)
        )
        self.store.add(Resource(arn, KIND, call.region, key, "STARTING", cluster), tags)
        emr_records.keep(self.store, call.region, steps)
        with self._lock:
            self._runs[arn] = run
            if self._closed:
                run.interrupt()
        run.start()
        return {"JobFlowId": key, "ClusterArn": arn}

    def _order(self, call: Call, key: str, cluster: Document, tags: dict[str, str]) -> Order:
        """Beside: its instance profile is none, or its market."""
        role = self._role_of(call.params["JobFlowRole"])
        try:
            draws = market.read_tags(tags, spot.read_market(self.cloud.home))
        except ValueError as error:
            raise invalid(f"Tags: {error}.") from None
        actions = [
            {"path": one["ScriptBootstrapAction"]["Path"], "args": one["ScriptBootstrapAction"].get("Args") or []}
            for one in call.params.get("BootstrapActions") or []
        ]
        logs = call.params.get("LogUri")
        known = {
            "id": key,
            "token": secrets.token_urlsafe(24),
            "logs": f"{logs.rstrip('/')}/{key}" if logs else "",
            "given": cluster.get("Configurations") or [],
            "applications": [one["Name"].lower() for one in cluster["Applications"]],
        }
        by_emr, by_ec2 = (self.cloud.engine_context(call.region, by) for by in (EMR, EC2))
        service = _role_arn(call, call.params["ServiceRole"])
        groups = [dict(group) for group in cluster["Own"]["Groups"]]
        return Order(
            key,
            cluster["Own"]["Hosts"],
            groups,
            {"cluster": known, "actions": actions},
            service,
            role,
            by_emr,
            by_ec2,
            draws,
        )

    def _role_of(self, profile: str) -> str:
        """The ARN of the role of an instance profile. Beside: there is none such."""
        name = profile.rpartition("/")[2]
        with suppress(ClientError, IndexError):
            found = self.cloud.client("iam").get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
            return str(found["Roles"][0]["Arn"])
        raise invalid(f"Invalid InstanceProfile: {profile}.")

    # What there is

    @operation("DescribeCluster")
    def describe(self, call: Call) -> Params:
        arn, cluster = self.find(call, call.params["ClusterId"])
        tags = [{"Key": key, "Value": value} for key, value in self.store.tags(arn).items()]
        own = {name: value for name, value in cluster.items() if name != "Own"}
        hours = emr_groups.hours(cluster["Own"]["Instances"], datetime.now(UTC))
        return {"Cluster": own | {"Tags": tags, "NormalizedInstanceHours": hours}}

    @operation("ListClusters")
    def list_clusters(self, call: Call) -> Params:
        params = call.params
        states = params.get("ClusterStates") or (*LIVE, "TERMINATED", "TERMINATED_WITH_ERRORS")
        rows = []
        for one in self.store.documents(KIND, call.region):
            created = one["Status"]["Timeline"]["CreationDateTime"]
            after, before = params.get("CreatedAfter") or created, params.get("CreatedBefore") or created
            if one["Status"]["State"] in states and after <= created <= before:
                hours = emr_groups.hours(one["Own"]["Instances"], datetime.now(UTC))
                members = ("Id", "Name", "Status", "ClusterArn")
                rows.append({name: one[name] for name in members} | {"NormalizedInstanceHours": hours})
        rows.sort(key=lambda one: one["Status"]["Timeline"]["CreationDateTime"], reverse=True)
        return page(call, "Clusters", rows)

    @operation("ListBootstrapActions")
    def actions(self, call: Call) -> Params:
        found = self.find(call, call.params["ClusterId"])[1]["Own"]["Actions"]
        return page(call, "BootstrapActions", found)

    # What is changed

    @operation("SetTerminationProtection")
    def protect(self, call: Call) -> Params:
        return self._set_all(call, "TerminationProtected", call.params["TerminationProtected"])

    @operation("SetKeepJobFlowAliveWhenNoSteps")
    def keep_alive(self, call: Call) -> Params:
        return self._set_all(call, "AutoTerminate", not call.params["KeepJobFlowAliveWhenNoSteps"])

    @operation("SetVisibleToAllUsers")
    def show(self, call: Call) -> Params:
        return self._set_all(call, "VisibleToAllUsers", call.params["VisibleToAllUsers"])

    def _set_all(self, call: Call, member: str, value: Any) -> Params:
        arns = [self._active(call, key) for key in call.params["JobFlowIds"]]
        for arn in arns:
            self.change(arn, lambda cluster: cluster.update({member: value}))
        return {}

    @operation("ModifyCluster")
    def modify(self, call: Call) -> Params:
        if "ExtendedSupport" in call.params:
            raise emr_rules.absent("ExtendedSupport")
        level = call.params.get("StepConcurrencyLevel", 1)
        emr_rules.check_level(level)
        arn = self._active(call, call.params["ClusterId"])
        self.change(arn, lambda cluster: cluster.update({"StepConcurrencyLevel": level}))
        return {"StepConcurrencyLevel": level}

    @operation("PutAutoTerminationPolicy")
    def put_policy(self, call: Call) -> Params:
        policy = call.params.get("AutoTerminationPolicy") or {}
        emr_rules.check_policy(policy)
        arn = self._active(call, call.params["ClusterId"])
        self.change(arn, lambda cluster: cluster["Own"].update({"Policy": policy}))
        return {}

    @operation("GetAutoTerminationPolicy")
    def get_policy(self, call: Call) -> Params:
        policy = self.find(call, call.params["ClusterId"])[1]["Own"]["Policy"]
        return {"AutoTerminationPolicy": policy} if policy else {}

    @operation("RemoveAutoTerminationPolicy")
    def remove_policy(self, call: Call) -> Params:
        arn = self._active(call, call.params["ClusterId"])
        self.change(arn, lambda cluster: cluster["Own"].update({"Policy": None}))
        return {}

    @operation("AddTags")
    def add_tags(self, call: Call) -> Params:
        arn, _ = self.find(call, call.params["ResourceId"])
        tags = {tag["Key"]: tag.get("Value", "") for tag in call.params["Tags"]}
        which = tags.pop(market.INTERRUPT, None)
        if which is not None:
            run = self.run_of(arn)
            if run is None:
                raise invalid(OVER)
            run.interrupt_spot("" if which == market.NOW else which)
        self.store.tag(arn, tags)
        return {}

    @operation("RemoveTags")
    def remove_tags(self, call: Call) -> Params:
        arn, _ = self.find(call, call.params["ResourceId"])
        self.store.untag(arn, call.params["TagKeys"])
        return {}

    @operation("TerminateJobFlows")
    def terminate(self, call: Call) -> Params:
        found = [self.find(call, key, invalid(NONE)) for key in call.params["JobFlowIds"]]
        free = [arn for arn, cluster in found if not cluster["TerminationProtected"]]
        for arn in free:
            if run := self.run_of(arn):
                run.stop()
        if len(free) < len(found):
            raise invalid(PROTECTED)
        return {}

    # For its neighbours

    def find(self, call: Call, key: str, otherwise: Exception | None = None) -> tuple[str, Document]:
        """(ARN, document) of a cluster. Beside: there is none such."""
        try:
            return _arn(call, key), self.store.get(_arn(call, key))
        except Missing:
            raise otherwise or refused(f"Cluster id '{key}' is not valid.") from None

    def _active(self, call: Call, key: str) -> str:
        """The ARN of a cluster that may be changed."""
        arn, cluster = self.find(call, key, refused(f"Cluster id '{key}' is not valid."))
        if cluster["Status"]["State"] not in ACTIVE:
            raise invalid(OVER)
        return arn

    active = _active

    def run_of(self, arn: str) -> ClusterRun | None:
        with self._lock:
            return self._runs.get(arn)

    def change(self, arn: str, edit: Any) -> Document:
        """Change a cluster's document, and what its run knows of it."""
        cluster = self.store.change(arn, lambda document: edit(document) and None)
        if run := self.run_of(arn):
            run.set_rules(_rules(cluster))
            run.set_groups([dict(group) for group in cluster["Own"]["Groups"]])
        return cluster

    def _report(self, arn: str, step: Step) -> None:
        """A cluster has come to a state."""
        state = "TERMINATED_WITH_ERRORS" if step.status == "Failed" else step.status
        over = state.startswith("TERMINATED")

        def edit(cluster: Document) -> str:
            status, line = cluster["Status"], cluster["Status"]["Timeline"]
            if not status["State"].startswith("TERMINATED"):
                code = {"Code": step.facts["Code"]} if "Code" in step.facts else {}
                status |= {"State": state, "StateChangeReason": code | {"Message": step.message}}
                line |= {name: step.facts[name] for name in ("ReadyDateTime",) if name in step.facts}
                line |= {"EndDateTime": datetime.now(UTC)} if over else {}
                cluster["Own"]["Instances"] = step.facts.get("Instances", cluster["Own"]["Instances"])
                _name_master(cluster)
            return str(status["State"])

        if over:
            with self._lock:
                self._runs.pop(arn, None)
        with suppress(Missing):
            self.store.change(arn, edit)

    def close(self) -> None:
        with self._lock:
            self._closed, runs = True, list(self._runs.values())
        for run in runs:
            run.interrupt()


def page(call: Call, member: str, rows: list[Params]) -> Params:
    """Fifty of them, by EMR's Marker."""
    try:
        token = listing.read_token(call.params.get("Marker"))
    except ValidationException:
        raise refused(f"Marker '{call.params['Marker']}' is not valid.") from None
    start = token[0] if token and isinstance(token[0], int) and token[0] >= 0 else 0
    end = start + PAGE
    more = {"Marker": listing.write_token((end, member))} if len(rows) > end else {}
    return {member: rows[start:end], **more}


def _document(call: Call, key: str, groups: list[Params], fleets: list[Params]) -> Document:
    params, instances, now = call.params, call.params["Instances"], datetime.now(UTC)
    actions = [
        {"Name": one["Name"], "ScriptPath": one["ScriptBootstrapAction"]["Path"]}
        | {"Args": one["ScriptBootstrapAction"].get("Args") or []}
        for one in params.get("BootstrapActions") or []
    ]
    attributes = {"IamInstanceProfile": params["JobFlowRole"].rpartition("/")[2]}
    return {
        "Id": key,
        "ClusterArn": _arn(call, key),
        "Status": {"State": "STARTING", "StateChangeReason": {}, "Timeline": {"CreationDateTime": now}},
        "Ec2InstanceAttributes": attributes | {"Ec2AvailabilityZone": f"{call.region}a"},
        "InstanceCollectionType": "INSTANCE_FLEET" if fleets else "INSTANCE_GROUP",
        "AutoTerminate": not instances.get("KeepJobFlowAliveWhenNoSteps", False),
        "TerminationProtected": instances.get("TerminationProtected", False),
        "UnhealthyNodeReplacement": True,
        "VisibleToAllUsers": params.get("VisibleToAllUsers", True),
        "Applications": [{"Name": one["Name"]} for one in params.get("Applications") or []],
        "ServiceRole": params["ServiceRole"],
        "StepConcurrencyLevel": params.get("StepConcurrencyLevel", 1),
        "Configurations": [],
        "ScaleDownBehavior": "TERMINATE_AT_TASK_COMPLETION",
        **{name: params[name] for name in TOLD if params.get(name) is not None},
        "Own": {
            "Groups": groups,
            "Fleets": fleets,
            "Instances": [],
            "Actions": actions,
            "Policy": params.get("AutoTerminationPolicy"),
            "Hosts": min(emr_rules.MOST, sum(group["Requested"] for group in groups) + emr_rules.SPARE),
        },
    }


def _rules(cluster: Document) -> Rules:
    policy = cluster["Own"]["Policy"]
    idle = float(policy.get("IdleTimeout", 3600)) if policy else math.inf
    keep, protected = not cluster["AutoTerminate"], cluster["TerminationProtected"]
    return Rules(keep, protected, cluster["StepConcurrencyLevel"], idle)


def _name_master(cluster: Document) -> None:
    """Its name in the network, while it is there."""
    found = [one for one in cluster["Own"]["Instances"] if one["Role"] == "MASTER" and "PrivateDnsName" in one]
    if found:
        cluster["MasterPublicDnsName"] = found[-1]["PrivateDnsName"]


def _end_instances(cluster: Document) -> None:
    now = datetime.now(UTC)
    for one in cluster["Own"]["Instances"]:
        if one["Status"]["State"] != "TERMINATED":
            one["Status"]["State"] = "TERMINATED"
            one["Status"]["StateChangeReason"] = {"Code": "CLUSTER_TERMINATED", "Message": ENDED}
            one["Status"]["Timeline"]["EndDateTime"] = now


def _role_arn(call: Call, role: str) -> str:
    return role if role.startswith("arn:") else f"arn:aws:iam::{call.account}:role/{role}"


def _arn(call: Call, key: str) -> str:
    return f"arn:aws:elasticmapreduce:{call.region}:{call.account}:cluster/{key}"
