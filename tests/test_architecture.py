"""docs/architecture.md says which way imports point; this reads them."""

from __future__ import annotations

import ast
import functools
from functools import cache
from pathlib import Path

SRC = Path(__file__).parent.parent / "src"
MODULES = sorted(SRC.rglob("*.py"))
LONGEST = 400

DESK = ("desk", "browser")
# Room -> the rooms of the package that it may import from, besides itself.
ALLOWED = {
    "sagelab": {"lab"},
    "prices": set(),
    "catalog": set(),
    "shipped": set(),
    "browser": set(),
    "cli": {"sagelab", "cloud", "cloud.engine", "subprocesses", "notebooks", "neo", "edge", "lab", *DESK},
    "desk": {"cloud", "shipped", "browser"},
    "subprocesses": set(),
    "testing": {"catalog", "redirect"},
    "notebooks": {"cloud", "lab", "shipped"},
    "lab": {"sagelab", "redirect", "prices", "catalog"},
    "edge": {"neo", "lab"},
    "redirect": set(),
    "neo": set(),
    "algorithms": set(),
    "serving": {"neo", "http1", "algorithms"},
    "cloud": {
        "sagelab",
        "catalog",
        "neo",
        "redirect",
        "cloud.gateway",
        "cloud.resources",
        "cloud.engine",
        "cloud.console",
    },
    "cloud.console": {"sagelab", "catalog", "cloud", "prices"},
    "cloud.gateway": {"sagelab", "catalog", "cloud", "cloud.resources", "http1"},
    "cloud.resources": {"sagelab", "catalog", "prices", "cloud", "cloud.engine", "neo", "algorithms"},
    "cloud.engine": {"sagelab", "cloud", "neo", "redirect", "workbench", "relay", "http1", "shipped"},
    "workbench": {"relay"},
    "relay": set(),
    "http1": set(),
}
STARTS_A_CLOUD = {"sagelab.cloud.control", "sagelab.cloud.errors", "sagelab.cloud.home"}  # by lab/session, testing
INSIDE = {"cloud.console", "cloud.gateway", "cloud.resources", "cloud.engine"}
SERVES = {"sagelab.cloud.server", "sagelab.cloud.control", "sagelab.cloud.doctor"}  # above gateway
KNOWS_HTTP = {"http", "urllib.request", "werkzeug", "flask", "moto", "requests"}


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    parts = module.split(".")[1:]
    if not parts:
        return "sagelab"
    inner = ".".join(parts[:2])
    return inner if inner in ALLOWED else parts[0]


@cache
def imports_of(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever it stands."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
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


def climbing(path: Path) -> set[str]:
    """What a module imports of rooms above its own."""
    room = room_of(name_of(path))
    found = {name for name in own(imports_of(path)) if room_of(name) not in {room, *ALLOWED[room]}}
    return found - STARTS_A_CLOUD if room == "testing" or name_of(path) == "sagelab.lab.session" else found


def test_imports_point_down() -> None:
    assert {name_of(path): found for path in MODULES if (found := climbing(path))} == {}


def test_nothing_inside_a_local_cloud_reaches_for_what_serves_it() -> None:
    inside = {path for path in MODULES if room_of(name_of(path)) in INSIDE}
    assert {name_of(path): found for path in inside if (found := SERVES & own(imports_of(path)))} == {}


# A container of SageMaker's hosting contract is asked over HTTP: that is the one place where the engine speaks it.
CONTAINER_CLIENT = "sagelab.cloud.engine.hosting.client"


def test_the_engine_knows_no_http() -> None:
    engine = [path for path in MODULES if room_of(name_of(path)) == "cloud.engine"]
    knowing = [name_of(path) for path in engine if {n.split(".")[0] for n in imports_of(path)} & KNOWS_HTTP]
    assert set(knowing) <= {CONTAINER_CLIENT}


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
    nodes = {name_of(path): ast.walk(parsed(path)) for path in MODULES}
    relative = [
        name for name, found in nodes.items() if any(isinstance(n, ast.ImportFrom) and n.level for n in found)
    ]
    assert relative == []


def test_a_module_fits_a_readers_head() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_a_module_says_why_it_exists() -> None:
    texts = {name_of(path): path.read_text() for path in MODULES}
    assert [name for name, text in texts.items() if text.strip() and not ast.get_docstring(ast.parse(text))] == []


def test_every_module_is_named_in_the_picture_of_the_house() -> None:
    picture = (SRC.parent / "docs" / "architecture.md").read_text()
    assert [name_of(path) for path in MODULES if path.name != "__init__.py" and path.name not in picture] == []


# Why these modules of the engine open paths themselves. Whatever else is below a host's folder goes by trees.py.
OPENS = {
    "data.archives": "an archive that was fetched, which no host sees",
    "data.channels": "what is laid out before a host's code runs",
    "data.trees": "the one way to what a host's code can change",
    "data.workspace": "what is laid out before a host's code runs",
    "hosting.usage": "/proc, the kernel's own",
    "jobs.attempt": "the code that was unpacked, before it runs",
    "notebooks.instance": "pipes in a mounted folder, by O_NOFOLLOW",
    "notebooks.volumes": "what is laid out before an instance's code runs",
}


def test_what_a_host_changes_is_opened_in_one_way() -> None:
    rooms = ("data.", "jobs.", "hosting.", "compilation.", "notebooks.")  # sandbox and images touch no such folder
    touching = {"open", "read_text", "read_bytes", "glob", "rglob", "iterdir", "rmtree", "scandir", "copytree"}
    found: dict[str, set[str]] = {}
    for path in MODULES:
        name = name_of(path).removeprefix("sagelab.cloud.engine.")
        if name.startswith(rooms) and name not in OPENS:
            calls = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
            used = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)} & touching
            if used:
                found[name] = used
    assert found == {}
