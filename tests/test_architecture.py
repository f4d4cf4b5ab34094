"""docs/architecture.md says which way imports point; this reads them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src"
MODULES = sorted(SRC.rglob("*.py"))
LONGEST = 400

# Room -> the rooms of the package that it may import from, besides itself.
ALLOWED = {
    "sagelab": {"lab"},
    "prices": set(),
    "cli": {"sagelab", "cloud", "subprocesses", "notebooks", "neo", "edge", "lab"},
    "subprocesses": set(),
    "testing": {"redirect"},
    "notebooks": {"cloud", "lab"},
    "lab": {"sagelab", "redirect", "prices"},
    "edge": {"neo", "lab"},
    "redirect": set(),
    "neo": set(),
    "serving": {"neo"},
    "cloud": {"sagelab", "neo", "redirect", "cloud.gateway", "cloud.resources", "cloud.engine", "cloud.console"},
    "cloud.console": {"sagelab", "cloud", "prices"},
    "cloud.gateway": {"sagelab", "cloud", "cloud.resources"},
    "cloud.resources": {"sagelab", "prices", "cloud", "cloud.engine", "neo"},
    "cloud.engine": {"sagelab", "cloud", "neo", "redirect", "workbench", "relay"},
    "workbench": {"relay"},
    "relay": set(),
}
STARTS_A_CLOUD = {"sagelab.cloud.control", "sagelab.cloud.errors", "sagelab.cloud.home"}  # by lab/session, testing
SERVES = {"sagelab.cloud.server", "sagelab.cloud.control", "sagelab.cloud.doctor"}  # above gateway
KNOWS_HTTP = {"http", "urllib.request", "werkzeug", "flask", "moto", "requests"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    parts = module.split(".")[1:]
    if not parts:
        return "sagelab"
    inner = ".".join(parts[:2])
    return inner if inner in ALLOWED else parts[0]


def imports_of(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever it stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if is_module(name) else node.module for name in names}
    return found


def is_module(name: str) -> bool:
    path = SRC.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def own(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] == "sagelab"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    room = room_of(name_of(path))
    climbing = {name for name in own(imports_of(path)) if room_of(name) not in {room, *ALLOWED[room]}}
    if name_of(path) == "sagelab.lab.session" or room == "testing":
        climbing -= STARTS_A_CLOUD
    assert climbing == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_inside_a_local_cloud_reaches_for_what_serves_it(path: Path) -> None:
    if room_of(name_of(path)) in ("cloud.console", "cloud.gateway", "cloud.resources", "cloud.engine"):
        assert not SERVES & own(imports_of(path))


# A container of SageMaker's hosting contract is asked over HTTP: that is the one place where the engine speaks it.
CONTAINER_CLIENT = "sagelab.cloud.engine.hosting.client"


def test_the_engine_knows_no_http() -> None:
    for path in MODULES:
        if room_of(name_of(path)) == "cloud.engine" and name_of(path) != CONTAINER_CLIENT:
            assert not {name.split(".")[0] for name in imports_of(path)} & KNOWS_HTTP, path


def test_one_package_imports_moto() -> None:
    importers = {name_of(path) for path in MODULES if any(n.split(".")[0] == "moto" for n in imports_of(path))}
    assert importers
    assert {name for name in importers if not name.startswith("sagelab.cloud.gateway.moto.")} == set()


def test_the_redirect_stands_alone() -> None:
    path = SRC / "sagelab" / "redirect" / "sitecustomize.py"
    assert {name.split(".")[0] for name in imports_of(path)} <= {
        "__future__",
        "importlib",
        "os",
        "sys",
        "types",
        "typing",
        "urllib",
    }


def test_relative_imports_are_not_used() -> None:
    for path in MODULES:
        nodes = ast.walk(ast.parse(path.read_text()))
        assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level], path


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_fits_a_readers_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_why_it_exists(path: Path) -> None:
    if path.read_text().strip():
        assert ast.get_docstring(ast.parse(path.read_text()))
