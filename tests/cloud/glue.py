"""Jobs of Glue's as tests make them: with a role and a bucket of a test module's own."""

from __future__ import annotations

import uuid
from typing import Any

from tests.cloud.builds import make_role
from tests.conftest import LocalCloud
from tests.waiting import until

GOES_ON = ("STARTING", "RUNNING", "STOPPING")


class Glue:
    """Makes jobs and runs them. kind: glueetl or pythonshell."""

    def __init__(self, cloud: LocalCloud, kind: str = "pythonshell") -> None:
        self.cloud, self.kind = cloud, kind
        self.api: Any = cloud.client("glue")
        self.s3: Any = cloud.client("s3")
        self.logs: Any = cloud.client("logs")
        self.bucket = f"glue-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.role = make_role(cloud, "glue")

    def put(self, key: str, body: str | bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def asked(self, script: str = "", **more: Any) -> dict[str, Any]:
        name = f"job-{uuid.uuid4().hex[:8]}"
        place = self.put(f"{name}.py", script) if script else f"s3://{self.bucket}/none.py"
        command = {"Name": self.kind, "ScriptLocation": place, "PythonVersion": "3"}
        return {"Name": name, "Role": self.role, "Command": command | more.pop("Command", {})} | more

    def make(self, script: str = "", **more: Any) -> str:
        return str(self.api.create_job(**self.asked(script, **more))["Name"])

    def start(self, name: str, **more: Any) -> str:
        """Once there is room for it: all tests of a run have one local cloud."""

        def begin() -> str:
            try:
                return str(self.api.start_job_run(JobName=name, **more)["JobRunId"])
            except self.api.exceptions.ResourceNumberLimitExceededException:
                return ""

        return until(begin, bool)

    def get(self, name: str, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get_job_run(JobName=name, RunId=run)["JobRun"]
        return found

    def wait(self, name: str, run: str, *states: str) -> dict[str, Any]:
        """The run in one of these states, by default at its end."""
        return until(
            lambda: self.get(name, run),
            lambda one: one["JobRunState"] in states or one["JobRunState"] not in GOES_ON,
        )

    def run(self, name: str, **more: Any) -> dict[str, Any]:
        return self.wait(name, self.start(name, **more))

    def log(self, run: str, group: str = "output") -> list[str]:
        asked = {"logGroupName": f"/aws-glue/jobs/{group}", "logStreamName": run, "startFromHead": True}
        try:
            return [one["message"] for one in self.logs.get_log_events(**asked)["events"]]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
