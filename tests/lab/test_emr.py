"""A cluster without Spark: what a lab does with clusters, and what is left of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagelab.lab import cleanup, elsewhere, emr, security, spending, spot
from sagelab.lab.session import Lab
from tests.waiting import until


def shell(command: str) -> dict[str, Any]:
    jar = {"Jar": "command-runner.jar", "Args": ["bash", "-c", command]}
    return {"Name": "shell", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}


def attempt(stage: int, part: int, host: str, times: tuple[int, int], reason: str = "Success") -> dict[str, Any]:
    info = {"Index": part, "Host": host, "Launch Time": times[0], "Finish Time": times[1]}
    end = {"Reason": reason}
    return {"Event": "SparkListenerTaskEnd", "Stage ID": stage, "Task Info": info, "Task End Reason": end}


def asked(lab: Lab) -> dict[str, Any]:
    service = security.role(lab, "emr", services=["elasticmapreduce"])
    for _ in range(2):
        node = emr.profile(lab, security.role(lab, "node", services=["ec2"]))
    groups = [("MASTER", "ON_DEMAND"), ("CORE", "ON_DEMAND"), ("TASK", "SPOT")]
    instances = [
        {"InstanceRole": role, "InstanceCount": 1, "Market": market, "InstanceType": "m5.xlarge"}
        for role, market in groups
    ]
    return {
        "Name": lab.name,
        "ReleaseLabel": "emr-7.5.0",
        "ServiceRole": service,
        "JobFlowRole": node,
        "Instances": {"InstanceGroups": instances, "KeepJobFlowAliveWhenNoSteps": True},
        "Tags": [*lab.tags, *spot.tags(rate=0, wait=600)],
    }


def test_a_cluster_is_followed_used_and_found_as_left(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    request = asked(lab)
    cluster = emr.start(lab, request)
    assert 'lab.client("emr").run_job_flow(' in capsys.readouterr().out
    found = emr.wait_ready(lab, cluster, 3)
    assert list(found["role"]) == ["core", "master", "task"]
    api: Any = lab.client("emr")
    good, bad = api.add_job_flow_steps(JobFlowId=cluster, Steps=[shell("true"), shell("exit 3")])["StepIds"]
    assert emr.follow(lab, cluster, good)["State"] == "COMPLETED"
    with pytest.raises(emr.StepFailed, match="FAILED"):
        emr.follow(lab, cluster, bad)
    with pytest.raises(emr.StepFailed, match="has FAILED before a task node"):
        emr.begun(lab, cluster, bad, lab.uri("notes"))
    task = found.set_index("role").loc["task"]
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/notes/began/0/{task['name']}", Body=b"")
    assert emr.begun(lab, cluster, bad, lab.uri("notes"))["id"] == task["id"]
    emr.take_away(lab, cluster, task["id"])
    states = emr.nodes(lab, cluster).set_index("id")["state"]
    assert states[task["id"]] == "TERMINATED"
    check_tasks(lab, cluster, task["address"])
    assert ("EMR cluster", cluster) in list(elsewhere.left(lab))
    assert f"removed EMR cluster {cluster}" in cleanup.clean(lab)
    security.remove(lab)
    assert not list(elsewhere.left(lab))


def test_an_application_of_emr_serverless_is_found_as_left(lab: Lab) -> None:
    api: Any = lab.client("emr-serverless")
    tag = {lab.tags[0]["Key"]: lab.tags[0]["Value"]}
    asked = {"releaseLabel": "emr-7.5.0", "type": "SPARK"}
    mine, other = (
        api.create_application(name=lab.name, **asked, tags=tags)["applicationId"] for tags in (tag, {"a": "b"})
    )
    until(lambda: states(api, mine, other), lambda found: found == ["CREATED"] * 2)
    for key in (mine, other):
        api.start_application(applicationId=key)
    until(lambda: states(api, mine, other), lambda found: found == ["STARTED"] * 2)
    assert list(elsewhere.left(lab)) == [("EMR Serverless application", mine)]
    assert f"removed EMR Serverless application {mine}" in list(elsewhere.remove(lab))
    assert states(api, mine, other) == ["TERMINATED", "STARTED"]
    assert not list(elsewhere.left(lab))


def states(api: Any, *keys: str) -> list[str]:
    return [api.get_application(applicationId=key)["application"]["state"] for key in keys]


def check_tasks(lab: Lab, cluster: str, lost: str) -> None:
    """What is read of a log: a task that was lost with its node, and done again elsewhere."""
    events = [
        {"Event": "SparkListenerApplicationStart"},
        attempt(0, 0, "10.9.9.9", (1000, 2000)),
        attempt(0, 1, lost, (1000, 3000), "ExecutorLostFailure"),
        attempt(0, 1, "10.9.9.9", (3000, 5000)),
    ]
    body = "\n".join(map(json.dumps, events)).encode()
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{lab.prefix}/events/app-1", Body=body)
    table = emr.tasks(lab, lab.uri("events"), cluster)
    assert list(table["fate"]) == ["done", "lost", "done again"]
    assert list(table["node"]) == ["10.9.9.9", f"task {lost}", "10.9.9.9"]
    assert list(table["end"]) == [1, 2, 4]
    assert emr.show_tasks(table).alt == "Tasks on 2 nodes over time: 1 done, 1 lost, 1 done again"


def test_a_cluster_says_its_price_before_it_is_made() -> None:
    groups = [{"InstanceType": "m5.xlarge", "InstanceCount": 2}]
    found = spending.uses_of("RunJobFlow", {"Instances": {"InstanceGroups": groups}}, lambda *_: {})
    (told,) = map(str, found)
    assert told == "2 x m5.xlarge, $0.38 an hour, until the cluster ends, and EMR's own fee beside"
