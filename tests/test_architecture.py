"""docs/architecture.md says which way imports point; this reads them."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

SRC = Path(__file__).parent.parent / "src"
MODULES = sorted(file for file in SRC.rglob("*.py") if "seed" not in file.parts)  # what projects begin with
LONGEST = 400

DESK = ("desk", "browser")
# Room -> the rooms of the package that it may import from, besides itself.
ALLOWED = {
    "sagelab": {"lab"},
    "prices": set(),
    "kinds": set(),
    "certificates": set(),
    "catalog": {"kinds"},
    "shipped": set(),
    "browser": set(),
    "cli": {"sagelab", "cloud", "cloud.engine", "subprocesses", "notebooks", "neo", "edge", "lab", "k8s", *DESK},
    "k8s": {"sagelab", "cloud", "cloud.engine", "certificates"},
    "kubeflow": set(),
    "desk": {"cloud", "shipped", "browser"},
    "subprocesses": set(),
    "credential_helper": set(),
    "builder": set(),
    "testing": {"catalog", "redirect"},
    "notebooks": {"cloud", "lab", "shipped"},
    "lab": {"sagelab", "redirect", "prices", "catalog"},
    "edge": {"neo", "lab"},
    "redirect": set(),
    "neo": set(),
    "algorithms": {"algorithms.tabular", "algorithms.text", "algorithms.vision"},
    "algorithms.tabular": {"algorithms"},
    "algorithms.text": {"algorithms"},
    "algorithms.vision": {"algorithms"},
    "clarify": {"algorithms", "monitoring"},
    "spark": {"functions"},
    "monitoring": {"algorithms"},
    "frameworks": set(),
    "functions": set(),
    "toolkits": {"algorithms", "serving"},
    "lake": {"functions"},
    "replication": {"functions"},
    "serving": {"neo", "http1", "algorithms"},
    "cloud": {
        "sagelab",
        "certificates",
        "credential_helper",
        "shipped",
        "catalog",
        "neo",
        "redirect",
        "cloud.gateway",
        "cloud.resources",
        "cloud.engine",
        "cloud.console",
    },
    "cloud.console": {"sagelab", "catalog", "cloud", "prices"},
    "cloud.gateway": {"sagelab", "catalog", "cloud", "cloud.resources", "cloud.engine", "http1"},
    "cloud.resources": {
        "sagelab",
        "catalog",
        "prices",
        "cloud",
        "cloud.engine",
        "neo",
        "algorithms",
        "spark",
        "replication",
    },
    "cloud.engine": {
        "functions",
        "sagelab",
        "credential_helper",
        "cloud",
        "algorithms",
        "neo",
        "redirect",
        "workbench",
        "fastfile",
        "relay",
        "http1",
        "shipped",
        "frameworks",
        "prices",
    },
    "workbench": {"relay"},
    "relay": set(),
    "fastfile": set(),
    "http1": set(),
}
STARTS_A_CLOUD = {"sagelab.cloud.control", "sagelab.cloud.errors", "sagelab.cloud.home"}  # by lab/session, testing
INSIDE = {"cloud.console", "cloud.gateway", "cloud.resources", "cloud.engine"}
SERVES = {"sagelab.cloud.server", "sagelab.cloud.control", "sagelab.cloud.doctor"}  # above gateway
KNOWS_HTTP = {"http", "urllib.request", "werkzeug", "flask", "moto", "requests"}


@cache
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
    return set[str]().union(*map(imported, ast.walk(parsed(path))))


def imported(node: ast.AST) -> set[str]:
    """The modules that a statement imports, if it is one that does."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        names = {f"{node.module}.{alias.name}" for alias in node.names}
        return {name if is_module(name) else node.module for name in names}
    return set()


def imported_first(body: list[ast.stmt]) -> set[str]:
    """The modules that are imported before these statements have run: not in functions, nor for types alone."""
    found = set[str]()
    for node in body:
        found |= imported(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "TYPE_CHECKING" not in heading(node):
            found |= imported_first([*getattr(node, "body", ()), *getattr(node, "orelse", ())])
    return found


def heading(node: ast.stmt) -> str:
    return ast.unparse(node.test) if isinstance(node, ast.If) else ""


@cache
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


def test_no_module_is_imported_by_what_it_imports() -> None:
    needed = {name_of(path): own(imported_first(parsed(path).body)) - {name_of(path)} for path in MODULES}
    TopologicalSorter(needed).prepare()  # CycleError names the circle


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
    full = [path for path in MODULES if path.read_text().strip()]
    assert [name_of(path) for path in full if not ast.get_docstring(parsed(path))] == []


def test_every_module_is_named_in_the_picture_of_the_house() -> None:
    picture = (SRC.parent / "docs" / "architecture.md").read_text()
    assert [name_of(path) for path in MODULES if path.name != "__init__.py" and path.name not in picture] == []


# Why these open paths themselves: modules of the engine, or functions of one. What is below a host's folder, and
# may have been changed by its code, goes by trees.py.
BEFORE, WITHIN = "laid out before a host's code runs", "runs inside of a host, or looks at /proc"
OPENS = {
    "builds.run.BuildRun.work": BEFORE,
    "compilation.run.CompilationRun._download": BEFORE,
    "compilation.run.CompilationRun._prepare": BEFORE,
    "compilation.run.CompilationRun._lend_emulator": BEFORE,
    "data.archives.unpack": BEFORE,
    "data.archives._open": "an archive that was fetched, which no host sees",
    "data.archives.pack": "into a file that is open",
    "data.archives._write": "the time of a file that is open",
    "data.channels.download_archive": "a scratch file that no host sees",
    "data.channels.download": BEFORE,
    "data.checkpoints.CheckpointFolder.fill": BEFORE,
    "data.encrypted": "what is encrypted of a volume, which no host sees, and where one is seen, before it runs",
    "data.pipes.fill": BEFORE,
    "data.pipes._unzip": BEFORE,
    "data.pipes._write_manifest": BEFORE,
    "data.trees": "the one way to what a host's code can change",
    "data.workspace": BEFORE,
    "functions.environment.Environment._mounts": "the names of what was unpacked, which a host sees read-only",
    "functions.packages": "zip files, which no host sees, and what is unpacked of them: a host sees it read-only",
    "hosting.containers": "the model that was unpacked, before it runs",
    "hosting.environment.Fetched.lay_out": "what was fetched, which no host sees, into a folder that none has yet",
    "hosting.server.Server.fetch": BEFORE,
    "hosting.usage": WITHIN,
    "images.environments": "what `sagelab image pull` makes; a host sees it read-only",
    "images.neo.accounts": "a table of the package's own",
    "images.own": "copies of the user's folders; a host sees them read-only",
    "images.registry._table": "a table of the package's own",
    "images.runtimes._replaces_packages": "this environment's packages",
    "jobs.attempt.Attempt.choose_runtime": "the code that was unpacked, before it runs",
    "jobs.script.ScriptRun.write_config": BEFORE,
    "jobs.processing.ProcessingRun._download": BEFORE,
    "jobs.processing.ProcessingRun._write_config": BEFORE,
    "jobs.processing.ProcessingRun._code": BEFORE,
    "notebooks.instance.NotebookInstance._lay_out": BEFORE,
    "notebooks.instance.NotebookInstance._follow_script": BEFORE,
    "notebooks.instance.NotebookInstance._close_streams": "pipes in a mounted folder, by O_NOFOLLOW",
    "notebooks.instance._write_command": BEFORE,
    "notebooks.volumes": BEFORE,
    "repositories.git.Repository.make": "a folder of the home that no host sees",
    **dict.fromkeys(
        (f"sandbox.{name}" for name in ("cgroups", "fork_server", "init", "interpreter", "limits")), WITHIN
    ),
    **dict.fromkeys(
        (f"sandbox.{name}" for name in ("links", "namespaces", "privileges", "probes", "processes")), WITHIN
    ),
    **dict.fromkeys((f"sandbox.{name}" for name in ("legacy_keras", "warmth", "without_tensorflow")), WITHIN),
    "streams.file": "records in a database of the home, which no host sees",
    "projects.template.seed": "the code that a project begins with, which is the package's own",
    "data.fastfiles": "what lies beside the /opt/ml of a host, which no host sees but by FUSE",
    "data.feeds._reopen": "a pipe, by a descriptor of itself",
    "filesystems.shares.Shares": "what lies beside the files, which no host sees; the folder of one that is new",
    "jobs.bandwidth.table": "a table, which is the package's own",
    "sandbox.network.Ways._dial_cloud": "a connection of the loopback",
    "sandbox.internet": "the user's certificates; a probe of an address",
    "sandbox.launcher.Launcher": "the names of what is left of other jobs; folders that are new",
    "sandbox.launcher._write_commands": BEFORE,
    "sandbox.launcher._write_command": BEFORE,
    "sandbox.launcher.without_namespaces": BEFORE,
    "sandbox.layer": BEFORE,
    "sandbox.tunnels": "a device, and a /run that is its keeper's own; no host sees either",
    "sandbox.warm.ForkServer.__init__": "the local cloud's own log",
    "cloud.home.Home.clear": "the names in the home itself",
}
OF_PATHS = {
    *("read_text", "read_bytes", "write_text", "write_bytes", "glob", "rglob", "iterdir", "mkdir", "makedirs"),
    *("rmtree", "rmdir", "unlink", "rename", "renames", "chmod", "touch", "exists", "is_file", "is_dir", "stat"),
    *("lstat", "resolve", "samefile", "scandir", "listdir", "fwalk", "copytree", "copyfile", "copy2", "move"),
    *("symlink_to", "hardlink_to", "readlink", "symlink", "link", "mkfifo", "mknod", "truncate", "utime", "chown"),
    *("extract", "extractall", "connect", "bind", "NamedTemporaryFile", "mkstemp", "mkdtemp", "make_archive"),
}
OF_MODULES = {"walk", "open", "replace", "remove", "copy"}  # a Tree has methods of these names


def takes_a_path(call: ast.Call) -> bool:
    """Whether a call goes somewhere by a path, and not from an open folder on."""
    if {"dir_fd", "src_dir_fd"} & {keyword.arg for keyword in call.keywords}:
        return False
    if isinstance(call.func, ast.Name):
        return call.func.id == "open"
    if not isinstance(call.func, ast.Attribute):
        return False
    name, of = call.func.attr, call.func.value
    if name in OF_MODULES and isinstance(of, ast.Name) and of.id in {"os", "shutil", "io", "tarfile", "zipfile"}:
        return True
    mode = ast.unparse(call.args[0])[1:-1] if call.args else "r"
    opens = name == "open" and not call.keywords and not set(mode) - set("rwabx+t")
    return name in OF_PATHS or opens or (name == "replace" and len(call.args) == 1)


def going_by_path(text: ast.Module, module: str) -> set[str]:
    """The functions of a module that do."""
    found = set[str]()

    def look(node: ast.AST, scope: str) -> None:
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            inner = f"{scope}.{child.name}" if named else scope  # type: ignore[attr-defined]
            if isinstance(child, ast.Call) and takes_a_path(child):
                found.add(scope)
            look(child, inner)

    look(text, module)
    return found


def test_what_a_host_changes_is_opened_in_one_way() -> None:
    engine = [path for path in MODULES if room_of(name_of(path)) == "cloud.engine"]
    found = set[str]()
    for path in engine:
        found |= going_by_path(parsed(path), name_of(path).removeprefix("sagelab.cloud.engine."))
    home = going_by_path(parsed(SRC / "sagelab/cloud/home.py"), "cloud.home")
    found |= {name for name in home if name.endswith((".clear", ".disk"))}  # of all that is in it
    excused = {one: {name for name in found if f"{name}.".startswith(f"{one}.")} for one in OPENS}
    assert found - set().union(*excused.values()) == set()
    assert [one for one, names in excused.items() if not names] == []


def test_other_ways_to_a_path_would_be_seen() -> None:
    ways = """
def a(): open(host / "run/file")
def b(): (self.folder / "run/http.sock").unlink(missing_ok=True)
def c(): [file for file in os.walk(home)]
def d(): shutil.rmtree(folder)
def e(): (folder / "x").open("rb")
def f(): os.open(folder / "x", os.O_RDONLY)
def g(): draft.replace(folder / "role.json")
def h(): tarfile.open(folder / "model.tar.gz")
def i(): folder.rglob("*")
def j(): connection.connect(str(folder / "run/jupyter.sock"))
def k(): (folder / "x").write_text("text")
def l(): os.path.exists(folder)
def m(): Path(folder).open()
def fine():
    tree.open(entry.name); tree.walk(); tree.replace("name", b""); tree.copy("name", version, out)
    os.open("name", flags, dir_fd=folder); text.replace("a", "b"); replace(host, env={})
"""
    assert going_by_path(ast.parse(ways), "jobs.new") == {f"jobs.new.{letter}" for letter in "abcdefghijklm"}
