"""The AWS CLI, unmodified, from an environment of its own: every command of commands.py is a test."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.commands import COMMANDS, Command
from tests.clients.conformance import note
from tests.clients.conftest import Ran
from tests.clients.shelf import Shelf
from tests.conftest import LocalCloud
from tests.forks import RECORDER

pytestmark = pytest.mark.slow

WARM = Path(__file__).with_name("warm_cli.py")
IDS = [f"{n:02} {command.text[:60]}" for n, command in enumerate(COMMANDS)]

Aws = Callable[[list[str]], Ran]


@pytest.fixture(scope="module")
def shelf(cloud: LocalCloud, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    made = Shelf(cloud, tmp_path_factory.mktemp("shelf"), (table / "model.tar.gz").read_bytes())
    yield made
    made.close()


def variables(cloud: LocalCloud) -> dict[str, str]:
    """The environment of a shell that did `eval "$(sagelab env)"`, with the recorder."""
    env = cloud.env
    return env | {
        "PYTHONPATH": f"{RECORDER}{os.pathsep}{env['PYTHONPATH']}",
        "SAGELAB_RECORD": os.devnull,
        "AWS_PAGER": "",
        "COLUMNS": "200",
    }


def ran(arguments: list[str], code: int, out: str, err: str, record: Path) -> Ran:
    calls = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    return Ran("aws " + " ".join(arguments), code, out, err, calls)


@pytest.fixture
def process(aws: str, cloud: LocalCloud, tmp_path: Path) -> Aws:
    """`aws ARGUMENTS` as a process, as a person runs it."""

    def call(arguments: list[str]) -> Ran:
        record = tmp_path / f"{uuid.uuid4().hex}.jsonl"
        env = variables(cloud) | {"SAGELAB_RECORD": str(record)}
        done = subprocess.run([aws, *arguments], env=env, capture_output=True, text=True, timeout=300)
        return ran(arguments, done.returncode, done.stdout, done.stderr, record)

    return call


@pytest.fixture(scope="module")
def loaded(aws: str, cloud: LocalCloud) -> Iterator[subprocess.Popen[str]]:
    """The CLI, loaded once: a second of each command that none of them is about."""
    command = [str(Path(aws).with_name("python")), str(WARM)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=variables(cloud), text=True, **pipes) as running:  # type: ignore[call-overload]
        assert running.stdout.readline() == "ready\n"
        yield running
        running.stdin.close()
    assert running.returncode == 0


@pytest.fixture
def warm(loaded: subprocess.Popen[str], tmp_path: Path) -> Aws:
    """`aws ARGUMENTS` in a fork of the CLI that is loaded."""

    def call(arguments: list[str]) -> Ran:
        record = tmp_path / f"{uuid.uuid4().hex}.jsonl"
        asked = {"arguments": arguments, "folder": str(tmp_path), "record": str(record)}
        assert loaded.stdin is not None
        assert loaded.stdout is not None
        print(json.dumps(asked), file=loaded.stdin, flush=True)
        code = int(loaded.stdout.readline())
        return ran(arguments, code, (tmp_path / "out").read_text(), (tmp_path / "err").read_text(), record)

    return call


def check(command: Command, shelf: Shelf, aws: Aws) -> None:
    """It succeeds, says what it must, and the page of conformance has what it called."""
    names = shelf.fresh(*command.needs)
    done = aws([word.format(**names) for word in command.text.split(" ")])
    assert done.code == 0, done.err
    assert re.search(command.expected.format(**names), done.out.strip(), re.MULTILINE), done.out
    note(f"aws {command.shown}", done.calls)


@pytest.mark.parametrize("command", COMMANDS, ids=IDS)
def test_command_of_the_documentation(command: Command, shelf: Shelf, warm: Aws) -> None:
    check(command, shelf, warm)


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS, ids=IDS)
def test_command_of_the_documentation_as_a_process(command: Command, shelf: Shelf, process: Aws) -> None:
    check(command, shelf, process)


def test_commands_of_either_kind_are_processes_too(shelf: Shelf, process: Aws) -> None:
    """One of S3, one of a service's own."""
    for start in ("s3 ls s3://{bucket}/in/", "sagemaker describe-model "):
        (command,) = [one for one in COMMANDS if one.text.startswith(start)]
        check(command, shelf, process)


def test_invocation_leaves_its_answer_in_a_file(shelf: Shelf, process: Aws, tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    words = ["sagemaker-runtime", "invoke-endpoint", "--endpoint-name", shelf.names["endpoint"]]
    body = f"fileb://{shelf.folder}/payload.json"
    done = process([*words, "--content-type", "application/json", "--body", body, str(answer)])
    assert done.code == 0, done.err
    assert json.loads(answer.read_text()) == {"predictions": [[2.0, 4.0]]}


def test_error_has_awss_words_and_exit_code(process: Aws, warm: Aws) -> None:
    for aws in (process, warm):
        done = aws(["sagemaker", "describe-training-job", "--training-job-name", "nobody"])
        assert done.code in (254, 255)
        assert "(ValidationException) when calling the DescribeTrainingJob operation" in done.err


def test_there_are_sixty_commands() -> None:
    assert len({command.text for command in COMMANDS}) >= 60
