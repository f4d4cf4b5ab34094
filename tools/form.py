"""The form that every lab has, so that a learner finds the same things at the same places.

A rule is a function of RULES: what it finds wrong in a lab, a sentence each. `tools/notebooks.py --check` asks
them all. The texts they look for are shown by lab 1.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.loaders import Loader

CELLS, LINES, WORDS, TERMS, ALT = 40, 20, 1000, 5, 40
VERBS = (
    *"Open Train Deploy Tune Compile Automate Run Build".split(),
    *"Serve Read Watch Compare Operate Lock Explore Feed Prepare".split(),
)
HEAD = ("**What you'll do.**", "**What you'll learn.**", "**What you'll need.**")
NEEDS = {
    "the labs to do first": r"^- \*\*Before:\*\* .+",
    "the minutes here": r"^- \*\*Here:\*\* about \d+ minutes",
    "the minutes and dollars on AWS": r"^- \*\*On AWS:\*\* about \d+ minutes and \$\d+\.\d\d",
}
TRAP = '<div class="alert alert-warning">\n\n**Trap.** '
SOLUTION = "<details><summary>Solution</summary>"
EXERCISES, NEXT = "## Exercises", "## Next"
PICTURE = re.compile(r"!\[([^]]*)\]\(([^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[[^]]+\]\(([^)\s]+)\)")
AWS = "https://docs.aws.amazon.com/"
SERVICES = (
    *(
        "sagemaker",
        "sagemaker-runtime",
        "application-autoscaling",
        "s3",
        "logs",
        "cloudwatch",
        "ec2",
        "iam",
        "sts",
    ),
    *("events", "lambda", "kms", "cloudtrail", "comprehend", "fsx"),
    *("firehose", "kinesis", "glue", "athena", "emr", "stepfunctions", "scheduler"),
)
# What the SDK and the labs' own package call, where the name of the operation does not stand in the cell.
CALLS = {
    "lab.train": ("CreateTrainingJob",),
    "lab.model": ("CreateModel",),
    "lab.chain": ("CreateModel",),
    "lab.deploy": ("CreateEndpointConfig", "CreateEndpoint"),
    "endpoint.invoke": ("InvokeEndpoint",),
    "reader.invoke": ("InvokeEndpoint",),
    "data.upload": ("PutObject",),
    "watch.tail": ("GetLogEvents",),
    "watch.log": ("GetLogEvents",),
    "endpoints.metrics": ("GetMetricStatistics",),
    "endpoints.value": ("GetMetricStatistics",),
    "load.measure": ("InvokeEndpoint",),
    "scaling.activities": ("DescribeScalingActivities",),
    "scaling.alarms": ("DescribeAlarms",),
    "scaling.invocations": ("GetMetricStatistics",),
    "athena.ask": ("StartQueryExecution",),
    "athena.ask_trail": ("StartQueryExecution",),
    "dynamodb.get_item": ("GetItem",),
    "emr.start": ("RunJobFlow",),
    "emr.take_away": ("TerminateInstances",),
    "states.make": ("CreateStateMachine",),
    "states.schedule": ("CreateSchedule",),
    "streams.crawl": ("StartCrawler",),
    "streams.deliver": ("CreateDeliveryStream",),
    "streams.pour": ("PutRecordBatch",),
    "streams.read_by": ("CreateEventSourceMapping",),
    "streams.shards": ("CreateStream",),
    "intruder.attempts": ("GetLogEvents",),
    "intruder.on_notebook": ("CreatePresignedNotebookInstanceUrl",),
    "shares.efs": ("CreateFileSystem",),
    "shares.lustre": ("CreateFileSystem",),
    "spark.run": ("CreateProcessingJob",),
    "security.authenticator": ("EnableMFADevice",),
    "security.become": ("AssumeRole",),
    "security.bucket": ("CreateBucket",),
    "security.notebook": ("CreateNotebookInstance",),
    "security.role": ("CreateRole",),
    "security.simulate": ("SimulatePrincipalPolicy",),
    "security.train": ("CreateTrainingJob",),
    "security.user": ("CreateUser",),
    "vpc.endpoint": ("CreateVpcEndpoint",),
    "vpc.make": ("CreateVpc", "CreateSubnet", "CreateSecurityGroup"),
    "vpc.nat_gateway": ("CreateNatGateway", "CreateInternetGateway"),
    "tuner.tune": ("CreateHyperParameterTuningJob",),
    "pipeline.upsert": ("CreatePipeline",),
    "pipeline.start": ("StartPipelineExecution",),
    "CompilationJob.create": ("CreateCompilationJob",),
    "NotebookInstance.create": ("CreateNotebookInstance",),
    "NotebookInstanceLifecycleConfig.create": ("CreateNotebookInstanceLifecycleConfig",),
    "instance.stop": ("StopNotebookInstance",),
    "instance.start": ("StartNotebookInstance",),
}


@dataclass(frozen=True)
class Lab:
    """A lab as its notebook shows it. folder: labs/<lab>. cells: nbformat's, the exercises in their place."""

    folder: Path
    cells: list[Any]

    @property
    def code(self) -> list[Any]:
        return [cell for cell in self.cells if cell.cell_type == "code"]

    @property
    def text(self) -> str:
        """Everything written, cell after cell."""
        return "\n\n".join(cell.source for cell in self.cells if cell.cell_type == "markdown")

    @property
    def notebook(self) -> Path:
        return self.folder.parent.parent / "notebooks" / f"{self.folder.name}.ipynb"


Rule = Callable[[Lab], Iterator[str]]


def find_faults(lab: Lab) -> list[str]:
    """What a lab lacks."""
    return [fault for rule in RULES for fault in rule(lab)]


def find_head(lab: Lab) -> Iterator[str]:
    """A title with a verb, and what you'll do, learn and need."""
    first = next((cell.source for cell in lab.cells if cell.source.startswith("# ")), "")
    if first.removeprefix("# ").partition(" ")[0].rstrip(",") not in VERBS:
        yield "its title does not begin with a verb (form.VERBS)"
    yield from (f"its first cell does not say {part}" for part in HEAD if part not in first)
    for what, pattern in NEEDS.items():
        if not re.search(pattern, first, re.MULTILINE):
            yield f"its first cell does not say {what}: {pattern}"


def find_diagram(lab: Lab) -> Iterator[str]:
    """The diagram, near the top."""
    shown = [path for _, path in PICTURE.findall(lab.text)]
    if f"../labs/{lab.folder.name}/diagram.svg" not in shown:
        yield f"it does not show its diagram, ../labs/{lab.folder.name}/diagram.svg"


def find_length(lab: Lab) -> Iterator[str]:
    """Cells and lines that are too many, words that are too few."""
    if len(lab.cells) > CELLS:
        yield f"it has {len(lab.cells)} cells; {CELLS} at the most"
    for cell in lab.code:
        if len(cell.source.splitlines()) > LINES:
            yield f"a code cell has over {LINES} lines: {_begin(cell)}"
    words = len(lab.text.partition(EXERCISES)[0].split())
    if words < WORDS:
        yield f"it says {words} words before its exercises; {WORDS} at the least"


def find_sentences(lab: Lab) -> Iterator[str]:
    """Code cells without a sentence right before them."""
    for before, cell in zip([None, *lab.cells], lab.cells, strict=False):
        said = before is not None and before.cell_type == "markdown" and before.source.splitlines()[-1:]
        if cell.cell_type == "code" and (not said or said[0].startswith("#")):
            yield f"no sentence stands before a code cell: {_begin(cell)}"


def find_tricks(lab: Lab) -> Iterator[str]:
    """Private attributes, and changes of the module search path."""
    for cell in lab.code:
        for node in ast.walk(_parse(cell)):
            if isinstance(node, ast.Attribute) and re.match(r"_(?!_)", node.attr):
                yield f"a private attribute is used, {node.attr}: {_begin(cell)}"
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
                yield f"sys.path is changed: {_begin(cell)}"


def find_bare_truths(lab: Lab) -> Iterator[str]:
    """True or False in what a cell prints: a check is an assert, so that a wrong answer stops the reader."""
    for cell in lab.code:
        shown = [each.get("text", "") + each.get("data", {}).get("text/plain", "") for each in cell.outputs]
        if any(re.search(r"\b(True|False)$", text, re.MULTILINE) for text in shown):
            yield f"an output says True or False; assert it: {_begin(cell)}"


def find_pictures(lab: Lab) -> Iterator[str]:
    """Pictures without words for who does not see them."""
    for words, path in PICTURE.findall(lab.text):
        if len(words) < (ALT if path.endswith(".svg") and not path.startswith("http") else 1):
            yield f"{path} has no alternative text"
    for cell in lab.code:
        for output in cell.outputs:
            if any(kind.startswith("image/") for kind in output.get("data", {})):
                yield f"a picture has no alternative text (sagelab.lab.figures gives it): {_begin(cell)}"
            if re.search(r"<img(?![^>]*\salt=)", output.get("data", {}).get("text/html", "")):
                yield f"an <img> has no alt: {_begin(cell)}"


def find_formulas(lab: Lab) -> Iterator[str]:
    """A plain dollar and one more, escaped or not, in a paragraph of notebook or walkthrough: JupyterLab reads
    a formula between them."""
    walkthrough = lab.folder / "README.md"
    for text in (lab.text, walkthrough.read_text() if walkthrough.exists() else ""):
        for paragraph in re.split(r"\n\n|\n(?=[|-])", re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)):
            if re.search(r"(?<!\\)\$", paragraph) and paragraph.count("$") > 1:
                yield f"dollars are read as a formula, write \\$: {' '.join(paragraph.split())[:60]}"


def find_boxes(lab: Lab) -> Iterator[str]:
    """A box for a trap; one that is not in the one form has another look in each place."""
    if TRAP not in lab.text:
        yield f"it warns of no trap: {TRAP!r}"
    for found in re.findall(r'<div class="alert[^>]*>\s*\S+', lab.text):
        if not re.match(r'<div class="alert alert-(warning|info)">\n\n\*\*', found):
            yield f"a box does not begin with a blank line and bold words: {found!r}"


def find_endings(lab: Lab) -> Iterator[str]:
    """What you learned, exercises with folded solutions, and what comes next."""
    places = [lab.text.find(part) for part in ("## What you learned", EXERCISES, NEXT)]
    if -1 in places or places != sorted(places):
        yield "it does not end with What you learned, Exercises and Next, in this order"
    exercises = lab.text.partition(EXERCISES)[2]
    asked, solved = len(re.findall(r"^### Exercise ", exercises, re.MULTILINE)), exercises.count(SOLUTION)
    if not asked or asked != solved or exercises.count("</details>") != solved:
        yield f"it has {asked} exercises and {solved} folded solutions"


def find_unlinked_calls(lab: Lab) -> Iterator[str]:
    """Operations of AWS's API whose page is not linked where a cell first calls them, or before."""
    linked: set[str] = set()
    for cell in lab.cells:
        if cell.cell_type == "markdown":
            linked |= set(re.findall(r"API_(?:\w+_)?(\w+)\.html", cell.source))
            continue
        for operation in sorted(_operations(cell) - linked):
            yield f"{operation} is called and AWS's page of it not linked before: {_begin(cell)}"
            linked.add(operation)


def find_broken_links(lab: Lab) -> Iterator[str]:
    """Links to files or headings that are not there, and fewer terms of the glossary than a lab needs."""
    links = LINK.findall(lab.text) + [path for _, path in PICTURE.findall(lab.text)]
    yield from broken(links, lab.notebook)
    terms = {link for link in links if "GLOSSARY.md#" in link}
    if len(terms) < TERMS:
        yield f"it links {len(terms)} terms of the glossary; {TERMS} at the least"


def broken(links: list[str], page: Path) -> Iterator[str]:
    """What is wrong with the links of a page to files beside it."""
    for link in links:
        path, _, anchor = link.partition("#")
        file = page if not path else (page.parent / path).resolve()
        if re.match(r"[a-z]+:", link):
            continue
        if not file.exists():
            yield f"{link} leads nowhere"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            yield f"{link}: there is no such heading"


def anchors(text: str) -> set[str]:
    """The anchors of a Markdown page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


RULES: tuple[Rule, ...] = (
    find_head,
    find_diagram,
    find_length,
    find_sentences,
    find_tricks,
    find_bare_truths,
    find_pictures,
    find_formulas,
    find_boxes,
    find_endings,
    find_unlinked_calls,
    find_broken_links,
)


def _operations(cell: Any) -> set[str]:
    """The operations of the API that a code cell calls."""
    known, found = known_operations(), set()
    for node in ast.walk(_parse(cell)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            alone = (known[node.func.attr],) if node.func.attr in known else ()
            found |= set(CALLS.get(ast.unparse(node.func), alone))
    return found


def known_operations() -> dict[str, str]:
    """boto3's method -> the operation, for the services that labs use."""
    if not _known:
        for service in SERVICES:
            names = Loader().load_service_model(service, "service-2")["operations"]
            _known.update({xform_name(name): name for name in names})
    return _known


_known: dict[str, str] = {}


def _parse(cell: Any) -> ast.Module:
    """The cell's code without the lines that are IPython's."""
    lines = ["pass" if re.match(r"[%!]", line) else line for line in cell.source.splitlines()]
    return ast.parse("\n".join(lines))


def _begin(cell: Any) -> str:
    return str(cell.source.strip().splitlines()[0])
