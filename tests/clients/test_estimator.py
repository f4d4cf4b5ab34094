"""Lab 10's estimator.py: sagemaker_pyspark, unmodified, with the Spark and the Java of its time."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sagelab.cloud import control
from tests.clients.conftest import environment
from tests.cloud.jobs import ROLE
from tests.conftest import LocalCloud

SCRIPT = Path(__file__).parents[2] / "labs/10-prepare-at-scale/estimator.py"

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module", autouse=True)
def java() -> None:
    if not (shutil.which("java") and shutil.which("keytool")):
        pytest.skip("there is no Java with its keytool here")
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    if not any(f'"{version}.' in said for version in ("1.8", "11", "17")):
        pytest.skip(f"Spark 3.3 wants a Java of 8, 11 or 17: {said.splitlines()[0]}")


def test_the_estimator_trains_hosts_predicts_and_leaves_nothing(cloud: LocalCloud, tmp_path: Path) -> None:
    python, sagemaker = environment("pyspark") / "bin/python", cloud.client("sagemaker")
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= control.environment(cloud.home, tls=True)
    before = {job["TrainingJobName"] for job in sagemaker.list_training_jobs()["TrainingJobSummaries"]}
    command = [str(python), str(SCRIPT), "--role", ROLE]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert int(done.stdout.split(" of 200 right")[0].rsplit(maxsplit=1)[-1]) > 190
    made = {job["TrainingJobName"] for job in sagemaker.list_training_jobs()["TrainingJobSummaries"]} - before
    ours = [name for name in made if name.startswith("trainingJob-")]
    assert len(ours) == 1, made
    assert sagemaker.describe_training_job(TrainingJobName=ours[0])["TrainingJobStatus"] == "Completed"
    stamp = ours[0].removeprefix("trainingJob-").partition("-")[0]  # all that one fit makes has it
    for listed, call in (
        ("Endpoints", "endpoints"),
        ("EndpointConfigs", "endpoint_configs"),
        ("Models", "models"),
    ):
        assert stamp not in str(getattr(sagemaker, f"list_{call}")()[listed])
