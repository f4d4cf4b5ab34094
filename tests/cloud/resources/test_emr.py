"""EMR's clusters without Spark: their life, their steps, their instances, and what becomes of each at an end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from operator import eq
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelab.cloud import clock
from sagelab.cloud.engine.jobs.market import INTERRUPT, NOW
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.builds import make_role
from tests.cloud.emr import Emr, group, shell, step
from tests.cloud.kills import kill
from tests.conftest import LocalCloud
from tests.waiting import until

WHO = 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])'
CALM = [{"Key": "sagelab:spot-rate", "Value": "0"}, {"Key": "sagelab:spot-wait", "Value": "0"}]


@pytest.fixture(scope="module")
def emr(cloud: LocalCloud) -> Iterator[Emr]:
    made = Emr(cloud)
    yield made
    made.end()


@pytest.fixture(scope="module")
def waiting(emr: Emr) -> str:
    """A cluster of a master and one task instance on spot, that waits for steps."""
    core, task = group("CORE"), group("TASK", Market="SPOT", BidPrice="1.0")
    cluster = emr.run(group("MASTER"), core, task, Tags=CALM)
    assert emr.wait(cluster, "WAITING")["Status"]["StateChangeReason"] == {
        "Message": "Cluster ready to run steps."
    }
    until(lambda: emr.running(cluster), lambda found: len(found) == 3)
    return cluster


def code(refused: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_cluster_runs_its_steps_in_order_and_ends_with_them(emr: Emr) -> None:
    script = emr.put("boot.sh", "#!/bin/bash\necho booted with $1; echo $1 > /tmp/booted\n")
    run = emr.put("script.sh", "#!/bin/bash\necho script $1\n")
    action = {"Name": "boot", "ScriptBootstrapAction": {"Path": script, "Args": ["one"]}}
    runner = {"Jar": "s3://us-east-1.elasticmapreduce/libs/script-runner/script-runner.jar", "Args": [run, "two"]}
    steps = [
        shell(f"cat /tmp/booted; python3 -c '{WHO}'"),
        shell("echo wrong >&2; exit 3"),
        {"Name": "script", "ActionOnFailure": "CONTINUE", "HadoopJarStep": runner},
    ]  # fmt: skip
    cluster = emr.run(keep=False, Steps=steps, BootstrapActions=[action])
    ended = emr.wait(cluster)
    assert ended["Status"]["State"] == "TERMINATED"
    reason = {"Code": "ALL_STEPS_COMPLETED", "Message": "Steps completed with errors"}
    assert ended["Status"]["StateChangeReason"] == reason
    line = ended["Status"]["Timeline"]
    assert line["CreationDateTime"] <= line["ReadyDateTime"] <= line["EndDateTime"]
    assert ended["NormalizedInstanceHours"] == 4
    first, second, third = emr.steps(cluster)
    assert [one["Status"]["State"] for one in (first, second, third)] == ["COMPLETED", "FAILED", "COMPLETED"]
    log = f"steps/{second['Id']}/stderr"
    assert second["Status"]["FailureDetails"] == {
        "Reason": "Unknown Error.",
        "Message": "wrong",
        "LogFile": f"s3://{emr.bucket}/logs/{cluster}/{log}.gz",
    }
    (master,) = emr.api.list_instances(ClusterId=cluster)["Instances"]
    said = emr.log(cluster, f"steps/{first['Id']}/stdout").split()
    role = emr.role.rpartition("/")[2]
    assert said == ["one", f"arn:aws:sts::{emr.role.split(':')[4]}:assumed-role/{role}/{master['Ec2InstanceId']}"]
    assert emr.log(cluster, log) == "wrong\n"
    assert "WARN Step failed with exitCode 3" in emr.log(cluster, f"steps/{second['Id']}/controller")
    assert emr.log(cluster, f"steps/{third['Id']}/stdout") == "script two\n"
    boot = f"node/{master['Ec2InstanceId']}/bootstrap-actions/1/stdout"
    assert emr.log(cluster, boot) == "booted with one\n"
    assert master["Status"]["State"] == "TERMINATED"


@pytest.mark.parametrize(
    ("action", "protected", "state", "states"),
    [
        ("CONTINUE", False, "WAITING", ["FAILED", "COMPLETED"]),
        ("CANCEL_AND_WAIT", False, "WAITING", ["FAILED", "CANCELLED"]),
        ("TERMINATE_CLUSTER", False, "TERMINATED_WITH_ERRORS", ["FAILED", "CANCELLED"]),
        ("TERMINATE_JOB_FLOW", True, "WAITING", ["FAILED", "CANCELLED"]),
    ],
)
def test_a_step_that_fails_does_what_its_action_says(
    emr: Emr, action: str, protected: bool, state: str, states: list[str]
) -> None:
    steps = [shell("exit 1", action), shell("true", action)]
    cluster = emr.run(Steps=steps, Instances={"TerminationProtected": protected})
    found = emr.wait(cluster, "WAITING")
    assert found["Status"]["State"] == state
    assert [one["Status"]["State"] for one in emr.steps(cluster)] == states
    if state != "WAITING":
        reason = {"Code": "STEP_FAILURE", "Message": "Shut down as step failed"}
        assert found["Status"]["StateChangeReason"] == reason
    emr.end(cluster)


def test_a_step_is_cancelled_while_it_waits_and_while_it_runs(emr: Emr, waiting: str) -> None:
    first, second, third = emr.add(waiting, shell("sleep 1000"), shell("true"), shell("echo three"))
    until(lambda: emr.step(waiting, first), lambda one: one["Status"]["State"] == "RUNNING")
    told = emr.api.cancel_steps(
        ClusterId=waiting, StepIds=[second, first], StepCancellationOption="TERMINATE_PROCESS"
    )
    assert [one["Status"] for one in told["CancelStepsInfoList"]] == ["SUBMITTED", "SUBMITTED"]
    assert [emr.ended(waiting, key)["State"] for key in (first, second, third)] == [
        "CANCELLED",
        "CANCELLED",
        "COMPLETED",
    ]
    (again,) = emr.api.cancel_steps(ClusterId=waiting, StepIds=[third])["CancelStepsInfoList"]
    assert (again["Status"], again["StepId"]) == ("FAILED", third)


def test_a_spot_instance_is_taken_away_and_another_comes_in_its_place(emr: Emr, waiting: str) -> None:
    (before,) = emr.running(waiting, "TASK")
    assert before["Market"] == "SPOT"
    emr.api.add_tags(ResourceId=waiting, Tags=[{"Key": INTERRUPT, "Value": NOW}])
    (after,) = until(
        lambda: emr.running(waiting, "TASK"),
        lambda found: [one["Ec2InstanceId"] for one in found] not in ([], [before["Ec2InstanceId"]]),
    )
    gone = emr.api.list_instances(ClusterId=waiting, InstanceStates=["TERMINATED"])["Instances"]
    assert before["Ec2InstanceId"] in [one["Ec2InstanceId"] for one in gone]
    assert after["PrivateIpAddress"]
    assert INTERRUPT not in [tag["Key"] for tag in emr.get(waiting)["Tags"]]


def test_a_group_grows_and_shrinks_and_another_comes(emr: Emr, waiting: str) -> None:
    def running(key: str) -> int:
        found = emr.api.list_instance_groups(ClusterId=waiting)["InstanceGroups"]
        return int(next(one for one in found if one["Id"] == key)["RunningInstanceCount"])

    groups = emr.api.list_instance_groups(ClusterId=waiting)["InstanceGroups"]
    (core,) = [one for one in groups if one["InstanceGroupType"] == "CORE"]
    (key,) = emr.api.add_instance_groups(JobFlowId=waiting, InstanceGroups=[group("TASK")])["InstanceGroupIds"]
    until(lambda: running(key), lambda count: count == 1)
    for count in (2, 1):
        asked = [{"InstanceGroupId": core["Id"], "InstanceCount": count}]
        emr.api.modify_instance_groups(ClusterId=waiting, InstanceGroups=asked)
        until(lambda: running(core["Id"]), partial(eq, count))
    emr.api.modify_instance_groups(
        ClusterId=waiting, InstanceGroups=[{"InstanceGroupId": key, "InstanceCount": 0}]
    )
    until(lambda: running(key), lambda count: count == 0)
    with pytest.raises(ClientError) as refused:
        emr.api.modify_instance_groups(
            ClusterId=waiting, InstanceGroups=[{"InstanceGroupId": key, "InstanceCount": 9}]
        )
    assert code(refused)[0] == "ValidationException"
    assert "6 instances at the most" in code(refused)[1]


def test_a_protected_cluster_is_not_terminated_and_one_that_is_over_does_not_change(emr: Emr) -> None:
    cluster = emr.run(Instances={"TerminationProtected": True}, Steps=[shell("sleep 1000"), shell("true")])
    until(lambda: emr.steps(cluster), lambda found: found[0]["Status"]["State"] == "RUNNING")
    with pytest.raises(ClientError) as refused:
        emr.api.terminate_job_flows(JobFlowIds=[cluster])
    words = "Could not shut down one or more job flows since they are termination protected."
    assert code(refused) == ("ValidationException", words)
    emr.end(cluster)
    ended = emr.get(cluster)["Status"]
    assert (ended["State"], ended["StateChangeReason"]) == (
        "TERMINATED",
        {"Code": "USER_REQUEST", "Message": "Terminated by user request"},
    )
    assert [one["Status"]["State"] for one in emr.steps(cluster)] == ["INTERRUPTED", "CANCELLED"]
    with pytest.raises(ClientError) as refused:
        emr.add(cluster, shell("true"))
    words = "A job flow that is shutting down, terminated, or finished may not be modified."
    assert code(refused) == ("ValidationException", words)


def test_a_role_that_emr_may_not_take_on_ends_the_cluster(emr: Emr, cloud: LocalCloud) -> None:
    other = make_role(cloud, "glue")
    found = emr.wait(emr.run(ServiceRole=other))["Status"]
    assert found["State"] == "TERMINATED_WITH_ERRORS"
    assert found["StateChangeReason"] == {
        "Code": "VALIDATION_ERROR",
        "Message": f"EMR service role {other} is invalid",
    }
    found = emr.wait(emr.run(JobFlowRole=emr.make_profile(other)))["Status"]
    assert found["StateChangeReason"]["Code"] == "VALIDATION_ERROR"


def test_a_bootstrap_action_that_fails_ends_the_cluster(emr: Emr) -> None:
    script = emr.put("fails.sh", "#!/bin/bash\nexit 4\n")
    action = {"Name": "boot", "ScriptBootstrapAction": {"Path": script}}
    cluster = emr.run(BootstrapActions=[action], Steps=[shell("true")])
    found = emr.wait(cluster)["Status"]
    (master,) = emr.api.list_instances(ClusterId=cluster)["Instances"]
    assert found["StateChangeReason"] == {
        "Code": "BOOTSTRAP_FAILURE",
        "Message": f"On the master instance ({master['Ec2InstanceId']}), bootstrap action 1 returned a non-zero"
        " return code",
    }
    assert [one["Status"]["State"] for one in emr.steps(cluster)] == ["CANCELLED"]


def test_a_bid_below_the_price_is_not_fulfilled(emr: Emr) -> None:
    cluster = emr.run(group("MASTER"), group("CORE"), group("TASK", Market="SPOT", BidPrice="0.001"))
    emr.wait(cluster, "WAITING")
    (task,) = emr.api.list_instances(ClusterId=cluster, InstanceGroupTypes=["TASK"])["Instances"]
    assert task["Status"]["State"] == "AWAITING_FULFILLMENT"
    emr.end(cluster)


def test_fleets_come_to_instances_by_their_weights(emr: Emr) -> None:
    def fleet(role: str, **targets: int) -> dict[str, Any]:
        kinds = [{"InstanceType": "m5.xlarge", "WeightedCapacity": 2}]
        return {"InstanceFleetType": role, "InstanceTypeConfigs": kinds} | targets

    fleets = [
        fleet("MASTER", TargetOnDemandCapacity=1),
        fleet("CORE", TargetOnDemandCapacity=2, TargetSpotCapacity=2),
    ]
    asked = emr.asked(Tags=CALM)
    asked["Instances"] = {"InstanceFleets": fleets, "KeepJobFlowAliveWhenNoSteps": True}
    cluster = emr.api.run_job_flow(**asked)["JobFlowId"]
    emr.made.append(cluster)
    emr.wait(cluster, "WAITING")
    found = emr.api.list_instance_fleets(ClusterId=cluster)["InstanceFleets"]
    (core,) = [one for one in found if one["InstanceFleetType"] == "CORE"]
    assert (core["ProvisionedOnDemandCapacity"], core["ProvisionedSpotCapacity"]) == (2, 2)
    found = emr.api.list_instances(ClusterId=cluster, InstanceFleetId=core["Id"])["Instances"]
    assert sorted(one["Market"] for one in found) == ["ON_DEMAND", "SPOT"]
    asked = {"InstanceFleetId": core["Id"], "TargetOnDemandCapacity": 2, "TargetSpotCapacity": 0}
    emr.api.modify_instance_fleet(ClusterId=cluster, InstanceFleet=asked)
    until(lambda: emr.running(cluster, "CORE"), lambda found: len(found) == 1)
    emr.end(cluster)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no profile": ({"JobFlowRole": ""}, "InstanceProfile is required for creating cluster."),
    "no role": ({"ServiceRole": ""}, "ServiceRole is required for creating cluster."),
    "another profile": ({"JobFlowRole": "nobody"}, "Invalid InstanceProfile: nobody."),
    "a release": ({"ReleaseLabel": "emr-7"}, "The supplied release label is invalid: emr-7."),
    "an application": ({"Applications": [{"Name": "Hive"}]}, "Specified application: Hive is not valid"),
    "a jar": ({"Steps": [{"Name": "a", "HadoopJarStep": {"Jar": "s3://b/a.jar"}}]}, "no Hadoop MapReduce"),
    "a program": ({"Steps": [step("hive-script", "--run")]}, "hive-script: the local cloud has no Hive"),
    "hdfs": ({"Steps": [step("spark-submit", "hdfs:///a.py")]}, "no HDFS"),
    "a subnet": ({"Instances": {"Ec2SubnetId": "subnet-1"}}, "Instances.Ec2SubnetId"),
    "a classification": ({"Configurations": [{"Classification": "hbase"}]}, "Invalid classification: hbase"),
    "a level": ({"StepConcurrencyLevel": 300}, "between 1 and 256"),
    "an action": ({"StepConcurrencyLevel": 2, "Steps": [shell("true", "CANCEL_AND_WAIT")]}, "is not valid"),
    "idle": ({"AutoTerminationPolicy": {"IdleTimeout": 5}}, "IdleTimeout"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_words(emr: Emr, case: str) -> None:
    changes, words = REFUSED[case]
    with pytest.raises(ClientError) as refused:
        emr.run(**changes)
    assert code(refused)[0] == "ValidationException"
    assert words in code(refused)[1]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([group("CORE")], "exactly one master"),
        ([group("MASTER", 3)], "A master instance group of three"),
        ([group("MASTER"), group("TASK")], "must also have a core instance group"),
        ([group("MASTER"), group("CORE", 20)], "10 instances at the most"),
        ([group("MASTER"), group("CORE", BidPrice="1")], "Bid price is only valid"),
    ],
)
def test_groups_that_cannot_be_are_refused(emr: Emr, groups: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        emr.run(*groups)


def test_what_is_not_there_is_told_in_words(emr: Emr) -> None:
    for call in ("describe_cluster", "list_steps", "list_instances"):
        with pytest.raises(ClientError) as refused:
            getattr(emr.api, call)(ClusterId="j-NONE")
        assert code(refused) == ("InvalidRequestException", "Cluster id 'j-NONE' is not valid.")


def test_who_makes_a_cluster_must_be_allowed_to_pass_its_roles(emr: Emr, cloud: LocalCloud) -> None:
    iam, name = cloud.client("iam"), f"maker-{emr.bucket}"
    iam.create_user(UserName=name)
    allow = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"elasticmapreduce:*","Resource":"*"}]}'
    )
    iam.put_user_policy(UserName=name, PolicyName="emr", PolicyDocument=allow)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    mine = cloud.client("emr", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    mine.list_clusters()
    with pytest.raises(ClientError) as refused:
        mine.run_job_flow(**emr.asked())
    assert code(refused)[0] == "AccessDeniedException"
    assert "iam:PassRole" in code(refused)[1]


def test_a_role_of_emrs_may_have_a_trust_of_the_older_version(emr: Emr, cloud: LocalCloud) -> None:
    trust = '{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
    name = f"older-{emr.bucket}"
    cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust + '"Action":"sts:AssumeRole"}]}')
    cluster = emr.run(keep=False, JobFlowRole=emr.make_profile(name))
    assert emr.wait(cluster)["Status"]["State"] == "TERMINATED"


def test_clusters_are_listed_by_their_states_the_newest_first(emr: Emr, waiting: str) -> None:
    found = emr.api.list_clusters(ClusterStates=["WAITING"])["Clusters"]
    assert waiting in [one["Id"] for one in found]
    times = [one["Status"]["Timeline"]["CreationDateTime"] for one in found]
    assert times == sorted(times, reverse=True)
    everything = emr.api.get_paginator("list_clusters").paginate()
    assert {one["Id"] for page in everything for one in page["Clusters"]} >= set(emr.made)


def test_a_cluster_that_waits_too_long_ends_by_its_policy(home: Home) -> None:
    fast = Emr(clouds.start(home))
    cluster = fast.run(AutoTerminationPolicy={"IdleTimeout": 600})
    assert fast.api.get_auto_termination_policy(ClusterId=cluster)["AutoTerminationPolicy"] == {"IdleTimeout": 600}
    fast.wait(cluster, "WAITING")
    clock.set_speed(home, 600)
    assert fast.wait(cluster)["Status"]["StateChangeReason"]["Code"] == "USER_REQUEST"


def test_what_a_kill_cuts_off_is_said_at_the_next_start(home: Home) -> None:
    before = Emr(clouds.start(home))
    cluster = before.run(group("MASTER"), group("CORE"), Steps=[shell("sleep 1000"), shell("true")])
    until(lambda: before.steps(cluster), lambda found: found[0]["Status"]["State"] == "RUNNING")
    kill(home)
    before.api = clouds.start(home).client("emr")
    found = before.get(cluster)["Status"]
    assert found["State"] == "TERMINATED_WITH_ERRORS"
    assert found["StateChangeReason"]["Code"] == "INTERNAL_ERROR"
    assert [one["Status"]["State"] for one in before.steps(cluster)] == ["INTERRUPTED", "CANCELLED"]
    instances = before.api.list_instances(ClusterId=cluster)["Instances"]
    assert {one["Status"]["State"] for one in instances} == {"TERMINATED"}
