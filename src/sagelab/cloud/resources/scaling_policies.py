"""Scaling policies: Put, Describe, Delete, and the alarms of those that track a target."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from botocore.exceptions import ClientError

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.scaling import records, tracking
from sagelab.cloud.engine.scaling.records import CONFIGURATIONS, OWN, POLICY, STEPS, TRACKING
from sagelab.cloud.resources import scaling_rules
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.scalable_targets import ScalableTargets
from sagelab.cloud.resources.scaling_rules import invalid
from sagelab.cloud.store import Document, Missing, Resource

_OTHER_TYPE = (
    "You cannot change a TargetTrackingScaling policy to a non TargetTrackingScaling policy, or vice versa"
)


class ScalingPolicies(Family):
    """The scaling policies of one local cloud."""

    service = "application-autoscaling"
    needs = (ScalableTargets,)

    def __init__(self, cloud: Cloud, targets: ScalableTargets) -> None:
        super().__init__(cloud)
        self._targets = targets
        self._lock, self._busy = threading.Lock(), set[str]()

    @operation("PutScalingPolicy")
    def put(self, call: Call) -> Params:
        scaling_rules.check_named(call.params)
        target = self._targets.find(call)
        with self._alone(target["ScalableTargetARN"]):
            policies = records.of_target(self.store, POLICY, target["ScalableTargetARN"])
            before = next((one for one in policies if one["PolicyName"] == call.params["PolicyName"]), None)
            policy = self._policy(call, target, before)
            scaling_rules.check_policy(policy, [one for one in policies if one is not before])
            if before is None and len(policies) >= scaling_rules.POLICIES:
                raise Beside("LimitExceededException", f"A target has {scaling_rules.POLICIES} policies at most.")
            self._put_alarms(call.region, policy)
            self._keep(call.region, target, policy, before)
        return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}

    def _policy(self, call: Call, target: Document, before: Document | None) -> Document:
        """What a request makes of the policy that was there, if one was."""
        asked = call.params
        kind = asked.get("PolicyType") or (before or {}).get("PolicyType") or STEPS
        if before and before["PolicyType"] != kind:
            raise invalid(_OTHER_TYPE)
        given = {name: value for name, value in asked.items() if name.endswith("PolicyConfiguration")}
        if before:
            return before | given | {"PolicyType": kind}
        named = f"resource/{asked['ServiceNamespace']}/{asked['ResourceId']}:policyName/{asked['PolicyName']}"
        start = f"arn:aws:autoscaling:{call.region}:{call.account}:scalingPolicy:{uuid.uuid4()}"
        sides = ("High", "Low") if kind == TRACKING else ()
        names = [f"TargetTracking-{asked['ResourceId']}-Alarm{side}-{uuid.uuid4()}" for side in sides]
        where = f"arn:aws:cloudwatch:{call.region}:{call.account}:alarm"
        return scaling_rules.of(asked) | given | {
            "PolicyARN": f"{start}:{named}",
            "PolicyName": asked["PolicyName"],
            "PolicyType": kind,
            "Alarms": [{"AlarmName": name, "AlarmARN": f"{where}:{name}"} for name in names],
            "CreationTime": scaling_rules.now(),
            OWN: {"Target": target["ScalableTargetARN"]},
        }  # fmt: skip

    def _put_alarms(self, region: str, policy: Document) -> None:
        """Beside: CloudWatch does not take the alarms of a policy."""
        if policy["PolicyType"] != TRACKING:
            return
        client = self._targets.cloudwatch(region)
        try:
            for request in tracking.alarms(policy):
                client.put_metric_alarm(**request)
        except ClientError as error:
            raise invalid(str(error.response["Error"].get("Message"))) from None

    def _keep(self, region: str, target: Document, policy: Document, before: Document | None) -> None:
        if before:
            self.store.change(policy["PolicyARN"], partial(_replace, policy))
            return
        name = f"{records.id_of(target['ScalableTargetARN'])}/{policy['PolicyName']}"
        self.store.add(Resource(policy["PolicyARN"], POLICY, region, name, "", policy))

    @operation("DeleteScalingPolicy")
    def delete(self, call: Call) -> Params:
        scaling_rules.check_named(call.params)
        arn = records.target_arn(f"{call.region}:{call.account}", call.params)
        with self._alone(arn):
            policies = records.of_target(self.store, POLICY, arn)
            policy = next((one for one in policies if one["PolicyName"] == call.params["PolicyName"]), None)
            if policy is None:
                words = f"{scaling_rules.named(call.params)}, policy name: {call.params['PolicyName']}"
                raise Beside("ObjectNotFoundException", f"No scaling policy found for {words}")
            self._remove(policy)
        return {}

    def _remove(self, policy: Document) -> None:
        """With its own alarms, but not with those of the user's."""
        try:
            self.store.remove(policy["PolicyARN"])
        except Missing:
            return  # its target was deregistered meanwhile
        self.cloud.alarms.remove(alarm["AlarmARN"] for alarm in policy["Alarms"])

    @operation("DescribeScalingPolicies")
    def describe(self, call: Call) -> Params:
        found = [
            one
            for one in self.store.documents(POLICY, call.region)
            if scaling_rules.fits(one, call.params, PolicyNames="PolicyName")
        ]
        shown = scaling_rules.page(call, "ScalingPolicies", found)
        self._add_alarms(call.region, [one for one in shown["ScalingPolicies"] if one["PolicyType"] == STEPS])
        return shown

    def _add_alarms(self, region: str, policies: list[Document]) -> None:
        """The user's own alarms that call policies. Beside: the role may not look at alarms."""
        if not policies:
            return
        pages = self._targets.cloudwatch(region).get_paginator("describe_alarms").paginate()
        try:
            alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
        except ClientError as error:
            raise Beside("FailedResourceAccessException", str(error.response["Error"].get("Message"))) from None
        for policy in policies:
            calling = [alarm for alarm in alarms if policy["PolicyARN"] in _called(alarm)]
            policy["Alarms"] = [
                {"AlarmName": alarm["AlarmName"], "AlarmARN": alarm["AlarmArn"]} for alarm in calling
            ]

    @contextmanager
    def _alone(self, target: str) -> Iterator[None]:
        """One change of a target's policies at a time. Beside: ConcurrentUpdateException, another is under way."""
        with self._lock:
            if target in self._busy:
                raise Beside("ConcurrentUpdateException", "You already have a pending update to a scaling policy.")
            self._busy.add(target)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(target)


def _replace(new: Document, document: Document) -> None:
    for name in CONFIGURATIONS.values():
        if name in new:
            document[name] = new[name]


def _called(alarm: Document) -> list[str]:
    return [arn for member in ("AlarmActions", "OKActions") for arn in alarm.get(member, [])]
