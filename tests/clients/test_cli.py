"""The AWS CLI, unmodified, from an environment of its own: every command of commands.py is a test."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.commands import COMMANDS, Command
from tests.clients.conformance import note
from tests.clients.conftest import RECORDER, Ran
from tests.clients.shelf import Shelf
from tests.conftest import LocalCloud

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shelf(cloud: LocalCloud, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    made = Shelf(cloud, tmp_path_factory.mktemp("shelf"), (table / "model.tar.gz").read_bytes())
    yield made
    made.close()


def call(aws: str, cloud: LocalCloud, folder: Path, arguments: list[str]) -> Ran:
    """`aws ARGUMENTS` in a shell that did `eval "$(sagelab env)"`, its calls recorded."""
    record = folder / "calls.jsonl"
    env = cloud.env
    env |= {"SAGELAB_RECORD": str(record), "PYTHONPATH": f"{RECORDER}{os.pathsep}{env['PYTHONPATH']}"}
    env |= {"AWS_PAGER": "", "COLUMNS": "200"}
    done = subprocess.run([aws, *arguments], env=env, capture_output=True, text=True, timeout=300)
    calls = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    return Ran("aws " + " ".join(arguments), done.returncode, done.stdout, done.stderr, calls)


def arguments(command: Command, names: dict[str, str]) -> list[str]:
    """The words of a command with its placeholders filled."""
    return [word.format(**names) for word in command.text.split(" ")]


@pytest.mark.parametrize("command", COMMANDS, ids=[f"{n:02} {c.text[:60]}" for n, c in enumerate(COMMANDS)])
def test_command_of_the_documentation(
    command: Command, aws: str, cloud: LocalCloud, shelf: Shelf, tmp_path: Path
) -> None:
    names = shelf.fresh(*command.needs)
    ran = call(aws, cloud, tmp_path, arguments(command, names))
    assert ran.code == 0, ran.err
    assert re.search(command.expected.format(**names), ran.out.strip(), re.MULTILINE), ran.out
    note(f"aws {command.shown}", ran.calls)


def test_invocation_leaves_its_answer_in_a_file(aws: str, cloud: LocalCloud, shelf: Shelf, tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    words = ["sagemaker-runtime", "invoke-endpoint", "--endpoint-name", shelf.names["endpoint"]]
    body = f"fileb://{shelf.folder}/payload.json"
    ran = call(aws, cloud, tmp_path, [*words, "--content-type", "application/json", "--body", body, str(answer)])
    assert ran.code == 0, ran.err
    assert json.loads(answer.read_text()) == {"predictions": [[2.0, 4.0]]}


def test_error_has_awss_words_and_exit_code(aws: str, cloud: LocalCloud, tmp_path: Path) -> None:
    ran = call(aws, cloud, tmp_path, ["sagemaker", "describe-training-job", "--training-job-name", "nobody"])
    assert ran.code in (254, 255)
    assert "(ValidationException) when calling the DescribeTrainingJob operation" in ran.err


def test_there_are_sixty_commands() -> None:
    assert len({command.text for command in COMMANDS}) >= 60
