"""EMR: the steps of a cluster: added, looked at, cancelled.

https://docs.aws.amazon.com/emr/latest/APIReference/API_AddJobFlowSteps.html
"""

from __future__ import annotations

from sagelab.cloud.context import Cloud
from sagelab.cloud.resources import emr_records, emr_rules
from sagelab.cloud.resources.call import Call, Family, Params, operation
from sagelab.cloud.resources.emr_clusters import NONE, OVER, Clusters, page
from sagelab.cloud.resources.emr_rules import invalid, refused
from sagelab.cloud.store import Document, Missing

CANNOT = "Step {} is in state {}, which cannot be cancelled."


class Steps(Family):
    """The steps of all clusters."""

    service = "elasticmapreduce"
    needs = (Clusters,)

    def __init__(self, cloud: Cloud, clusters: Clusters) -> None:
        super().__init__(cloud)
        self._clusters = clusters

    @operation("AddJobFlowSteps")
    def add(self, call: Call) -> Params:
        asked, key = call.params["Steps"], call.params["JobFlowId"]
        if call.params.get("ExecutionRoleArn"):
            raise invalid("Runtime roles are not supported on this cluster.")
        arn, cluster = self._clusters.find(call, key, invalid(NONE))
        emr_rules.check_steps(asked, cluster["StepConcurrencyLevel"])
        run = self._clusters.run_of(self._clusters.active(call, key))
        before = emr_records.of(self.store, arn)
        going = sum(one["Status"]["State"] in emr_records.GOES_ON for one in before)
        emr_rules.check_more(going, len(asked))
        if run is None:
            raise invalid(OVER)
        steps = [emr_records.made(one, arn, len(before) + number) for number, one in enumerate(asked)]
        emr_records.keep(self.store, call.region, steps)
        run.add_steps(steps)
        return {"StepIds": [step["Id"] for step in steps]}

    @operation("ListSteps")
    def list_steps(self, call: Call) -> Params:
        params, (arn, _) = call.params, self._clusters.find(call, call.params["ClusterId"])
        states, keys = params.get("StepStates"), params.get("StepIds")
        if states and keys:
            raise refused("Only one of StepStates and StepIds can be specified.")
        rows = [
            _told(one)
            for one in emr_records.of(self.store, arn)
            if (not states or one["Status"]["State"] in states) and (not keys or one["Id"] in keys)
        ]
        return page(call, "Steps", rows)

    @operation("DescribeStep")
    def describe(self, call: Call) -> Params:
        arn, _ = self._clusters.find(call, call.params["ClusterId"])
        return {"Step": _told(self._find(arn, call.params["StepId"]))}

    @operation("CancelSteps")
    def cancel(self, call: Call) -> Params:
        arn, _ = self._clusters.find(call, call.params["ClusterId"])
        now = call.params.get("StepCancellationOption") == "TERMINATE_PROCESS"
        return {"CancelStepsInfoList": [self._cancel(arn, key, now) for key in call.params["StepIds"]]}

    def _cancel(self, arn: str, key: str, now: bool) -> Params:
        state, run = self._find(arn, key)["Status"]["State"], self._clusters.run_of(arn)
        if state not in ("PENDING", "RUNNING") or run is None:
            return {"StepId": key, "Status": "FAILED", "Reason": CANNOT.format(key, state)}
        emr_records.report(self.store, arn, key, "CANCEL_PENDING", {})
        run.cancel_step(key, now)
        return {"StepId": key, "Status": "SUBMITTED"}

    def _find(self, arn: str, key: str) -> Document:
        try:
            return self.store.get(emr_records.arn_of(arn, key))
        except Missing:
            raise refused(f"Step id '{key}' is not valid.") from None


def _told(step: Document) -> Params:
    return {name: value for name, value in step.items() if name != "Own"}
