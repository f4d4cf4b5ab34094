"""Spark's processors in the SageMaker Python SDK v2 and v3, unmodified."""

from __future__ import annotations

import sys

import pytest

from sagelab.cloud.engine.images.environments import SPARK, Environments
from tests.clients.conftest import SCRIPTS, Ran, Run
from tests.conftest import LocalCloud

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]  # its packages are pulled first, 600 MB

COUNTED = "counted [('be', 2), ('not', 1), ('or', 1), ('to', 2)]"


@pytest.fixture(scope="module", autouse=True)
def pulled(cloud: LocalCloud) -> None:
    Environments(cloud.home.environments).pull(SPARK)


@pytest.fixture(scope="module")
def v2_ran(run: Run, v2: str) -> Ran:
    return run(v2, "-W", "ignore", str(SCRIPTS / "spark_v2.py"), cwd=SCRIPTS)


def test_a_script_of_v2_has_its_module_configuration_and_event_log(v2_ran: Ran) -> None:
    assert v2_ran.code == 0, v2_ran.out[-3000:] + v2_ran.err[-3000:]
    assert COUNTED in v2_ran.out
    assert "partitions 2" in v2_ran.out
    assert "events 1" in v2_ran.out.splitlines()


def test_a_jar_without_its_class_fails_the_job_of_v2(v2_ran: Ran) -> None:
    assert "jar UnexpectedStatusException" in v2_ran.out
    (message,) = [line for line in v2_ran.out.splitlines() if line.startswith("message ")]
    assert message.startswith(
        "message Algorithm Error: (caused by CalledProcessError): spark failed with a non-zero exit code: Command"
    )


def test_a_script_of_v3_runs_on_two_hosts(run: Run) -> None:
    ran = run(sys.executable, "-W", "ignore", str(SCRIPTS / "spark_v3.py"), cwd=SCRIPTS)
    assert ran.code == 0, ran.out[-3000:] + ran.err[-3000:]
    assert COUNTED in ran.out
