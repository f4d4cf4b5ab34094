"""Notebook instances as tests make them: real ones, through boto3, on the local cloud of the `cloud` fixture."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field
from typing import Any

from sagelab.cloud.home import ACCOUNT, ROLE_NAME
from tests.conftest import LocalCloud
from tests.waiting import TIMEOUT, until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"
GROUP = "/aws/sagemaker/NotebookInstances"
CHANGING = ("Pending", "Stopping", "Updating", "Deleting")


def encode(script: str) -> list[dict[str, str]]:
    """A script as a hook of a lifecycle configuration has it."""
    return [{"Content": base64.b64encode(script.encode()).decode()}]


@dataclass
class Instances:
    """Makes instances and waits for them; `close` deletes what it made."""

    cloud: LocalCloud
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sagemaker, self.logs = self.cloud.client("sagemaker"), self.cloud.client("logs")

    def config(self, **hooks: str) -> str:
        """The name of a new lifecycle configuration. hooks: OnCreate or OnStart -> shell script."""
        name = f"config-{uuid.uuid4().hex[:12]}"
        scripts = {hook: encode(script) for hook, script in hooks.items()}
        self.sagemaker.create_notebook_instance_lifecycle_config(
            NotebookInstanceLifecycleConfigName=name, **scripts
        )
        return name

    def request(self, **changes: Any) -> dict[str, Any]:
        """A CreateNotebookInstance request that is right, with `changes`."""
        name = f"notebook-{uuid.uuid4().hex[:12]}"
        return {"NotebookInstanceName": name, "InstanceType": "ml.t3.medium", "RoleArn": ROLE} | changes

    def create(self, **changes: Any) -> str:
        """The name of a new instance, in whatever state it comes to rest."""
        request = self.request(**changes)
        name: str = request["NotebookInstanceName"]
        self.sagemaker.create_notebook_instance(**request)
        self.names.append(name)
        self.wait(name)
        return name

    def act(self, operation: str, name: str, **options: Any) -> str:
        """Start, stop or update an instance; the state that it comes to rest in."""
        getattr(self.sagemaker, f"{operation}_notebook_instance")(NotebookInstanceName=name, **options)
        status: str = self.wait(name)["NotebookInstanceStatus"]
        return status

    def delete(self, name: str) -> None:
        """Delete a stopped instance and wait until it is gone."""
        self.sagemaker.delete_notebook_instance(NotebookInstanceName=name)
        waiter = self.sagemaker.get_waiter("notebook_instance_deleted")
        waiter.wait(NotebookInstanceName=name, WaiterConfig={"Delay": 1, "MaxAttempts": TIMEOUT})
        self.names.remove(name)

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_notebook_instance(NotebookInstanceName=name)
        return found

    def wait(self, name: str) -> dict[str, Any]:
        """Wait until nothing changes about the instance."""
        return until(lambda: self.describe(name), lambda one: one["NotebookInstanceStatus"] not in CHANGING)

    def url(self, name: str, **options: Any) -> str:
        answer = self.sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName=name, **options)
        return str(answer["AuthorizedUrl"])

    def log(self, name: str, stream: str) -> str:
        """What stands in one of an instance's log streams; "" where there is none."""
        try:
            events = self.logs.get_log_events(
                logGroupName=GROUP, logStreamName=f"{name}/{stream}", startFromHead=True
            )["events"]
        except self.logs.exceptions.ResourceNotFoundException:
            return ""
        return "\n".join(event["message"] for event in events)

    def close(self) -> None:
        for name in list(self.names):
            if self.wait(name)["NotebookInstanceStatus"] == "InService":
                self.act("stop", name)
            self.delete(name)
