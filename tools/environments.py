"""The environments of other clients: what cannot live beside this project's own packages, to be tested against it.

    python tools/environments.py v2       the SageMaker Python SDK v2
    python tools/environments.py cli      the AWS CLI
    python tools/environments.py kubernetes   the official Python client of Kubernetes
    python tools/environments.py airflow  Airflow and its operators for AWS
    python tools/environments.py wrangler AWS SDK for pandas
    python tools/environments.py pyspark  Spark 3.3 and sagemaker_pyspark

Each is made once from its lock file in tests/clients, below .clients, and its folder is printed. Only what the
client imports is compiled to bytecode. Exit code 3: it cannot be made here, for instance without a network.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from setup import ROOT, surroundings

LOCKS = ROOT / "tests" / "clients"
FOLDER = ROOT / ".clients"
# What a client imports when it works: run once with bytecode written.
STARTS = {
    "v2": "import sagemaker, sagemaker.tensorflow, sagemaker.tuner, sagemaker.sklearn, sagemaker.analytics",
    "cli": "import awscli.clidriver; awscli.clidriver.main(['s3', 'help-nothing'])",
    "airflow": "import airflow.providers.amazon.aws.operators.sagemaker",
    "wrangler": "import awswrangler",
    "pyspark": "import pyspark.ml, sagemaker_pyspark",
    "kubernetes": "import kubernetes.client, kubernetes.config, kubernetes.dynamic, kubernetes.watch",
}
IMPOSSIBLE = 3


def main() -> None:
    """Print the folder of an environment; make it first if there is none."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in STARTS:
        sys.exit(f"name one of {', '.join(STARTS)}")
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        print(make(name))


def make(name: str) -> Path:
    """The folder of an environment that stands as its lock file and this Python ask for."""
    lock, folder = LOCKS / f"{name}.lock", FOLDER / name
    stamp = folder / "made"
    asked = hashlib.sha256(lock.read_bytes() + f"{sys.version} {folder}".encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == asked:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        fail("there is no uv; make setup brings it")
    python = folder / "bin" / "python"
    run(str(uv), "venv", "--quiet", "--python", sys.executable, str(folder))
    run(str(uv), "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(lock))
    run(str(python), "-W", "ignore", "-c", STARTS[name], check=False)
    stamp.write_text(asked)
    return folder


def run(*command: str, check: bool = True) -> None:
    """Run a step; where it must succeed and does not, its words are the reason that is given."""
    env = {key: value for key, value in surroundings().items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and done.returncode:
        fail(done.stdout.strip())


def fail(reason: str) -> None:
    """End with the reason why the environment cannot be made."""
    print(reason, file=sys.stderr)
    sys.exit(IMPOSSIBLE)


if __name__ == "__main__":
    main()
