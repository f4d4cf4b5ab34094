"""Glue's jobs: what is to be run, kept until somebody starts it.

https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-jobs-job.html
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from sagelab.cloud.context import GLUE
from sagelab.cloud.resources import glue_rules, listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.resources.crawlers import role_arn
from sagelab.cloud.resources.glue_rules import invalid
from sagelab.cloud.store import Document, Exists, Missing, Resource

KIND = "glue-job"
_LATEST = glue_rules.VERSIONS[-1]
_KEPT: tuple[str, ...] = (
    *("Description", "Role", "ExecutionProperty", "Command", "DefaultArguments", "NonOverridableArguments"),
    *("MaxRetries", "Timeout", "NotificationProperty", "GlueVersion", "ExecutionClass", "JobMode"),
)


class GlueJobs(Family):
    """The jobs of one local cloud. Their tags are where all tags of Glue's are."""

    service = "glue"

    @operation("CreateJob")
    def create(self, call: Call) -> Params:
        params, now = call.params, datetime.now(UTC)
        made = self._made(call, params) | {"Name": params["Name"], "CreatedOn": now, "LastModifiedOn": now}
        arn = arn_of(call, params["Name"])
        try:
            self.store.add(Resource(arn, KIND, call.region, params["Name"], "there", made))
        except Exists:
            raise self._exists(arn, made) from None
        if params.get("Tags"):
            self.cloud.client("glue", call.region).tag_resource(ResourceArn=arn, TagsToAdd=params["Tags"])
        return {"Name": params["Name"]}

    def _exists(self, arn: str, made: Document) -> Beside:
        before, name = self.store.get(arn), made["Name"]
        same = all(before.get(one) == made.get(one) for one in _KEPT)
        if same:
            return Beside("AlreadyExistsException", f"Job with name {name} already exists.")
        words = f"Job with name: {name} already submitted with different configuration"
        return Beside("IdempotentParameterMismatchException", words)

    @operation("UpdateJob")
    def update(self, call: Call) -> Params:
        name, asked = call.params["JobName"], call.params["JobUpdate"]
        before = self.find(call, name)
        made = self._made(call, asked) | {"Name": name, "CreatedOn": before["CreatedOn"]}
        made["LastModifiedOn"] = datetime.now(UTC)

        def edit(job: Document) -> None:
            job.clear()
            job.update(made)

        self.store.change(arn_of(call, name), edit)
        return {"JobName": name}

    def _made(self, call: Call, asked: Params) -> Document:
        """A job as it is kept. Beside: it is none."""
        if not asked.get("Role") or not asked.get("Command"):
            raise invalid("A job needs a Role and a Command.")
        glue_rules.check(asked)
        self._check_role(call, asked["Role"])
        usual: Params = {"MaxRetries": 0, "ExecutionProperty": {"MaxConcurrentRuns": 1}, "JobMode": "SCRIPT"}
        usual["GlueVersion"] = _LATEST
        made = usual | {name: asked[name] for name in _KEPT if asked.get(name) is not None}
        made["Command"] = {"PythonVersion": "3"} | made["Command"]
        if made["Command"]["Name"] == glue_rules.SPARK:
            made["ExecutionClass"] = made.get("ExecutionClass", "STANDARD")
        return made | glue_rules.settled(asked, made["Command"]["Name"], made["GlueVersion"])

    def _check_role(self, call: Call, role: str) -> None:
        """Beside: Glue may not take on a role."""
        asked = {"RoleArn": role_arn(role, call.account), "RoleSessionName": "AWS-Glue"}
        try:
            self.cloud.assuming(GLUE, call.region).assume_role(**asked)
        except ClientError:
            words = f"Role {asked['RoleArn']} should be given assume role permissions for Glue Service."
            raise invalid(words) from None

    @operation("GetJob")
    def get(self, call: Call) -> Params:
        return {"Job": self.find(call, call.params["JobName"])}

    @operation("GetJobs")
    def get_all(self, call: Call) -> Params:
        return listing.page(call, "Jobs", self._all(call), 100)

    @operation("ListJobs")
    def list_names(self, call: Call) -> Params:
        wanted = (call.params.get("Tags") or {}).items()
        names = [one["Name"] for one in self._all(call)]
        if wanted:
            names = [name for name in names if wanted <= self._tags(call, name).items()]
        return listing.page(call, "JobNames", names, 100)

    @operation("BatchGetJobs")
    def get_many(self, call: Call) -> Params:
        there = {one["Name"]: one for one in self._all(call)}
        names = call.params["JobNames"]
        missing = [name for name in names if name not in there]
        return {"Jobs": [there[name] for name in names if name in there], "JobsNotFound": missing}

    @operation("DeleteJob")
    def delete(self, call: Call) -> Params:
        """With its bookmark; of a job that is not there, too. Runs that go on do so."""
        name = call.params["JobName"]
        arn = arn_of(call, name)
        if self.store.has(arn):
            if tags := self._tags(call, name):
                self.cloud.client("glue", call.region).untag_resource(ResourceArn=arn, TagsToRemove=list(tags))
            self.store.remove(arn)
            with suppress(Missing):
                self.store.remove(f"{arn}/bookmark")
        return {"JobName": name}

    def _all(self, call: Call) -> list[Document]:
        return sorted(self.store.documents(KIND, call.region), key=lambda one: str(one["Name"]))

    def _tags(self, call: Call, name: str) -> dict[str, str]:
        found: Any = self.cloud.client("glue", call.region).get_tags(ResourceArn=arn_of(call, name))
        return dict(found["Tags"])

    # For its neighbours

    def find(self, call: Call, name: str, words: str = "Job {} not found.") -> Document:
        """Beside: there is no job of this name."""
        try:
            found = self.store.get(arn_of(call, name))
        except Missing:
            found = {}
        if found.get("Name") != name:  # of a name with slashes it may be a run of another job
            raise Beside("EntityNotFoundException", words.format(name))
        return found


def arn_of(call: Call, name: str) -> str:
    return f"arn:aws:glue:{call.region}:{call.account}:job/{name}"
