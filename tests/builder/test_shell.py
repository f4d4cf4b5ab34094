"""One shell for all commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagelab.builder.shell import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell({"PATH": os.environ["PATH"]}, tmp_path)
    yield made
    made.close()


def test_what_a_command_sets_the_next_one_has(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    assert [
        shell.run("cd deep; A=1; f() { return 7; }"),
        shell.run("test $A = 1 && touch here"),
        shell.run("f"),
    ] == [
        0,
        0,
        7,
    ]
    assert (tmp_path / "deep" / "here").exists()
    assert shell.value("A") == "1"
    assert shell.value("NOTHING") == ""


def test_a_command_that_ends_the_shell_leaves_a_new_one(shell: Shell) -> None:
    shell.set("KEPT", "yes")
    assert shell.run("exit 5") == 5
    assert shell.run("set -e; false; true") == 1
    assert shell.value("KEPT") == "yes"


def test_a_command_reads_no_standard_input(shell: Shell) -> None:
    assert shell.run("cat") == 0
