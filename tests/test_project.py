from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKED = {
    canonicalize_name(Requirement(line).name): Requirement(line)
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if line.strip() and not line.startswith("#")
}
TOP = {
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "docs",
    "environment.yml",
    "labs",
    "pyproject.toml",
    "requirements.lock",
    "src",
    "tests",
    "tools",
}


def asked() -> list[Requirement]:
    """What pyproject.toml asks for, extras and all."""
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(line) for line in [*PROJECT["dependencies"], *(r for extra in extras for r in extra)]]


def test_top_level_is_as_the_architecture_has_it() -> None:
    assert {path for path in TOP if not (ROOT / path).exists()} == set()
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_lock_pins_everything_that_is_asked_for() -> None:
    for requirement in asked():
        (pin,) = LOCKED[canonicalize_name(requirement.name)].specifier
        assert pin.operator == "=="
        assert requirement.specifier.contains(pin.version), requirement


def test_lock_pins_each_package_to_one_version() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert all(re.match(r"[A-Za-z0-9._-]+(\[[a-z,-]+\])?==\S+", line) for line in lines)


def test_conda_builds_the_same_environment() -> None:
    wanted = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in wanted["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-r requirements.lock", "-e ."]
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


def test_make_prints_what_it_can_do() -> None:
    said = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for target in ("setup", "lab", "test", "check", "labs", "notebooks", "bench", "clean"):
        assert re.search(rf"^  make {target} +[A-Z].*\.$", said, re.MULTILINE), target
