"""The tree in the docstring of the errors against the classes that there are."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import sagelab
from sagelab.cloud import errors

ROOTS = ("ServiceError", "StreamError", "JobError", "ControlError")
LINE = re.compile(r"((?:[|' ]   )*)(?:(?:\||')-- )?(\w+) +(?:(\d{3}) )? *\S.*")


def drawn() -> dict[str, tuple[str | None, str | None]]:
    """Name -> (parent, status), as the docstring draws them."""
    assert errors.__doc__
    found: dict[str, tuple[str | None, str | None]] = {}
    above: list[str] = []
    for line in errors.__doc__.splitlines():
        if not re.match(rf"({'|'.join(ROOTS)}) |[|' ]", line):
            continue
        match = LINE.fullmatch(line)
        assert match, line
        depth = 0 if line.startswith(ROOTS) else 1 + len(match[1]) // 4
        above[depth:] = [match[2]]
        found[match[2]] = (above[depth - 1] if depth else None, match[3])
    return found


def classes() -> list[tuple[str, str]]:
    """(name, parent) of every class of the package that descends from a root."""
    declared = [
        (node.name, base.id)
        for path in Path(sagelab.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if isinstance(base, ast.Name)
    ]
    known, found = set(ROOTS), list[tuple[str, str]]()
    while new := [pair for pair in declared if pair[1] in known and pair not in found]:
        found += new
        known |= {name for name, _ in new}
    return found


def test_the_tree_is_true_and_whole() -> None:
    tree = {name: parent for name, (parent, _) in drawn().items() if parent}
    assert tree == dict(classes())
    assert {name for name, (parent, _) in drawn().items() if parent is None} == set(ROOTS)


def test_no_two_errors_have_one_name() -> None:
    assert [name for name, count in Counter(name for name, _ in classes()).items() if count > 1] == []


def test_the_tree_tells_the_status_of_each_answer() -> None:
    for name, (_, status) in drawn().items():
        error = getattr(errors, name, None)
        if isinstance(error, type) and issubclass(error, errors.ServiceError) and name != "ServiceError":
            assert status == str(error.status), name
