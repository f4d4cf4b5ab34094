"""What stands for Spark's image in a test's home, without Spark: a `java` that runs a script with Python.

So tests see all of a run's life but Spark itself, and need no download.
"""

from __future__ import annotations

from pathlib import Path

from sagelab.cloud.engine.images.environments import SPARK, Environments, _fingerprint
from sagelab.cloud.home import Home
from sagelab.spark import build

# Its words are spark-submit's: options up to the script, then what the script is given.
JAVA = """\
#!/bin/bash
while [ "$1" != org.apache.spark.deploy.SparkSubmit ]; do shift; done
shift
while [[ "$1" == --* ]]; do
    case "$1" in
        --no-such-option) echo "Error: Unrecognized option: $1" >&2; exit 1;;
        --*) echo "option $1 $2" >&2; shift 2;;
    esac
done
exec python3 "$@"
"""


def lay(home: Home) -> None:
    """Make it look pulled."""
    packages = Environments(home.environments).packages(SPARK)
    assert packages is not None
    for folder in ("pyspark/sql", "pyspark/jars", f"{build.FOLDER}/java/bin"):
        (packages / folder).mkdir(parents=True)
    for module in ("pyspark", "pyspark/sql"):
        (packages / module / "__init__.py").touch()
    java = build.java_home(packages) / "bin/java"
    java.write_text(JAVA)
    java.chmod(0o755)
    (packages / build.FOLDER / "java-options").write_text("-Dnone=1")
    build.jar(packages).with_suffix(".made").touch()
    Path(packages.parent, "made").write_text(_fingerprint(SPARK))
