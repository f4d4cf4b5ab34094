"""What the project says of itself: its packages, their lock, its wheel, what `make` lists."""

from __future__ import annotations

import ast
import platform
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from email.message import Message
from functools import cache
from importlib.metadata import distributions, packages_distributions
from pathlib import Path
from typing import cast

import pytest
import yaml
from lock import CLIENTS, pins
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = pins((ROOT / "requirements.lock").read_text())
LOCKED = {canonicalize_name(Requirement(line).name): Requirement(line) for line in PINS}
LOCKS = ("requirements.lock", *CLIENTS)
TOP = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "docs",
    "environment.yml",
    "labs",
    "pyproject.toml",
    "requirements.lock",
    "src",
    "tests",
    "tools",
}


# Who imports, and the extras that they have; a notebook on AWS has none.
IMPORTERS = {
    ("src/sagelab/lab/**/*.py", "labs/*/lab.py"): (),
    ("src/sagelab/**/*.py", "labs/*/*.py"): ("local",),
    ("tools/*.py", "bench/*.py", "tests/**/*.py"): ("local", "test"),
}
# Modules of the project that are imported by their bare names: tools and benchmarks each other's, labs their own.
BESIDE = {path.stem for folder in ("tools", "bench", "labs/*") for path in ROOT.glob(f"{folder}/*.py")}
BESIDE |= {"sagelab", "tests", "runtime"}  # the last lies in every compiled model
BESIDE |= {"awscli", "pytest"}  # the CLI has an environment of its own; pytest is who loads the plugin
BESIDE |= {
    "xgboost",
    "pyarrow",
    "scipy",
    "joblib",
    "torch",
    "transformers",
    "fasttext",
    "pyspark",
    "sagemaker_pyspark",
    "onnxmltools",
    "py4j",
}  # of an image's environment
BESIDE |= {
    "kopf",
    "kfp",
    "kubernetes",
    "airflow",
    "duckdb",
    "sqlglot",
    "fsspec",
    "awswrangler",
    "jq",
}  # of environments of their own
BESIDE |= {"tidying"}  # lies beside a script of Spark's
BESIDE |= {"mlflow"}  # the SageMaker SDK brings it: a client


def asked(extras: tuple[str, ...] = ("local", "test")) -> list[Requirement]:
    """What pyproject.toml asks for, with these extras."""
    more = (line for extra in extras for line in PROJECT["optional-dependencies"][extra])
    return [Requirement(line) for line in [*PROJECT["dependencies"], *more]]


distributions_by_module = cache(packages_distributions)


def imported(patterns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(file, the first name of a module of somebody else's) for every import, wherever it stands."""
    files = {path for pattern in patterns for path in ROOT.glob(pattern)}
    for path in sorted(path for path in files if "seed" not in path.parts):  # a learner's own code, elsewhere
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in {name.partition(".")[0] for name in names} - BESIDE - sys.stdlib_module_names:
                yield str(path.relative_to(ROOT)), top


def test_top_level_is_as_the_architecture_has_it() -> None:
    assert {path for path in TOP if not (ROOT / path).exists()} == set()
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_lock_pins_everything_that_is_asked_for() -> None:
    for requirement in asked():
        (pin,) = LOCKED[canonicalize_name(requirement.name)].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), requirement


def test_lock_pins_each_package_to_one_version() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==\S+( ; .+)?", line) for line in PINS)
    assert len(set(PINS)) == len(PINS)
    names = Counter(line.partition("==")[0] for line in PINS)
    twice = [line for line in PINS if names[line.partition("==")[0]] > 1]
    assert all(" ; python_full_version " in line for line in twice)


def test_lock_has_nothing_that_pip_refuses_on_this_python() -> None:
    """uv takes a package whose Requires-Python ends before this Python; pip, which Conda runs, does not."""
    asked_for = {
        canonicalize_name(one.metadata["Name"]): cast(Message, one.metadata).get("Requires-Python")
        for one in distributions()
    }
    here = platform.python_version()
    assert [name for name in LOCKED if here not in SpecifierSet(asked_for.get(name) or "")] == []


@pytest.mark.parametrize("name", LOCKS)
def test_lock_has_hashes_of_every_package_and_names_no_index(name: str) -> None:
    lock = (ROOT / name).read_text()
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert len(entries) == len(pins(lock)) > 0
    for entry in entries:
        assert re.fullmatch(r"[^\n]+ \\(\n    --hash=sha256:[0-9a-f]{64}( \\)?)+", entry), entry
    assert "://" not in lock


def test_conda_builds_the_same_environment() -> None:
    wanted = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in wanted["dependencies"] if isinstance(entry, dict)]
    assert pip == [*PINS, "-e ."]
    plain = [entry for entry in wanted["dependencies"] if isinstance(entry, str)]
    assert {entry.partition("=")[0] for entry in plain} == {"python", "pip"}


def test_condas_python_is_one_that_the_package_takes() -> None:
    wanted = yaml.safe_load((ROOT / "environment.yml").read_text())
    (python,) = [entry for entry in wanted["dependencies"] if str(entry).startswith("python=")]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.partition("=")[2] + ".0")


def test_a_notebook_on_aws_needs_none_of_the_local_cloud() -> None:
    on_aws = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    local = {canonicalize_name(Requirement(line).name) for line in PROJECT["optional-dependencies"]["local"]}
    assert not on_aws & local
    assert "moto" in local


@pytest.mark.parametrize(("patterns", "extras"), IMPORTERS.items(), ids=["on AWS", "here", "at work"])
def test_what_is_imported_is_asked_for(patterns: tuple[str, ...], extras: tuple[str, ...]) -> None:
    declared = {canonicalize_name(requirement.name) for requirement in asked(extras)}
    brought = distributions_by_module()  # `sagemaker` itself brings nothing but what it asks for
    by_others = [
        f"{file}: {top}"
        for file, top in imported(patterns)
        if not declared & {canonicalize_name(name) for name in [top, *brought.get(top, [])]}
    ]
    assert by_others == []


def test_wheel_says_that_the_package_is_typed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"sagelab/py.typed", "sagelab/__init__.py", "sagelab/cloud/console/static/index.html"} <= names
    assert not [name for name in names if not name.startswith(("sagelab/", "sagelab-"))]


def test_make_prints_what_it_can_do() -> None:
    said = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for target in ("setup", "lab", "test", "check", "labs", "notebooks", "bench", "clean"):
        assert re.search(rf"^  make {target} +[A-Z].*\.$", said, re.MULTILINE), target
