"""Every kind of resource, declared once: a row of KINDS.

What follows from a row: the ARN that a call is about and so what IAM is asked, the roles that are passed on, what
a request would cost, clean-up and its proof, waiting and following in a notebook, Search, tags, the console's list
and page, docs/operations.md. What an operation does is said where it is done (`resources/`).

The rows stand in the order in which clean-up takes them: what would start others comes before those.
A path reads a request or a description: "A.B" is a member of a member, "A[].B" that of every element of a list.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

Document = dict[str, Any]

RECORD = ("Create", "Describe", "List", "Delete")
JOB = ("Create", "Describe", "List", "Stop", "Delete")
IN_PROGRESS = ("InProgress", "Stopping")
JOB_ENDS = ("Completed", "Failed", "Stopped")
UNTIL_DELETED = "until it is deleted"
UNTIL_DONE = "for as long as it takes, {hours:g} hours at the most"


@dataclass(frozen=True)
class Use:
    """Instances that a resource has, by the paths of a request that makes it.

    plane: of the price table. instances: the path of what has InstanceType and `count`. of: the kind whose
    description has them, where the request only names it. times: the path of a number that multiplies them.
    until: how long they run, in words; {hours} is the request's MaxRuntimeInSeconds, {jobs} its number of jobs.
    """

    plane: str
    instances: str
    until: str = UNTIL_DONE
    count: str = "InstanceCount"
    of: str = ""
    times: str = ""


@dataclass(frozen=True)
class Removal:
    """One step of a removal. statuses: those in which it applies; empty: any. waiter: boto3's, of its end."""

    verb: str
    statuses: tuple[str, ...] = ()
    waiter: str = ""


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
    listed: the member of a List's answer, by default the stem with Summaries.
    verbs: the operations on one, with "*" for the stem where it does not stand at the end.
    running, ended: the statuses in which it has something that runs, and those in which it has nothing.
    status_member, ends_member: of a description.
    uses: what it costs. roles: paths of the roles that a request passes on. log: where its log is.
    removal: the steps of clean-up, by default Stop while it runs, or Delete. waiter: boto3's, of its end.
    searchable: whether Search knows it. filters: the statuses that a List filters by, by default all.
    order: of a List that asks for none, (SortBy, SortOrder).
    """

    arn: str
    stem: str
    noun: str
    plural: str = ""
    name_member: str = ""
    listed: str = ""
    verbs: tuple[str, ...] = RECORD
    running: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    status_member: str = ""
    ends_member: str = ""
    uses: tuple[Use, ...] = ()
    roles: tuple[str, ...] = ()
    log: Log | None = None
    removal: tuple[Removal, ...] = ()
    waiter: str = ""
    searchable: bool = False
    filters: tuple[str, ...] = ()
    order: tuple[str, str] = ("CreationTime", "Descending")
    service: str = "sagemaker"

    def __post_init__(self) -> None:
        steps = (Removal("Stop", self.running, self.waiter),) if self.running else (Removal("Delete"),)
        defaults = {
            "plural": f"{self.noun}s",
            "name_member": f"{self.stem}Name",
            "listed": f"{self.stem}Summaries",
            "status_member": f"{self.stem}Status",
            "removal": steps,
            "filters": (*self.running, *self.ended),
        }
        for name, value in defaults.items():
            object.__setattr__(self, name, getattr(self, name) or value)

    @property
    def path(self) -> str:
        """Of its page in the console: "training-jobs"."""
        return self.plural.replace(" ", "-")

    @property
    def arn_member(self) -> str:
        return f"{self.stem}Arn"

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

    def arn_of(self, name: str, where: str) -> str:
        """The ARN of a resource by its name, or by its ARN. where: "REGION:ACCOUNT"."""
        return name if name.startswith("arn:") else f"arn:aws:{self.service}:{where}:{self.arn}/{name}"

    def plain(self) -> Document:
        """The row as JSON has it."""
        return asdict(self) | {"path": self.path, "operations": self.operations}


KINDS: tuple[Kind, ...] = (
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
        uses=(Use("notebook", "", until="until it is stopped"),),
        roles=("RoleArn",),
        log=Log("/aws/sagemaker/NotebookInstances", "{name}/"),
        removal=(
            Removal("Stop", ("InService",), "notebook_instance_stopped"),
            Removal(
                "Delete",
                ("Stopped", "Failed", "Pending", "Stopping", "Updating", "Deleting"),
                "notebook_instance_deleted",
            ),
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
        waiter="training_job_completed_or_stopped",
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
        waiter="processing_job_completed_or_stopped",
        order=("CreationTime", "Ascending"),
    ),
    Kind(
        "transform-job",
        "TransformJob",
        "transform job",
        plural="transform jobs",
        verbs=("Create", "Describe", "List", "Stop"),
        running=IN_PROGRESS,
        ended=JOB_ENDS,
        ends_member="TransformEndTime",
        uses=(Use("hosting", "TransformResources", until="until its data is through"),),
        log=Log("/aws/sagemaker/TransformJobs", "{name}/"),
        waiter="transform_job_completed_or_stopped",
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
        uses=(
            Use(
                "hosting", "ProductionVariants[]", "until it is deleted", "InitialInstanceCount", "EndpointConfig"
            ),
        ),
        log=Log("/aws/sagemaker/Endpoints/{name}"),
        removal=(Removal("Delete", (), "endpoint_deleted"),),
    ),
    Kind("endpoint-config", "EndpointConfig", "endpoint configuration", listed="EndpointConfigs"),
    Kind("model", "Model", "model", listed="Models", roles=("ExecutionRoleArn",), searchable=True),
)


def of_arn(arn: str) -> Kind | None:
    """The kind of a resource by its ARN."""
    parts = arn.split(":", 5)
    word = re.split("[/:]", parts[5])[0] if len(parts) == 6 else ""
    return next((kind for kind in KINDS if (kind.service, kind.arn) == (parts[2], word)), None)


def of_stem(stem: str) -> Kind:
    """The kind with this stem. StopIteration: there is none."""
    return next(kind for kind in KINDS if kind.stem == stem)


@functools.cache
def of_operation(operation: str) -> Kind | None:
    """The kind that an operation of the API is about; None where it is about none, or about several."""
    return next((kind for kind in KINDS if operation in kind.operations), None)


def read(document: Any, path: str) -> Iterator[Any]:
    """Every value that a path leads to, in order; none where a member is not there."""
    head, _, rest = path.partition(".")
    if not head:
        yield document
        return
    found = document.get(head.removesuffix("[]")) if isinstance(document, dict) else None
    if found is None:
        return
    for each in found if head.endswith("[]") else [found]:
        yield from read(each, rest)
