"""Spark's Java programs: with which words they are started, and in which surroundings."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sagelab.spark import build
from sagelab.spark.configuration import Configuration
from sagelab.spark.kinesis import names

# By its place: to import it takes longer than all else here.
HOME = Path(str(getattr(find_spec("pyspark"), "origin", ""))).parent
PACKAGES = HOME.parent
SCHEMES = ("s3a", "s3", "s3n")
DAEMON_MEMORY = "-Xmx256m"
# A Java that runs no task has nothing to gain from code that takes long to compile.
DAEMON = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
PATIENCE = "300s"  # with an answer of another host: AWS's, of a machine that is busy
# What PySpark says of a pandas that is newer than it, which nobody can change here.
OF_PANDAS = "ignore:PySpark does not yet fully support pandas:FutureWarning"
# The console's progress bar would fill a log; a page of each application's own has nobody to see it.
QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.eventLog.rolling.enabled": "false",
    "spark.eventLog.compress": "false",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.rpc.askTimeout": PATIENCE,
}


def storage() -> dict[str, str]:
    """The project's own file system behind S3's schemes, and a committer that copies nothing."""
    found = {
        "spark.executor.extraClassPath": build.classes(PACKAGES),
        "spark.executor.defaultJavaOptions": " ".join(build.remembered(PACKAGES)),
        "spark.hadoop.fs.sagelab.buffer.dir": tempfile.gettempdir(),
    }
    for scheme in SCHEMES:
        found[f"spark.hadoop.fs.{scheme}.impl"] = "sagelab.s3.S3FileSystem"
        found[f"spark.hadoop.fs.AbstractFileSystem.{scheme}.impl"] = "sagelab.s3.S3Context"
        factory = f"spark.hadoop.mapreduce.outputcommitter.factory.scheme.{scheme}"
        found[factory] = "sagelab.s3.CommitterFactory"
    return found | {
        "spark.sql.parquet.output.committer.class": "sagelab.s3.Committer",
        "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
        "spark.hadoop.fs.s3a.multipart.size": "16M",
    }


@dataclass(frozen=True)
class Settings:
    """What Spark is told. defaults: properties. folder: of its configuration. environment: of its programs."""

    defaults: dict[str, str]
    folder: Path
    environment: dict[str, str]


def settle(own: Mapping[str, str], user: Configuration, address: str) -> Settings:
    """Write the files of configuration. own: properties before the user's. address: of this host."""
    folder = Path(tempfile.mkdtemp(prefix="spark-conf-"))
    defaults = storage() | QUIET | dict(own) | user.defaults
    for name, text in user.files.items():
        (folder / name).write_text(text)
    lines = [f"{name} {value}\n" for name, value in defaults.items()]
    (folder / "spark-defaults.conf").write_text("".join(lines))
    python, formats = Path(sys.prefix, "bin/python3"), names.write(folder / "formats")
    # A home with its jars alone: Spark would have every Python read its packages from an archive in the other.
    (folder / "home").mkdir()
    (folder / "home/jars").symlink_to(HOME / "jars")
    environment = {
        "SPARK_HOME": str(folder / "home"),
        "SPARK_SCALA_VERSION": build.SCALA,
        "SPARK_CONF_DIR": str(folder),
        "JAVA_HOME": str(build.java_home(PACKAGES)),
        "SPARK_LOCAL_IP": address,
        "PYSPARK_PYTHON": str(python) if python.exists() else sys.executable,
        "PYSPARK_DRIVER_PYTHON": "python3",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": ":".join(filter(None, (str(formats), os.environ.get("PYTHONPATH")))),
        "HADOOP_CONF_DIR": str(folder),
        "PYTHONWARNINGS": ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), OF_PANDAS))),
    }
    return Settings(defaults, folder, {**os.environ, **environment, **user.environment})


def command(settings: Settings, memory: str, main: str, *words: str, extra: tuple[str, ...] = ()) -> list[str]:
    """Of one Java program. memory: an option of Java's. main: the class."""
    users = settings.defaults.get("spark.driver.extraClassPath", "")
    classes = ":".join(filter(None, [users, build.classes(PACKAGES), str(settings.folder)]))
    java = str(build.java_home(PACKAGES) / "bin/java")
    own = [*build.options(PACKAGES), *build.remembered(PACKAGES), memory, "-XX:-UsePerfData"]
    return [java, *own, *extra, "-cp", classes, main, *words]


def driver(settings: Settings, master: str, words: list[str]) -> list[str]:
    """What `spark-submit` runs. words: its own, from behind the name."""
    defaults = settings.defaults
    names = ("spark.driver.defaultJavaOptions", "spark.driver.extraJavaOptions")
    extra = [word for name in names for word in shlex.split(defaults.get(name, ""))]
    memory = f"-Xmx{defaults.get('spark.driver.memory', '1g')}"
    place = ["--properties-file", str(settings.folder / "spark-defaults.conf")]
    main = "org.apache.spark.deploy.SparkSubmit"
    return command(settings, memory, main, *place, "--master", master, *words, extra=tuple(extra))
