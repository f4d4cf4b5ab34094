"""Applications of EMR Serverless and their job runs as tests make them."""

from __future__ import annotations

import gzip
import uuid
from typing import Any

from tests.cloud.builds import make_role
from tests.conftest import LocalCloud
from tests.waiting import until

RELEASE = "emr-7.5.0"
ONE = "--conf spark.executor.instances=1 --conf spark.driver.memory=1g --conf spark.executor.memory=1g"
OVER = ("SUCCESS", "FAILED", "CANCELLED")


class Serverless:
    """Makes applications and runs scripts on them."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.connect(cloud)
        self.bucket = f"serverless-{uuid.uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.role = make_role(cloud, "emr-serverless")

    def connect(self, cloud: LocalCloud) -> None:
        """Speak with a local cloud, by another address once it was started again."""
        self.cloud = cloud
        self.api: Any = cloud.client("emr-serverless")
        self.s3: Any = cloud.client("s3")

    def make(self, **more: Any) -> str:
        """The id of an application that is CREATED."""
        asked = {"name": f"app-{uuid.uuid4().hex[:8]}", "releaseLabel": RELEASE, "type": "SPARK"} | more
        key = str(self.api.create_application(**asked)["applicationId"])
        self.wait(key, "CREATED")
        return key

    def get(self, application: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get_application(applicationId=application)["application"]
        return found

    def wait(self, application: str, *states: str) -> dict[str, Any]:
        return until(lambda: self.get(application), lambda one: one["state"] in states)

    def put(self, key: str, body: str | bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def driver(self, script: str, *words: str, parameters: str = ONE) -> dict[str, Any]:
        """Of a script in S3, or one that is put there."""
        place = script if script.startswith("s3://") else self.put(f"{uuid.uuid4().hex[:8]}.py", script)
        return {"entryPoint": place, "entryPointArguments": list(words), "sparkSubmitParameters": parameters}

    def start(self, application: str, script: str, *words: str, parameters: str = ONE, **more: Any) -> str:
        asked = {"executionRoleArn": self.role, "configurationOverrides": self.logs()} | more
        driver = {"sparkSubmit": self.driver(script, *words, parameters=parameters)}
        return str(self.api.start_job_run(applicationId=application, jobDriver=driver, **asked)["jobRunId"])

    def logs(self) -> dict[str, Any]:
        where = {"s3MonitoringConfiguration": {"logUri": f"s3://{self.bucket}/logs/"}}
        return {"monitoringConfiguration": where}

    def see(self, application: str, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get_job_run(applicationId=application, jobRunId=run)["jobRun"]
        return found

    def end(self, application: str, run: str, *states: str) -> dict[str, Any]:
        """The run in one of these states, or at its end."""
        return until(lambda: self.see(application, run), lambda one: one["state"] in (*states, *OVER))

    def run(self, application: str, script: str, *words: str, **more: Any) -> dict[str, Any]:
        return self.end(application, self.start(application, script, *words, **more))

    def log(self, run: dict[str, Any], name: str) -> str:
        """ "SPARK_DRIVER/stdout" of its last attempt."""
        tries = f"attempts/{run['attempt']}/" if run["attempt"] > 1 else ""
        key = f"logs/applications/{run['applicationId']}/jobs/{run['jobRunId']}/{tries}{name}.gz"
        return gzip.decompress(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()).decode()
