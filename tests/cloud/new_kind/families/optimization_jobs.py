"""Jobs that say for which instance type they optimize, and end when their time is over or they are stopped."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.records import Records
from sagelab.cloud.store import Document


class OptimizationJobs(Records):
    kind = catalog.of_stem("OptimizationJob")
    summary = (
        *("OptimizationJobName", "OptimizationJobArn", "OptimizationJobStatus", "OptimizationTypes"),
        *("DeploymentInstanceType", "CreationTime", "OptimizationEndTime", "LastModifiedTime"),
    )

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._stopped: dict[str, threading.Event] = {}

    @operation("CreateOptimizationJob")
    def create(self, call: Call) -> Params:
        document = {name: value for name, value in call.params.items() if name != "Tags"}
        facts = {"OptimizationTypes": ["Quantization"], "OptimizationJobStatus": "INPROGRESS"}
        arn = self.add(call, document | facts, "INPROGRESS")
        self._stopped[arn] = threading.Event()
        threading.Thread(target=self._run, args=(arn,), daemon=True).start()
        return {"OptimizationJobArn": arn}

    def describe(self, call: Call) -> Params:
        return {name: value for name, value in super().describe(call).items() if name != "OptimizationTypes"}

    @operation("StopOptimizationJob")
    def stop(self, call: Call) -> Params:
        arn = self.arn(call)
        self.find(arn)
        self._stopped[arn].set()
        return {}

    def close(self) -> None:
        for stopped in self._stopped.values():
            stopped.set()

    def _run(self, arn: str) -> None:
        job = self.find(arn)
        wanted = job["OptimizationEnvironment"]["InstanceType"]
        self._log(job["OptimizationJobName"], f"trying {wanted}")
        stopped = self._stopped[arn].wait(job["StoppingCondition"]["MaxRuntimeInSeconds"])

        def edit(document: Document) -> str:
            status = "STOPPED" if stopped else "COMPLETED"
            document |= {"OptimizationJobStatus": status, "OptimizationEndTime": datetime.now(UTC)}
            return status

        self.store.change(arn, edit)

    def _log(self, name: str, message: str) -> None:
        logs, group = self.cloud.client("logs"), "/aws/sagemaker/OptimizationJobs"
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=f"{name}/job")
        event = {"timestamp": int(time.time() * 1000), "message": message}
        logs.put_log_events(logGroupName=group, logStreamName=f"{name}/job", logEvents=[event])
