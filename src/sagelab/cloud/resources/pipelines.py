"""Pipelines: their definitions, which are checked when they are given, and the versions of these.

What runs of one is in pipeline_executions.py.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from sagelab import catalog
from sagelab.cloud.engine.data.channels import Location
from sagelab.cloud.engine.pipelines import definition
from sagelab.cloud.engine.pipelines.definition import BadDefinition, Definition
from sagelab.cloud.errors import ConflictException, ResourceNotFound, ServiceError, ValidationException
from sagelab.cloud.resources import checks, listing
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.records import OWN, Records, told
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Query, Resource

REFUSED = {"PipelineVersionAliases": "aliases of versions", "PipelineVersionAlias": "aliases of versions"}
VERSIONS, EXECUTIONS, RESULTS = "pipeline-version", "pipeline-execution", "pipeline-result"  # kinds in the store
GIVEN = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")
RUNNING = ("Executing", "Stopping")


class Pipelines(Records):
    """The family of pipelines of one local cloud."""

    kind = catalog.of_stem("Pipeline")
    summary = (
        "PipelineArn",
        "PipelineName",
        "PipelineDisplayName",
        "PipelineDescription",
        "RoleArn",
        "CreationTime",
        "LastModifiedTime",
    )

    @operation("CreatePipeline")
    def create(self, call: Call) -> Params:
        checks.refused(call.params, REFUSED)
        checks.role(call.params["RoleArn"], self.cloud)
        text = self._text(call, call.params["RoleArn"])
        if text is None:
            raise ValidationException(
                "Either PipelineDefinition or PipelineDefinitionS3Location must be provided."
            )
        parse(text)
        arn, now = self.arn(call), datetime.now(UTC)
        by = {"IamIdentity": {"Arn": call.caller}}
        name = arn.rpartition("/")[2]
        document = {member: call.params[member] for member in GIVEN if member in call.params} | {
            "PipelineName": name,
            "PipelineArn": arn,
            "PipelineDisplayName": call.params.get("PipelineDisplayName", name),
            "PipelineStatus": "Active",
            **dict.fromkeys(("CreationTime", "LastModifiedTime"), now),
            **dict.fromkeys(("CreatedBy", "LastModifiedBy"), by),
            OWN: {"Version": 1, "Token": call.params["ClientRequestToken"]},
        }
        tags = read_tags(call.params.get("Tags", []))
        try:
            self.store.add(Resource(arn, self.kind.arn, call.region, name, "Active", document), tags)
        except Exists:
            if self.find(arn)[OWN]["Token"] == call.params["ClientRequestToken"]:
                return {"PipelineArn": arn}
            raise ValidationException(
                "Pipeline names must be unique within an AWS account and region. Pipeline with name"
                f" ({name}) already exists."
            ) from None
        self._keep_version(arn, 1, text)
        return {"PipelineArn": arn}

    @operation("UpdatePipeline")
    def update(self, call: Call) -> Params:
        checks.refused(call.params, REFUSED)
        arn = self.arn(call)
        before = self.find(arn)
        if "RoleArn" in call.params:
            checks.role(call.params["RoleArn"], self.cloud)
        text = self._text(call, str(call.params.get("RoleArn", before["RoleArn"])))
        if text is not None:
            parse(text)

        def edit(pipeline: Document) -> None:
            pipeline |= {member: call.params[member] for member in GIVEN if member in call.params}
            pipeline["LastModifiedTime"] = datetime.now(UTC)
            pipeline["LastModifiedBy"] = {"IamIdentity": {"Arn": call.caller}}
            pipeline[OWN]["Version"] += text is not None

        version = self.store.change(arn, edit)[OWN]["Version"]
        if text is not None:
            self._keep_version(arn, version, text)
        return {"PipelineArn": arn, "PipelineVersionId": version}

    def describe(self, call: Call) -> Params:
        checks.refused(call.params, REFUSED)
        found = self.find(self.arn(call))
        version = self.version(found, call.params.get("PipelineVersionId"))
        return told(found) | {"PipelineDefinition": version["Definition"]}

    def row(self, document: Document) -> Params:
        last = {"LastExecutionTime": document["LastRunTime"]} if "LastRunTime" in document else {}
        return super().row(document) | last

    def page(self, call: Call) -> Params:
        if call.params.get("ManagedBy") == "AWS":
            return {self.kind.listed: []}
        return super().page(call)

    @operation("ListPipelineVersions")
    def versions(self, call: Call) -> Params:
        arn = self.arn(call)
        self.find(arn)
        query = listing.read_query(call, self.kind)
        found, more = self.store.page(
            Query(
                VERSIONS,
                call.region,
                name_prefix=f"{arn}/",
                after=query.after,
                before=query.before,
                descending=query.descending,
                limit=query.limit,
                start=query.start,
            )
        )
        rows = [{name: value for name, value in one.items() if name != "Definition"} for one in found]
        return {"PipelineVersionSummaries": rows, "NextToken": listing.write_token(more)}

    def delete(self, call: Call) -> Params:
        arn = self.arn(call)
        self.find(arn)
        executions = self.parts(arn, EXECUTIONS)
        if any(one["PipelineExecutionStatus"] in RUNNING for one in executions):
            raise ConflictException(f"Pipeline {arn} has running executions. Stop them first.")
        for one in executions:
            self._forget(one["PipelineExecutionArn"])
        for one in self.parts(arn, VERSIONS):
            self._forget(version_arn(arn, one["PipelineVersionId"]))
        for one in self.parts(arn, RESULTS):
            self._forget(one["Place"])
        super().delete(call)
        return {"PipelineArn": arn}

    def find(self, arn: str) -> Document:
        found = super().find(arn)
        if "PipelineStatus" not in found:  # a part of one
            raise self.unknown(arn)
        return found

    def parts(self, arn: str, kind: str) -> list[Document]:
        """What there is of a pipeline, of one kind in the store."""
        return self.store.page(Query(kind, arn.split(":")[3], name_prefix=f"{arn}/", limit=1_000_000))[0]

    def version(self, pipeline: Document, number: int | None = None) -> Document:
        """A version of a pipeline, by default the newest. ResourceNotFound: there is none."""
        number = pipeline[OWN]["Version"] if number is None else number
        arn = pipeline["PipelineArn"]
        try:
            return self.store.get(version_arn(arn, number))
        except Missing:
            raise ResourceNotFound(f"Pipeline {arn} has no version {number}.") from None

    def ran(self, arn: str, moment: datetime) -> None:
        """An execution was started."""
        with suppress(Missing):
            self.store.change(arn, lambda pipeline: pipeline.update(LastRunTime=moment))

    def unknown(self, arn: str) -> ServiceError:
        return ResourceNotFound(f"Pipeline '{arn}' does not exist.")

    def _text(self, call: Call, role: str) -> str | None:
        """The definition that a request gives; None where it gives none."""
        place, text = call.params.get("PipelineDefinitionS3Location"), call.params.get("PipelineDefinition")
        if place and text:
            raise ValidationException("Give either PipelineDefinition or PipelineDefinitionS3Location.")
        return (
            self._read(Location(place["Bucket"], place["ObjectKey"]), place, role, call.region) if place else text
        )

    def _read(self, at: Location, place: Params, role: str, region: str) -> str:
        version = {"VersionId": place["VersionId"]} if "VersionId" in place else {}
        try:
            s3 = self.cloud.client_as(role, "s3", region)
            answer = s3.get_object(Bucket=at.bucket, Key=at.key, **version)
            with answer["Body"] as body:
                content: bytes = body.read(definition.MAX_BYTES + 1)
            return content.decode()
        except (ClientError, ValueError) as error:
            raise ValidationException(
                f"The definition at s3://{at.bucket}/{at.key} cannot be read: {error}"
            ) from None

    def _keep_version(self, arn: str, number: int, text: str) -> None:
        facts = {
            "PipelineArn": arn,
            "PipelineVersionId": number,
            "CreationTime": datetime.now(UTC),
            "Definition": text,
        }
        own = version_arn(arn, number)
        self.store.add(Resource(own, VERSIONS, arn.split(":")[3], own, "", facts))

    def _forget(self, arn: str) -> None:
        with suppress(Missing):
            self.store.remove(arn)


def version_arn(pipeline: str, number: int) -> str:
    """Where the store keeps a version of a pipeline."""
    return f"{pipeline}/version/{number}"


def parse(text: str) -> Definition:
    """A definition. ValidationException: it cannot run."""
    try:
        return definition.read(text)
    except BadDefinition as error:
        raise ValidationException(f"Unable to parse pipeline definition: {error}.") from None
