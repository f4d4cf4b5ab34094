"""The repository as somebody meets it: its links and forms, its workflow, its checks before a commit."""

from __future__ import annotations

import configparser
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "src" / "sagelab" / "cloud" / "console" / "static"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("labs/*/*.md"), *ROOT.glob(".github/**/*.md")]
TEXTS = ("*", ".github/**/*", "bench/*", "docs/*", "labs/**/*", "src/**/*", "studio/*", "tests/**/*", "tools/*")
KINDS = {".py", ".md", ".toml", ".yml", ".js", ".css", ".html", ".sh", ".json", ".lock", ".txt", ".svg"}
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "labs.yml").read_text())
JOBS: dict[str, Any] = WORKFLOW["jobs"]
HOOKS = [
    hook
    for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repo["hooks"]
    if repo["repo"] == "local"
]


def commands(job: str) -> str:
    return "\n".join(step.get("run", "") for step in JOBS[job]["steps"])


def texts() -> Iterator[Path]:
    """The text files that people write here."""
    for path in {path for pattern in TEXTS for path in ROOT.glob(pattern)}:
        if path.is_file() and path.suffix in KINDS and "vendor" not in path.parts:
            yield path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    linked = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    dead = [link for link in linked if "://" not in link and not (page.parent / link.partition("#")[0]).exists()]
    assert dead == []


def naming(page: str, heading: str) -> dict[str, list[str]]:
    """What the rows of a page's table say, and the tests that their last column names."""
    table = (ROOT / page).read_text().partition(f"{heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").rpartition(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {said: re.findall(r"`([^`]+)`", tests) for said, _, tests in rows[1:]}


PROMISES = naming("docs/security.md", "## What is promised")
NEARNESS = naming("docs/differences.md", "### How near the built-in algorithms are")


@pytest.mark.parametrize("said", [*PROMISES, *NEARNESS], ids=lambda said: " ".join(said.split()[:7]))
def test_row_of_a_page_names_tests_that_are_there(said: str) -> None:
    paths = [
        f"/{path.relative_to(ROOT)}" for path in (ROOT / "tests").rglob("*") if "__pycache__" not in path.parts
    ]
    named = (PROMISES | NEARNESS)[said]
    found = {name: [path for path in paths if path.endswith(f"/{name}")] for name in named}
    assert found
    assert {name: len(each) for name, each in found.items()} == dict.fromkeys(found, 1)


def test_address_of_the_repository_stands_in_one_place() -> None:
    """And where none is known no page has a badge, which would lead nowhere."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {})
    named = {path.name for path in texts() for url in urls.values() if url in path.read_text()}
    assert named == ({"pyproject.toml"} if urls else set())
    assert urls or not [page.name for page in PAGES if "[![" in page.read_text()]


def test_workflow_gives_each_job_the_rights_that_it_needs() -> None:
    assert WORKFLOW["permissions"] == {}
    rights = [(job, *right) for job, told in JOBS.items() for right in told["permissions"].items()]
    writes = {(job, right) for job, right, level in rights if level != "read"}
    assert writes == {("release", "contents"), ("aws", "id-token")}


def test_workflow_runs_every_test_at_night() -> None:
    assert WORKFLOW[True]["schedule"]  # YAML reads the key `on` as true
    for job, last in (("test", "make test"), ("long", "make test-long")):
        assert "github.event_name == 'schedule'" in JOBS[job]["if"]
        assert commands(job).splitlines()[-1] == last


@pytest.mark.parametrize("job", ["labs", "test"])
def test_workflow_runs_on_every_python_that_the_package_takes(job: str) -> None:
    takes = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
    minors = [f"3.{minor}" for minor in range(8, 30) if takes.contains(f"3.{minor}.0")]
    assert JOBS[job]["strategy"]["matrix"]["python"] == minors


def test_release_waits_for_every_check() -> None:
    assert set(JOBS["release"]["needs"]) == set(JOBS) - {"release", "aws"}
    for job in ("release", "test", "long"):
        assert "startsWith(github.ref, 'refs/tags/v')" in JOBS[job]["if"]
    assert "gh release create" in commands("release")
    assert not [job for job in JOBS if job != "release" and "gh release" in commands(job)]


def test_what_is_checked_before_a_commit_is_here_already() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["language"] for hook in HOOKS} == {"system"}
    programs = {Path(hook["entry"].split()[0]) for hook in HOOKS}
    assert {program.parent for program in programs} == {Path(".venv/bin")}
    installed = Path(sys.executable).parent
    assert [program.name for program in programs if not (installed / program.name).exists()] == []


def test_what_make_lints_is_checked_before_a_commit() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipes = re.findall(r"^(?:lint|types):.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    linters = set(re.findall(r"\$\(BIN\)/(\S+)", "".join(recipes)))
    assert len(recipes) == 2
    assert linters == {Path(hook["entry"].split()[0]).name for hook in HOOKS} - {"python"}


@pytest.mark.parametrize("name", ["fault", "difference", "wish"])
def test_form_of_an_issue_asks_for_what_it_needs(name: str) -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert form["name"]
    assert form["description"]
    fields = form["body"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["type"] in ("textarea", "input") and field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_text_files_are_as_the_editors_configuration_has_them() -> None:
    said = configparser.ConfigParser()
    said.read_string("[DEFAULT]\n" + (ROOT / ".editorconfig").read_text())
    assert said["*"]["trim_trailing_whitespace"] == said["*"]["insert_final_newline"] == "true"
    assert said["*"]["end_of_line"] == "lf"
    wrong = []
    for path in texts():
        content = path.read_bytes()
        if b"\r" in content or (content and not content.endswith(b"\n")) or re.search(rb"[ \t]\n", content):
            wrong.append(str(path.relative_to(ROOT)))
    assert wrong == []


def test_every_module_of_the_console_is_found_and_used() -> None:
    there = {path for path in STATIC.rglob("*.js") if path.name != "uplot.js"}  # a script, which chart.js loads
    written = re.findall(r'Route\("/static/([^"]+)"', (STATIC.parent / "app.py").read_text())
    made = {STATIC / name for name in written}  # by the console's own server, and no files
    used, new = set(), {STATIC / "js" / "console.js", STATIC / "js" / "theme.js"}
    while new:
        module = new.pop()
        used.add(module)
        imported = re.findall(r'(?:from|^import|import\()\s*"(\.[^"]+)"', module.read_text(), re.MULTILINE)
        new |= {(module.parent / name).resolve() for name in imported} - used - made
    assert used == there
