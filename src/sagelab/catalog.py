"""Every kind of resource, declared once: a row of KINDS.

What follows from a row: the ARN that a call is about and so what IAM is asked, the roles that are passed on, what
a request would cost, clean-up and its proof, waiting and following in a notebook, Search, tags, `sagelab status`,
the console's list, page and actions, docs/operations.md. What an operation does is said where it is done
(`resources/`).

The rows stand in the order in which clean-up takes them: what would start others comes before those.
A path reads a request or a description: "A.B" is a member of a member, "A[].B" that of every element of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

Document = dict[str, Any]

RECORD = ("Create", "Describe", "List", "Delete")
JOB = ("Create", "Describe", "List", "Stop", "Delete")
OF_EXECUTIONS = ("Start*Execution", "List*ParametersForExecution", "Describe*DefinitionForExecution")
IN_PROGRESS = ("InProgress", "Stopping")
JOB_ENDS = ("Completed", "Failed", "Stopped")
UNTIL_DONE = "for as long as it takes, {hours:g} hours at the most"


@dataclass(frozen=True)
class Use:
    """Instances that a request starts, by paths in it.

    plane: of the price table. instances: the path of what has InstanceType and `count`. verbs: of those requests.
    until: how long they run, in words; {hours} is the request's MaxRuntimeInSeconds, {jobs} its number of jobs.
    of: the stem of the kind whose description has them, where the request only names it.
    times: the path of a number that multiplies them. by: the stem of the kind that runs them in its place.
    """

    plane: str
    instances: str
    until: str = UNTIL_DONE
    verbs: tuple[str, ...] = ("Create",)
    count: str = "InstanceCount"
    of: str = ""
    times: str = ""
    by: str = ""

    def places(self, document: Document) -> Iterator[Document]:
        """What has an InstanceType; what is billed otherwise, as a serverless variant is, has none."""
        for place in read(document, self.instances):
            if isinstance(place, dict) and "InstanceType" in place:
                yield place

    def hosts(self, document: Document) -> Iterator[tuple[str, str, int]]:
        """(plane, type, count) of the instances, and of the accelerators at them."""
        times = next(read(document, self.times), 1) if self.times else 1
        for place in self.places(document):
            count = place.get(self.count, 1) * times
            yield self.plane, place["InstanceType"], count
            if "AcceleratorType" in place:
                yield "accelerator", place["AcceleratorType"], count


@dataclass(frozen=True)
class Removal:
    """One step of a removal. statuses: those in which it applies; empty: any."""

    verb: str
    statuses: tuple[str, ...] = ()

    @property
    def done(self) -> str:
        """The verb's participle."""
        return {"Stop": "stopped"}.get(self.verb, f"{self.verb.lower()}d")


@dataclass(frozen=True)
class Log:
    """Where the log of a resource is: a group, and the beginning of its streams' names. {name}: the resource's."""

    group: str
    streams: str = ""


@dataclass(frozen=True)
class Kind:
    """One kind of resource.

    arn: the word in its ARN, "training-job"; it is the kind's name in the store too. service: of its ARN.
    stem: "TrainingJob", of which the API makes DescribeTrainingJob, TrainingJobArn and TrainingJobStatus.
    noun, plural: in words; the plural is its page's path.
    name_member: the member that names one, by default the stem with Name; its value may be an ARN.
    arn_member: by default the same with Arn.
    listed: the member of a List's answer, by default the stem with Summaries.
    verbs: the operations on one, with "*" for the stem where it does not stand at the end.
    running, ended: the statuses in which it has something that runs, and those in which it has nothing.
    rests: those that it stays in until it is asked for something else, by default those in which it has ended.
    status_member, ends_member: of a description.
    uses: what it costs. roles: paths of the roles that a request passes on. log: where its log is.
    removal: the steps of clean-up, by default Stop while it runs, or Delete.
    searchable: whether Search knows it. filters: the statuses that a List filters by, by default all.
    order: of a List that asks for none, (SortBy, SortOrder); AWS's documentation of each List has it.
    within: the stem of the kind that it is a part of, whose name its List asks for.
    """

    arn: str
    stem: str
    noun: str
    plural: str = ""
    name_member: str = ""
    arn_member: str = ""
    listed: str = ""
    verbs: tuple[str, ...] = RECORD
    running: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    rests: tuple[str, ...] = ()
    status_member: str = ""
    ends_member: str = ""
    uses: tuple[Use, ...] = ()
    roles: tuple[str, ...] = ()
    log: Log | None = None
    removal: tuple[Removal, ...] = ()
    searchable: bool = False
    filters: tuple[str, ...] = ()
    order: tuple[str, str] = ("CreationTime", "Descending")
    service: str = "sagemaker"
    within: str = ""

    def __post_init__(self) -> None:
        name = self.name_member or f"{self.stem}Name"
        defaults = {
            "plural": f"{self.noun}s",
            "name_member": name,
            "arn_member": f"{name.removesuffix('Name')}Arn",
            "listed": f"{self.stem}Summaries",
            "rests": self.ended,
            "status_member": f"{self.stem}Status",
            "removal": (Removal("Stop", self.running) if self.running else Removal("Delete"),),
            "filters": (*self.running, *self.ended),
        }
        for member, value in defaults.items():
            object.__setattr__(self, member, getattr(self, member) or value)

    @property
    def path(self) -> str:
        """Of its page in the console: "training-jobs"."""
        return self.plural.replace(" ", "-")

    @property
    def operations(self) -> tuple[str, ...]:
        """The API's names of its verbs: DescribeTrainingJob, ListTrainingJobs."""
        return tuple(self.operation(verb) for verb in self.verbs)

    def operation(self, verb: str) -> str:
        """The API's name of a verb on this kind."""
        if "*" in verb:
            return verb.replace("*", self.stem)
        return f"{verb}{self.stem}s" if verb == "List" else f"{verb}{self.stem}"

    def name_of(self, params: Document) -> str | None:
        """What a request calls the resource that it is about; None where it is about none."""
        for member in (self.name_member, self.arn_member):
            if isinstance(params.get(member), str) and params[member]:
                return str(params[member])
        return None

    def address(self, found: Document) -> str:
        """What a request calls the resource of a description: its name, or where that is not its own, its ARN."""
        return str(found[self.arn_member if self.within else self.name_member])

    def arn_of(self, name: str, where: str) -> str:
        """The ARN of a resource by its name, or by its ARN. where: "REGION:ACCOUNT"."""
        return name if name.startswith("arn:") else f"arn:aws:{self.service}:{where}:{self.arn}/{name}"

    def plain(self) -> Document:
        """The row as JSON has it."""
        return asdict(self) | {"path": self.path, "operations": self.operations}


KINDS: tuple[Kind, ...] = (
    Kind(
        "project",
        "Project",
        "project",
        listed="ProjectSummaryList",
        verbs=(*RECORD, "Update"),
        running=("CreateInProgress", "UpdateInProgress", "DeleteInProgress"),
        ended=("CreateCompleted", "CreateFailed", "UpdateCompleted", "UpdateFailed", "DeleteFailed"),
        removal=(Removal("Delete"),),
        order=("CreationTime", "Ascending"),
    ),
    Kind(
        "pipeline-execution",
        "PipelineExecution",
        "pipeline execution",
        name_member="PipelineExecutionArn",
        arn_member="PipelineExecutionArn",
        verbs=(
            "Describe",
            "List",
            "Stop",
            "Update",
            "Retry",
            "List*Steps",
            "Send*StepSuccess",
            "Send*StepFailure",
        ),
        listed="PipelineExecutionSummaries",
        running=("Executing", "Stopping"),
        ended=("Succeeded", "Failed", "Stopped"),
        order=("CreationTime", "Descending"),
        within="Pipeline",
    ),
    Kind(
        "pipeline",
        "Pipeline",
        "pipeline",
        verbs=(*RECORD, "Update", "List*Versions", *OF_EXECUTIONS),
        roles=("RoleArn",),
        searchable=True,
    ),
    Kind(
        "hyper-parameter-tuning-job",
        "HyperParameterTuningJob",
        "tuning job",
        verbs=(*JOB, "ListTrainingJobsFor*"),
        running=IN_PROGRESS,
        ended=JOB_ENDS,
        ends_member="HyperParameterTuningEndTime",
        uses=tuple(
            Use(
                "training",
                f"{definition}.{resources}",
                until="until its {jobs} jobs are done",
                times="HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs",
                by="TrainingJob",
            )
            for definition in ("TrainingJobDefinition", "TrainingJobDefinitions[]")
            for resources in ("ResourceConfig", "HyperParameterTuningResourceConfig")
        ),
        roles=("TrainingJobDefinition.RoleArn", "TrainingJobDefinitions[].RoleArn"),
        searchable=True,
        order=("Name", "Ascending"),
    ),
    Kind(
        "notebook-instance",
        "NotebookInstance",
        "notebook instance",
        listed="NotebookInstances",
        verbs=(*RECORD, "Start", "Stop", "Update", "CreatePresigned*Url"),
        running=("Pending", "InService", "Updating", "Stopping"),
        ended=("Stopped", "Failed", "Deleting"),
        rests=("InService", "Stopped", "Failed"),
        uses=(
            Use("notebook", "", "until it is stopped"),
            Use("notebook", "", "until it is stopped", ("Start",), of="NotebookInstance"),
        ),
        roles=("RoleArn",),
        log=Log("/aws/sagemaker/NotebookInstances", "{name}/"),
        removal=(
            Removal("Stop", ("InService",)),
            Removal("Delete", ("Stopped", "Failed", "Pending", "Stopping", "Updating", "Deleting")),
        ),
        order=("Name", "Ascending"),
    ),
    Kind(
        "notebook-instance-lifecycle-config",
        "NotebookInstanceLifecycleConfig",
        "lifecycle configuration",
        listed="NotebookInstanceLifecycleConfigs",
        verbs=(*RECORD, "Update"),
    ),
    Kind(
        "training-job",
        "TrainingJob",
        "training job",
        verbs=(*JOB, "Update"),
        running=IN_PROGRESS,
        ended=JOB_ENDS,
        ends_member="TrainingEndTime",
        uses=(Use("training", "ResourceConfig"), Use("training", "ResourceConfig.InstanceGroups[]")),
        roles=("RoleArn",),
        log=Log("/aws/sagemaker/TrainingJobs", "{name}/"),
        searchable=True,
    ),
    Kind(
        "processing-job",
        "ProcessingJob",
        "processing job",
        verbs=JOB,
        running=IN_PROGRESS,
        ended=JOB_ENDS,
        ends_member="ProcessingEndTime",
        uses=(Use("training", "ProcessingResources.ClusterConfig"),),
        roles=("RoleArn",),
        log=Log("/aws/sagemaker/ProcessingJobs", "{name}/"),
        order=("CreationTime", "Ascending"),
    ),
    Kind(
        "transform-job",
        "TransformJob",
        "transform job",
        verbs=("Create", "Describe", "List", "Stop"),
        running=IN_PROGRESS,
        ended=JOB_ENDS,
        ends_member="TransformEndTime",
        uses=(Use("hosting", "TransformResources", until="until its data is through"),),
        log=Log("/aws/sagemaker/TransformJobs", "{name}/"),
    ),
    Kind(
        "compilation-job",
        "CompilationJob",
        "compilation job",
        verbs=JOB,
        running=("STARTING", "INPROGRESS", "STOPPING"),
        ended=("COMPLETED", "FAILED", "STOPPED"),
        ends_member="CompilationEndTime",
        roles=("RoleArn",),
        log=Log("/aws/sagemaker/CompilationJobs", "{name}"),
        order=("CreationTime", "Ascending"),
    ),
    Kind(
        "endpoint",
        "Endpoint",
        "endpoint",
        listed="Endpoints",
        verbs=(
            *RECORD,
            "Update",
            "Update*WeightsAndCapacities",
            "Invoke",
            "Invoke*Async",
            "Invoke*WithResponseStream",
        ),
        running=("Creating", "InService", "Updating", "RollingBack", "SystemUpdating", "Deleting"),
        ended=("Failed", "OutOfService"),
        rests=("InService", "Failed", "OutOfService"),
        uses=(
            Use(
                "hosting",
                "ProductionVariants[]",
                "until it is deleted",
                ("Create", "Update"),
                "InitialInstanceCount",
                of="EndpointConfig",
            ),
        ),
        log=Log("/aws/sagemaker/Endpoints/{name}"),
        removal=(Removal("Delete"),),
    ),
    Kind(
        "endpoint-config",
        "EndpointConfig",
        "endpoint configuration",
        listed="EndpointConfigs",
        roles=("ExecutionRoleArn",),
    ),
    Kind("model", "Model", "model", listed="Models", roles=("ExecutionRoleArn",), searchable=True),
    Kind(
        "model-package",
        "ModelPackage",
        "model package",
        listed="ModelPackageSummaryList",
        verbs=(*RECORD, "Update", "BatchDescribe"),
        searchable=True,
        order=("CreationTime", "Ascending"),
        within="ModelPackageGroup",
    ),
    Kind(
        "model-package-group",
        "ModelPackageGroup",
        "model package group",
        listed="ModelPackageGroupSummaryList",
        searchable=True,
        order=("CreationTime", "Ascending"),
    ),
)


def of_arn(arn: str) -> Kind | None:
    """The kind of a resource by its ARN."""
    found = re.match("arn:[^:]*:([^:]*):[^:]*:[^:]*:([^:/]*)", arn)
    return next((kind for kind in KINDS if found and (kind.service, kind.arn) == found.groups()), None)


def of_stem(stem: str) -> Kind:
    """The kind with this stem. StopIteration: there is none."""
    return next(kind for kind in KINDS if kind.stem == stem)


def of_operation(operation: str) -> Kind | None:
    """The kind that an operation of the API is about; None where it is about none, or about several."""
    return next((kind for kind in KINDS if operation in kind.operations), None)


def read(document: Any, path: str) -> Iterator[Any]:
    """Every value that a path leads to, in order; none where a member is not there, or is of another form."""
    head, _, rest = path.partition(".")
    if not head:
        yield document
        return
    found = document.get(head.removesuffix("[]")) if isinstance(document, dict) else None
    if head.endswith("[]"):
        for each in found if isinstance(found, list) else ():
            yield from read(each, rest)
    elif found is not None:
        yield from read(found, rest)
