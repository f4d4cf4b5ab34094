"""Application Auto Scaling: what is scaled, and what became of it.

https://docs.aws.amazon.com/autoscaling/application/APIReference/Welcome.html
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud.alarms.actions import Refused
from sagelab.cloud.context import SCALING, Cloud
from sagelab.cloud.engine.scaling import capacity, records
from sagelab.cloud.engine.scaling.records import ACTION, OWN, POLICY, TARGET
from sagelab.cloud.engine.scaling.scaler import Scaler, Surroundings
from sagelab.cloud.resources import scaling_rules
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.scaling_rules import invalid
from sagelab.cloud.store import Change, Document, Missing, Resource

SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
MOST_TAGS = 50


class ScalableTargets(Family):
    """The targets of one local cloud, with the scaler that acts for them."""

    service = "application-autoscaling"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._lock = threading.Lock()
        alarms = cloud.alarms
        around = Surroundings(self.store, cloud.clock, self._client_as, alarms.find, self._put_event)
        self.scaler = Scaler(around)
        alarms.act_on("arn:aws:autoscaling:", self._on_alarm)
        self.store.listen(self._on_change)
        for arn, target in self.store.with_status(TARGET, ""):
            if not self.store.has(_endpoint_of(target)):
                self.forget(arn)
        self.scaler.recover()

    @operation("RegisterScalableTarget")
    def register(self, call: Call) -> Params:
        asked = call.params
        scaling_rules.check_named(asked)
        arn = records.target_arn(_where(call), asked)
        with self._lock:
            before = records.look(self.store, arn)
            target = self._target(call, arn, before)
            scaling_rules.check_bounds(target)
            if before is None:
                self._add(call, target)
            else:
                self.store.change(arn, partial(_replace, target))
        self.scaler.hold(arn)
        return {"ScalableTargetARN": arn}

    def _target(self, call: Call, arn: str, before: Document | None) -> Document:
        asked = call.params
        if before is None:
            self._check_variant(call)
            before = scaling_rules.of(asked) | {
                "RoleARN": self._role(),
                "CreationTime": scaling_rules.now(),
                "SuspendedState": dict.fromkeys(SUSPENDED, False),
                "ScalableTargetARN": arn,
                OWN: {},
            }
        elif asked.get("Tags"):
            raise invalid(
                "The scalable target that you tried to tag already exists. To update tags on an existing scalable"
                " target, use the TagResource API."
            )
        suspended = before["SuspendedState"] | asked.get("SuspendedState", {})
        bounds = {name: asked[name] for name in ("MinCapacity", "MaxCapacity") if name in asked}
        return before | bounds | {"SuspendedState": suspended}

    def _add(self, call: Call, target: Document) -> None:
        if sum(1 for _ in self.store.documents(TARGET, call.region)) >= scaling_rules.TARGETS:
            raise Beside("LimitExceededException", f"There are {scaling_rules.TARGETS} scalable targets already.")
        arn, tags = target["ScalableTargetARN"], _tags(call.params.get("Tags", {}))
        self.store.add(Resource(arn, TARGET, call.region, records.id_of(arn), "", target), tags)

    @operation("DeregisterScalableTarget")
    def deregister(self, call: Call) -> Params:
        scaling_rules.check_named(call.params)
        target = self.find(call)
        self.forget(target["ScalableTargetARN"])
        return {}

    @operation("DescribeScalableTargets")
    def describe(self, call: Call) -> Params:
        found = [
            one
            for one in self.store.documents(TARGET, call.region)
            if scaling_rules.fits(one, call.params, ResourceIds="ResourceId")
        ]
        return scaling_rules.page(call, "ScalableTargets", found)

    @operation("DescribeScalingActivities")
    def activities(self, call: Call) -> Params:
        whole = call.params.get("IncludeNotScaledActivities")
        found = [
            one
            for one in self.scaler.activities.all(call.region)
            if scaling_rules.fits(one, call.params) and (whole or "NotScaledReasons" not in one)
        ]
        return scaling_rules.page(call, "ScalingActivities", found)

    # Tags

    @operation("TagResource")
    def tag(self, call: Call) -> Params:
        arn, new = self._tagged(call), _tags(call.params["Tags"])
        if len(self.store.tags(arn) | new) > MOST_TAGS:
            raise Beside("TooManyTagsException", f"A scalable target can have at most {MOST_TAGS} tags.")
        self.store.tag(arn, new)
        return {}

    @operation("UntagResource")
    def untag(self, call: Call) -> Params:
        self.store.untag(self._tagged(call), call.params["TagKeys"])
        return {}

    @operation("ListTagsForResource")
    def tags(self, call: Call) -> Params:
        return {"Tags": self.store.tags(self._tagged(call))}

    def _tagged(self, call: Call) -> str:
        arn = str(call.params["ResourceARN"])
        if f":{_where(call)}:scalable-target/" not in arn or not self.store.has(arn):
            raise Beside("ResourceNotFoundException", f"The scalable target {arn} does not exist.")
        return arn

    @operation("GetPredictiveScalingForecast")
    def forecast(self, _: Call) -> Params:
        raise invalid("PredictiveScaling: the local cloud makes no forecasts, and nor does AWS for SageMaker.")

    # For the families of what belongs to a target

    def find(self, call: Call) -> Document:
        """The target that a request names. Beside: ObjectNotFoundException, there is none."""
        found = records.look(self.store, records.target_arn(_where(call), call.params))
        if found is None:
            words = scaling_rules.named(call.params)
            raise Beside("ObjectNotFoundException", f"No scalable target registered for {words}")
        return found

    def forget(self, arn: str) -> None:
        """Deregister a target: its policies go with it, with their alarms, and its scheduled actions."""
        policies = records.of_target(self.store, POLICY, arn)
        held = [*(one["PolicyARN"] for one in policies)]
        held += [one["ScheduledActionARN"] for one in records.of_target(self.store, ACTION, arn)]
        for each in (*held, arn):
            self._drop(each)
        alarms = [alarm["AlarmARN"] for one in policies for alarm in one["Alarms"]]
        # In a thread of its own: who asks may hold the store.
        threading.Thread(target=self.cloud.alarms.remove, args=(alarms,), name="alarms", daemon=True).start()

    def cloudwatch(self, region: str) -> Any:
        """A client with the rights of the service-linked role. Beside: there is no such role any more."""
        try:
            return self._client_as(self.role_arn, "cloudwatch", region)
        except ClientError as error:
            raise Beside("FailedResourceAccessException", str(error.response["Error"].get("Message"))) from None

    @property
    def role_arn(self) -> str:
        return records.role_arn(self.cloud.account)

    def close(self) -> None:
        self.scaler.close()

    def _drop(self, arn: str) -> None:
        try:
            self.store.remove(arn)
        except Missing:
            return  # somebody else was quicker

    def _role(self) -> str:
        """The service-linked role, which is made where it is not there."""
        iam = self.cloud.client("iam")
        try:
            iam.get_role(RoleName=records.ROLE)
        except iam.exceptions.NoSuchEntityException:
            iam.create_service_linked_role(AWSServiceName=SCALING)
        return self.role_arn

    def _check_variant(self, call: Call) -> None:
        """Beside: there is no such variant, or it has no capacity of this dimension."""
        variant = scaling_rules.check_named(call.params)
        arn, dimension = variant.endpoint_arn(_where(call)), call.params["ScalableDimension"]
        endpoint = records.look(self.store, arn)
        if endpoint is None:
            raise invalid(f'Could not find endpoint "{arn}".')
        if "ProductionVariants" not in endpoint:
            raise invalid(
                f'The endpoint "{arn}" is {endpoint["EndpointStatus"]}: it has no capacity to scale yet.'
            )
        if variant.name not in {one["VariantName"] for one in endpoint["ProductionVariants"]}:
            raise invalid(f'Variant "{variant.name}" is not found on endpoint "{arn}".')
        if capacity.of(endpoint, variant.name, dimension) is None:
            raise invalid(f'Variant "{variant.name}" of endpoint "{arn}" has no {dimension.rpartition(":")[2]}.')

    def _client_as(self, role: str, service: str, region: str) -> Any:
        return self.cloud.client_as(role, service, region, by=SCALING)

    def _put_event(self, event: Document, region: str) -> None:
        self.cloud.put_event(event, region)

    def _on_alarm(self, action: str, alarm: Document, state: str) -> None:
        """Refused: the alarm calls a policy that is not there."""
        if not self.store.has(action):
            raise Refused(f"No scaling policy found for ARN {action}")
        self.scaler.on_alarm(action, alarm, state)

    def _on_change(self, change: Change) -> None:
        """The targets of an endpoint go with it."""
        if change.kind == "endpoint" and change.status is None:
            for target in records.targets_of_endpoint(self.store, change.arn):
                self.forget(target["ScalableTargetARN"])


def _replace(new: Document, document: Document) -> None:
    document |= {name: value for name, value in new.items() if name != OWN}


def _tags(tags: dict[str, str]) -> dict[str, str]:
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid("aws: prefixed tag key names are not allowed for external use.")
    return dict(tags)


def _where(call: Call) -> str:
    return f"{call.region}:{call.account}"


def _endpoint_of(target: Document) -> str:
    where = records.where_of(target["ScalableTargetARN"])
    return records.Variant.of(target["ResourceId"]).endpoint_arn(where)
