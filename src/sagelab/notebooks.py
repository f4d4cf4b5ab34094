"""Runs notebooks without a browser: what passed, how long it took, what AWS would have charged."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from sagelab import shipped
from sagelab.cloud.errors import ControlError

CELL_LIMIT = 1800  # seconds a cell may take
HEAD = f"{'lab':36} {'result':8} {'seconds':>8} {'on AWS':>9}"
Watch = Callable[[str, int, int], None]
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Result:
    """One lab's run. seconds: here. dollars: what AWS charges for its jobs; None where no price is known."""

    lab: str
    passed: bool
    seconds: float
    dollars: float | None
    error: str = ""


def find(labs: Iterable[str]) -> list[Path]:
    """The notebooks of these labs ("01", "1", "01-train", ...), of all labs if none is named.

    Looks in the nearest folder above that has notebooks/ and labs/, else in what this installation brings.
    ControlError: there is none, or no such lab.
    """
    folder = _labs() / "notebooks"
    named = list(labs)
    found = [sorted(folder.glob(f"{shipped.beginning(name)}*.ipynb")) for name in named or [""]]
    for name, notebooks in zip(named, found, strict=False):
        if not notebooks:
            raise ControlError(f"No notebook in {folder} begins with {name}.")
    return list(dict.fromkeys(path for notebooks in found for path in notebooks))


@contextmanager
def progress(watched: bool) -> Iterator[Watch]:
    """What is told of each cell that begins: (lab, its number, of how many). It shows one line that moves."""
    if not watched:
        yield lambda *_: None
        return
    from rich.console import Console

    with Console().status("") as status:
        yield lambda lab, cell, cells: status.update(f"{lab}: cell {cell} of {cells}")


def run(notebooks: Iterable[Path], env: Mapping[str, str], watch: Watch) -> Iterator[Result]:
    """Run each notebook in a copy of the project's folders, so that nothing of a learner's is changes."""
    for path in notebooks:
        with tempfile.TemporaryDirectory(prefix="sagelab-run-") as copy:
            for name in shipped.FOLDERS:
                source = path.parent.parent / name
                ignored = shutil.ignore_patterns(*shipped.LEFT_OUT)
                shutil.copytree(source, Path(copy, name), ignore=ignored)
            yield _run(Path(copy, "notebooks", path.name), env, watch)


def execute(
    notebook: Any, folder: Path, env: Mapping[str, str], began: Callable[[int], None] = lambda _: None
) -> None:
    """Run every cell of a notebook (an nbformat node) in `folder` and keep the outputs in it.

    began: told the number of each cell that begins, from 1. nbclient's CellExecutionError: a cell failed; the
    outputs up to it are there.
    """
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,  # of a line that moves the last one is kept
        extra_arguments=["--log-level=ERROR"],
        on_cell_start=lambda cell, cell_index: began(cell_index + 1),  # noqa: ARG005 - nbclient's names
    )
    client.execute(env=dict(env))


def row(result: Result) -> str:
    """One line of the table under HEAD."""
    dollars = "unknown" if result.dollars is None else f"${result.dollars:.2f}"
    verdict = "passed" if result.passed else "FAILED"
    return f"{result.lab:36} {verdict:8} {result.seconds:8.1f} {dollars:>9}"


def summary(results: list[Result]) -> str:
    """The line below the table."""
    passed = sum(result.passed for result in results)
    return f"{passed} passed, {len(results) - passed} failed"


def write_json(results: list[Result], file: Path) -> None:
    """A list of objects with the fields of Result."""
    file.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


def write_junit(results: list[Result], file: Path) -> None:
    """A JUnit report: one suite, one case a lab."""
    failures = sum(not result.passed for result in results)
    counts = {"name": "labs", "tests": str(len(results)), "failures": str(failures)}
    suite = ElementTree.Element("testsuite", counts)
    for result in results:
        seconds = f"{result.seconds:.3f}"
        case = ElementTree.SubElement(suite, "testcase", classname="labs", name=result.lab, time=seconds)
        if not result.passed:
            ElementTree.SubElement(case, "failure", message=_last_line(result.error)).text = result.error
    ElementTree.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)


def _run(path: Path, env: Mapping[str, str], watch: Watch) -> Result:
    import nbformat
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    began, clock, error = datetime.now(UTC), time.monotonic(), ""
    try:
        notebook = nbformat.read(path, as_version=4)
        count = len(notebook.cells)
        execute(notebook, path.parent, env, lambda cell: watch(path.stem, cell, count))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as failure:
        error = COLOURS.sub("", str(failure)).strip()
    seconds = time.monotonic() - clock
    return Result(path.stem, not error, seconds, _dollars(began, env), error)


def _dollars(since: datetime, env: Mapping[str, str]) -> float | None:
    from sagelab.lab.costs import UnknownPrice, training_cost

    try:
        return float(sum(training_cost(job) for job in _jobs(since, env)))
    except UnknownPrice:
        return None


def _jobs(since: datetime, env: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The descriptions of the training jobs made since then."""
    import boto3

    if env.get("SAGELAB_TARGET") == "aws":
        client = boto3.client("sagemaker")
    else:
        session = boto3.Session(
            env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=env["AWS_REGION"]
        )
        client = session.client("sagemaker", endpoint_url=env["AWS_ENDPOINT_URL"])
    for page in client.get_paginator("list_training_jobs").paginate(CreationTimeAfter=since):
        for job in page["TrainingJobSummaries"]:
            yield client.describe_training_job(TrainingJobName=job["TrainingJobName"])


def _labs() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if all((folder / name).is_dir() for name in shipped.FOLDERS):
            return folder
    if brought := shipped.find():
        return brought
    raise ControlError(f"There are no notebooks/ and labs/ in {here} or above; run this inside the project.")


def _last_line(text: str) -> str:
    return text.splitlines()[-1] if text else ""
