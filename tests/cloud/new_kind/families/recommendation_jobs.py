"""Jobs that recommend the first instance type that they are given, unless they are stopped first."""

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


class RecommendationJobs(Records):
    kind = catalog.of_stem("InferenceRecommendationsJob")
    summary = (
        *("JobName", "JobArn", "JobDescription", "JobType", "RoleArn", "Status"),
        *("CreationTime", "CompletionTime", "LastModifiedTime"),
    )

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._stopped: dict[str, threading.Event] = {}

    @operation("CreateInferenceRecommendationsJob")
    def create(self, call: Call) -> Params:
        document = {name: value for name, value in call.params.items() if name != "Tags"}
        arn = self.add(call, {"JobDescription": ""} | document | {"Status": "IN_PROGRESS"}, "IN_PROGRESS")
        self._stopped[arn] = threading.Event()
        threading.Thread(target=self._run, args=(arn,), daemon=True).start()
        return {"JobArn": arn}

    @operation("StopInferenceRecommendationsJob")
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
        first = job["InputConfig"]["EndpointConfigurations"][0]["InstanceType"]
        self._log(job["JobName"], f"trying {first}")
        stopped = self._stopped[arn].wait(job["InputConfig"]["JobDurationInSeconds"])

        def edit(document: Document) -> str:
            document |= {"Status": "STOPPED" if stopped else "COMPLETED", "CompletionTime": datetime.now(UTC)}
            return str(document["Status"])

        self.store.change(arn, edit)

    def _log(self, name: str, message: str) -> None:
        logs, group = self.cloud.client("logs"), "/aws/sagemaker/InferenceRecommendationsJobs"
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName=f"{name}/job")
        event = {"timestamp": int(time.time() * 1000), "message": message}
        logs.put_log_events(logGroupName=group, logStreamName=f"{name}/job", logEvents=[event])
