"""State machines that query and compute: Athena's and EMR's tasks, waited for, failing and stopped."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud.builds import make_role
from tests.cloud.emr import Emr, shell
from tests.cloud.gateway.moto.test_state_machines import Machines, task
from tests.cloud.glue import Glue
from tests.cloud.lake import Lake
from tests.conftest import LocalCloud
from tests.waiting import until


@pytest.fixture(scope="module")
def machines(cloud: LocalCloud) -> Machines:
    return Machines(cloud, make_role(cloud, "states"))


@pytest.fixture(scope="module")
def emr(cloud: LocalCloud) -> Iterator[Emr]:
    made = Emr(cloud)
    yield made
    made.end()


def query(lake: Lake, sql: str) -> dict[str, Any]:
    where = {"OutputLocation": lake.uri("results/")}
    return task("athena:startQueryExecution.sync", {"QueryString": sql, "ResultConfiguration": where})


def test_a_query_is_waited_for_and_its_rows_are_read(machines: Machines, cloud: LocalCloud) -> None:
    lake = Lake(cloud)
    asked = query(lake, "SELECT 41 + 1 AS n") | {"Next": "Rows"}
    asked.pop("End", None)
    key = {"QueryExecutionId.$": "$.QueryExecution.QueryExecutionId"}
    found = machines.output({"Ask": asked, "Rows": task("athena:getQueryResults", key)})
    assert found["ResultSet"]["Rows"][1]["Data"] == [{"VarCharValue": "42"}]
    failed = machines.run({"Ask": query(lake, "SELECT nothing FROM nowhere")})
    assert (failed["status"], failed["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(failed["cause"])["Status"]["State"] == "FAILED"
    refused = machines.run({"Ask": task("athena:startQueryExecution", {"QueryString": "SELECT 1"})})
    assert refused["error"] == "Athena.InvalidRequestException"


def test_a_cluster_is_made_used_and_ended(machines: Machines, emr: Emr) -> None:
    cluster = {"ClusterId.$": "$.made.ClusterId"}
    states = {
        "Make": task("elasticmapreduce:createCluster.sync", emr.asked(), ResultPath="$.made"),
        "Step": task("elasticmapreduce:addStep.sync", cluster | {"Step": shell("true")}, ResultPath="$.step"),
        "Fails": task("elasticmapreduce:addStep.sync", cluster | {"Step": shell("exit 4")}, ResultPath="$.bad"),
        "End": task("elasticmapreduce:terminateCluster.sync", cluster, ResultPath="$.end"),
    }
    names = list(states)
    for name, after in itertools.pairwise(names):
        states[name].pop("End", None)
        states[name]["Next"] = after
    states["End"]["End"] = True
    states["Fails"]["Catch"] = [{"ErrorEquals": ["States.TaskFailed"], "Next": "End", "ResultPath": "$.caught"}]
    found = machines.output(states)
    emr.made.append(found["made"]["ClusterId"])
    assert found["step"]["Step"]["Status"]["State"] == "COMPLETED"
    assert json.loads(found["caught"]["Cause"])["Status"]["State"] == "FAILED"
    assert found["end"]["Cluster"]["Status"]["State"] == "TERMINATED"


def test_a_stopped_execution_cancels_its_step(machines: Machines, emr: Emr) -> None:
    cluster = emr.run()
    asked = {"ClusterId": cluster, "Step": shell("sleep 600")}
    execution = machines.start(machines.make({"Run": task("elasticmapreduce:addStep.sync", asked)}))
    steps = lambda: emr.api.list_steps(ClusterId=cluster)["Steps"]  # noqa: E731
    until(steps, lambda found: bool(found) and found[0]["Status"]["State"] == "RUNNING")
    machines.client.stop_execution(executionArn=execution)
    until(steps, lambda found: found[0]["Status"]["State"] in ("CANCELLED", "FAILED"))


def test_a_job_of_glue_is_waited_for_fails_and_is_stopped_with_its_execution(
    machines: Machines, cloud: LocalCloud
) -> None:
    glue = Glue(cloud)
    good, bad, long = (
        glue.make(each) for each in ("print(1)", "raise SystemExit('no')", "__import__('time').sleep(900)")
    )
    found = machines.output({"Run": task("glue:startJobRun.sync", {"JobName": good})})
    assert (found["JobName"], found["JobRunState"]) == (good, "SUCCEEDED")
    failed = machines.run({"Run": task("glue:startJobRun.sync", {"JobName": bad})})
    assert (failed["error"], json.loads(failed["cause"])["ErrorMessage"]) == ("States.TaskFailed", "no")
    refused = machines.run({"Run": task("glue:startJobRun", {"JobName": "none"})})
    assert refused["error"] == "Glue.EntityNotFoundException"
    execution = machines.start(machines.make({"Run": task("glue:startJobRun.sync", {"JobName": long})}))
    runs = lambda: glue.api.get_job_runs(JobName=long)["JobRuns"]  # noqa: E731
    until(runs, lambda found: bool(found) and found[0]["JobRunState"] == "RUNNING")
    machines.client.stop_execution(executionArn=execution)
    until(runs, lambda found: found[0]["JobRunState"] == "STOPPED")
