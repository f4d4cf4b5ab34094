"""What a kind of resource is: the form of a row of the catalog.

A path reads a request or a description: "A.B" is a member of a member, "A[].B" that of every element of a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

Document = dict[str, Any]

RECORD = ("Create", "Describe", "List", "Delete")
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

    def serverless(self, document: Document) -> Iterator[Document]:
        """The ServerlessConfig of what is billed by its requests."""
        for place in read(document, self.instances):
            if isinstance(place, dict) and "ServerlessConfig" in place:
                yield place["ServerlessConfig"]

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
    listed_as: what comes before the names of name_member and arn_member in a List's rows.
    menu: the part of the console's menu that it stands in.
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
    listed_as: str = ""
    menu: str = "More"

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
        member = self.arn_member if self.within else self.name_member
        return str(found[member] if member in found else found[f"{self.listed_as}{member}"])

    def arn_in(self, found: Document) -> str:
        """The ARN of the resource of a description, or of a List's row."""
        return str(found.get(self.arn_member) or found[f"{self.listed_as}{self.arn_member}"])

    def arn_of(self, name: str, where: str) -> str:
        """The ARN of a resource by its name, or by its ARN. where: "REGION:ACCOUNT"."""
        return name if name.startswith("arn:") else f"arn:aws:{self.service}:{where}:{self.arn}/{name}"

    def plain(self) -> Document:
        """The row as JSON has it."""
        return asdict(self) | {"path": self.path, "operations": self.operations}


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
