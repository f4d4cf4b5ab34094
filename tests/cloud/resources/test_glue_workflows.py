"""Glue's triggers and workflows: what fires when, on runs that really ended, and how a run of a workflow goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelab.cloud import clock
from sagelab.cloud.home import Home
from tests import clouds
from tests.cloud.builds import make_role
from tests.cloud.glue import Glue
from tests.cloud.kills import kill
from tests.conftest import LocalCloud
from tests.waiting import until

FAILS = "raise SystemExit('not this time')"
PASSES = """
import sys, boto3
from awsglue.utils import getResolvedOptions
args = getResolvedOptions(sys.argv, ["WORKFLOW_NAME", "WORKFLOW_RUN_ID", "say"])
run = {"Name": args["WORKFLOW_NAME"], "RunId": args["WORKFLOW_RUN_ID"]}
glue = boto3.client("glue")
found = glue.get_workflow_run_properties(**run)["RunProperties"]
print(args["say"], *sorted(found.items()))
glue.put_workflow_run_properties(**run, RunProperties={args["say"]: "done"})
"""
WAITS = "import time; print('here', flush=True); time.sleep(1000)"


@pytest.fixture(scope="module")
def glue(cloud: LocalCloud) -> Glue:
    return Glue(cloud)


@pytest.fixture
def name(unique: Callable[[str], str]) -> Callable[[str], str]:
    return unique


def code(refused: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def condition(job: str, state: str = "SUCCEEDED") -> dict[str, Any]:
    return {"LogicalOperator": "EQUALS", "JobName": job, "State": state}


def make(glue: Glue, name: str, *jobs: str, **more: Any) -> str:
    """A trigger, on demand by default."""
    actions = [{"JobName": job} for job in jobs] + more.pop("Actions", [])
    return str(glue.api.create_trigger(Name=name, Actions=actions, **({"Type": "ON_DEMAND"} | more))["Name"])


def after(glue: Glue, name: str, conditions: list[dict[str, Any]], *jobs: str, **more: Any) -> str:
    predicate = {"Logical": more.pop("Logical", "AND"), "Conditions": conditions}
    usual = {"Type": "CONDITIONAL", "Predicate": predicate, "StartOnCreation": True}
    return make(glue, name, *jobs, **usual | more)


def runs(glue: Glue, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = glue.api.get_job_runs(JobName=job)["JobRuns"]
    return found


def ended(glue: Glue, job: str, count: int = 1) -> list[dict[str, Any]]:
    over = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR")
    return until(
        lambda: runs(glue, job),
        lambda found: len(found) >= count and all(one["JobRunState"] in over for one in found),
    )


def wait(glue: Glue, workflow: str, run: str) -> dict[str, Any]:
    return until(
        lambda: glue.api.get_workflow_run(Name=workflow, RunId=run, IncludeGraph=True)["Run"],
        lambda found: found["Status"] not in ("RUNNING", "STOPPING"),
    )


def test_triggers_fire_by_hand_and_by_the_ends_of_what_triggers_started(glue: Glue, name: Any) -> None:
    first, second, third = (glue.make(script) for script in ("print(1)", FAILS, "print(3)"))
    hand = make(glue, name("hand"), first, Actions=[{"JobName": second, "Arguments": {"--a": "b"}, "Timeout": 7}])
    both = after(glue, name("both"), [condition(first), condition(second, "FAILED")], third)
    never = after(glue, name("never"), [condition(first), condition(second)], third)
    after(glue, name("asleep"), [condition(first)], third, StartOnCreation=False)
    assert glue.run(first)["JobRunState"] == "SUCCEEDED"  # of a run that no trigger started none of them hears
    assert glue.api.start_trigger(Name=hand)["Name"] == hand
    (fired,) = ended(glue, third)
    assert (fired["TriggerName"], fired["JobRunState"]) == (both, "SUCCEEDED")
    (failed,) = runs(glue, second)
    assert (failed["TriggerName"], failed["Arguments"], failed["Timeout"]) == (hand, {"--a": "b"}, 7)
    found = glue.api.get_job_run(JobName=third, RunId=fired["Id"], PredecessorsIncluded=True)["JobRun"]
    assert {one["JobName"]: one["RunId"] for one in found["PredecessorRuns"]}[second] == failed["Id"]
    assert glue.api.get_trigger(Name=hand)["Trigger"]["State"] == "CREATED"
    assert glue.api.stop_trigger(Name=both)["Name"] == both
    assert glue.api.get_trigger(Name=both)["Trigger"]["State"] == "DEACTIVATED"
    assert [one["TriggerName"] for one in runs(glue, third)] == [both]
    assert glue.api.delete_trigger(Name=never)["Name"] == never


def test_any_of_several_conditions_is_enough(glue: Glue, name: Any) -> None:
    first, second = glue.make(FAILS, MaxRetries=1), glue.make("print(2)")
    hand = make(glue, name("hand"), first)
    after(glue, name("any"), [condition(first), condition(first, "FAILED")], second, Logical="ANY")
    glue.api.start_trigger(Name=hand)
    ended(glue, second)
    assert [one["Attempt"] for one in runs(glue, first)] == [1, 0]  # and once, when its last attempt had failed
    assert len(runs(glue, second)) == 1


def test_a_workflow_runs_to_its_end_and_its_scripts_tell_each_other(glue: Glue, name: Any) -> None:
    workflow = glue.api.create_workflow(Name=name("flow"), DefaultRunProperties={"day": "1", "kept": "yes"})[
        "Name"
    ]
    first, second = glue.make(PASSES), glue.make(PASSES)
    make(glue, name("start"), WorkflowName=workflow, Actions=[{"JobName": first, "Arguments": {"--say": "first"}}])
    actions = [{"JobName": second, "Arguments": {"--say": "second"}}]
    after(glue, name("then"), [condition(first)], WorkflowName=workflow, Actions=actions)
    outside = glue.make("print('nobody')")
    after(glue, name("outside"), [condition(second)], outside)
    run = glue.api.start_workflow_run(Name=workflow, RunProperties={"day": "2"})["RunId"]
    found = wait(glue, workflow, run)
    assert (found["Status"], found["WorkflowRunId"]) == ("COMPLETED", run)
    counts = {"TotalActions": 2, "SucceededActions": 2, "FailedActions": 0, "RunningActions": 0}
    assert counts.items() <= found["Statistics"].items()
    assert found["WorkflowRunProperties"] == {"day": "2", "kept": "yes", "first": "done", "second": "done"}
    ((one,), (other,)) = (runs(glue, job) for job in (first, second))
    assert glue.log(one["Id"]) == ["first ('day', '2') ('kept', 'yes')"]
    assert glue.log(other["Id"]) == ["second ('day', '2') ('first', 'done') ('kept', 'yes')"]
    nodes = {node["Name"]: node for node in found["Graph"]["Nodes"]}
    assert [(nodes[job]["Type"], nodes[job]["JobDetails"]["JobRuns"][0]["Id"]) for job in (first, second)] == [
        ("JOB", one["Id"]),
        ("JOB", other["Id"]),
    ]
    assert len(found["Graph"]["Edges"]) == 3
    assert runs(glue, outside) == []
    told = glue.api.get_workflow(Name=workflow, IncludeGraph=True)["Workflow"]
    assert (told["LastRun"]["WorkflowRunId"], len(told["Graph"]["Nodes"])) == (run, 4)
    assert glue.api.get_workflow_run_properties(Name=workflow, RunId=run)["RunProperties"]["kept"] == "yes"
    assert [one["WorkflowRunId"] for one in glue.api.get_workflow_runs(Name=workflow)["Runs"]] == [run]
    for call, asked in (
        (glue.api.get_workflow, {"Name": f"{workflow}/{run}"}),
        (glue.api.get_workflow_run, {"Name": workflow, "RunId": f"/{run}"}),
        (glue.api.get_job, {"JobName": f"{first}/run/{one['Id']}"}),
    ):
        with pytest.raises(glue.api.exceptions.EntityNotFoundException):
            call(**asked)


def test_a_run_is_stopped_and_no_more_go_on_than_may(glue: Glue, name: Any) -> None:
    workflow = glue.api.create_workflow(Name=name("flow"), MaxConcurrentRuns=1)["Name"]
    job, then = glue.make(WAITS), glue.make("print(1)")
    start = make(glue, name("start"), job, WorkflowName=workflow)
    after(glue, name("then"), [condition(job, "STOPPED")], then, WorkflowName=workflow)
    run = glue.api.start_workflow_run(Name=workflow)["RunId"]
    until(lambda: runs(glue, job), lambda found: [one["JobRunState"] for one in found] == ["RUNNING"])
    for call, named in ((glue.api.start_workflow_run, workflow), (glue.api.start_trigger, start)):
        with pytest.raises(ClientError) as refused:
            call(Name=named)
        words = f"Concurrent runs exceeded for workflow: {workflow}."
        assert code(refused) == ("ConcurrentRunsExceededException", words)
    glue.api.stop_workflow_run(Name=workflow, RunId=run)
    found = wait(glue, workflow, run)
    assert (found["Status"], found["Statistics"]["StoppedActions"]) == ("STOPPED", 1)
    assert runs(glue, then) == []
    with pytest.raises(ClientError) as refused:
        glue.api.stop_workflow_run(Name=workflow, RunId=run)
    assert code(refused)[0] == "IllegalWorkflowStateException"


def test_a_run_is_resumed_where_it_failed(glue: Glue, name: Any) -> None:
    workflow = glue.api.create_workflow(Name=name("flow"))["Name"]
    first, second, third = glue.make("print(1)"), glue.make(FAILS), glue.make("print(3)")
    make(glue, name("start"), first, WorkflowName=workflow)
    after(glue, name("then"), [condition(first)], second, WorkflowName=workflow)
    after(glue, name("last"), [condition(second)], third, WorkflowName=workflow)
    run = glue.api.start_workflow_run(Name=workflow)["RunId"]
    found = wait(glue, workflow, run)
    assert (found["Status"], found["Statistics"]["FailedActions"]) == ("COMPLETED", 1)
    nodes = {node["Name"]: node["UniqueId"] for node in found["Graph"]["Nodes"]}
    job = glue.api.get_job(JobName=second)["Job"]
    script = glue.put("mended.py", "print(2)")
    update = {"Role": job["Role"], "Command": job["Command"] | {"ScriptLocation": script}}
    glue.api.update_job(JobName=second, JobUpdate=update)
    with pytest.raises(ClientError) as refused:
        glue.api.resume_workflow_run(Name=workflow, RunId=run, NodeIds=[nodes[third]])
    assert code(refused)[0] == "InvalidInputException"
    again = glue.api.resume_workflow_run(Name=workflow, RunId=run, NodeIds=[nodes[second]])["RunId"]
    found = wait(glue, workflow, again)
    assert (found["Status"], found["Statistics"]["SucceededActions"], found["PreviousRunId"]) == (
        "COMPLETED",
        3,
        run,
    )
    assert [len(runs(glue, each)) for each in (first, second, third)] == [1, 2, 1]


@pytest.mark.long  # its engine takes seconds to start
def test_a_crawler_is_a_node_like_a_job(glue: Glue, name: Any) -> None:
    glue.put("raw/clicks/a.csv", "id,name\n1,ann\n2,bob\n")
    database, crawler = glue.bucket.replace("-", "_"), name("crawler")
    glue.api.create_database(DatabaseInput={"Name": database})
    targets = {"S3Targets": [{"Path": f"s3://{glue.bucket}/raw/"}]}
    glue.api.create_crawler(Name=crawler, Role=glue.role, DatabaseName=database, Targets=targets)
    workflow, job = glue.api.create_workflow(Name=name("flow"))["Name"], glue.make("print('crawled')")
    make(glue, name("start"), Actions=[{"CrawlerName": crawler}], WorkflowName=workflow)
    crawled = {"LogicalOperator": "EQUALS", "CrawlerName": crawler, "CrawlState": "SUCCEEDED"}
    after(glue, name("then"), [crawled], job, WorkflowName=workflow)
    found = wait(glue, workflow, glue.api.start_workflow_run(Name=workflow)["RunId"])
    assert (found["Status"], found["Statistics"]["SucceededActions"]) == ("COMPLETED", 2)
    (node,) = [one for one in found["Graph"]["Nodes"] if one["Type"] == "CRAWLER"]
    (crawl,) = node["CrawlerDetails"]["Crawls"]
    assert (crawl["State"], crawl["LogGroup"], crawl["LogStream"]) == ("SUCCEEDED", "/aws-glue/crawlers", crawler)
    assert crawl["StartedOn"] <= crawl["CompletedOn"] <= runs(glue, job)[0]["StartedOn"]
    (table,) = glue.api.get_tables(DatabaseName=database)["TableList"]
    assert table["Parameters"]["recordCount"] == "2"


def test_what_cannot_begin_is_an_error_of_its_node(glue: Glue, name: Any) -> None:
    workflow = glue.api.create_workflow(Name=name("flow"))["Name"]
    job, gone = glue.make(WAITS), glue.make("print(1)")
    make(glue, name("start"), job, gone, WorkflowName=workflow)
    running = glue.start(job)
    glue.wait(job, running, "RUNNING")
    glue.api.delete_job(JobName=gone)
    found = wait(glue, workflow, glue.api.start_workflow_run(Name=workflow)["RunId"])
    assert (found["Status"], found["Statistics"]["ErroredActions"]) == ("COMPLETED", 2)
    details = {node["Name"]: node.get("JobDetails") for node in found["Graph"]["Nodes"]}
    said = {one: details[one]["JobRuns"][0]["ErrorMessage"] for one in (job, gone)}
    assert said == {job: f"Concurrent runs exceeded for {job}", gone: f"Job {gone} not found."}
    glue.api.batch_stop_job_run(JobName=job, JobRunIds=[running])
    glue.wait(job, running)


def test_triggers_and_workflows_are_listed_changed_and_gone(glue: Glue, name: Any) -> None:
    api, job, other = glue.api, glue.make("print(1)"), glue.make("print(2)")
    tags = {"team": glue.bucket}
    workflow = api.create_workflow(Name=name("flow"), Description="first", Tags=tags)["Name"]
    with pytest.raises(ClientError) as refused:
        api.create_workflow(Name=workflow)
    assert code(refused)[0] == "AlreadyExistsException"
    trigger = make(glue, name("start"), job, WorkflowName=workflow, Tags=tags, Description="by hand")
    for changed, error in (
        ({}, "AlreadyExistsException"),
        ({"Description": "other"}, "IdempotentParameterMismatch"),
    ):
        asked = {"WorkflowName": workflow, "Description": "by hand"} | changed
        with pytest.raises(ClientError) as refused:
            make(glue, trigger, job, **asked)
        assert code(refused)[0].startswith(error)
    assert api.list_triggers(Tags=tags)["TriggerNames"] == [trigger]
    assert [one["Name"] for one in api.get_triggers(DependentJobName=job)["Triggers"]] == [trigger]
    found = api.batch_get_triggers(TriggerNames=[trigger, "none"])
    assert ([one["WorkflowName"] for one in found["Triggers"]], found["TriggersNotFound"]) == (
        [workflow],
        ["none"],
    )
    update = {"Actions": [{"JobName": other}]}
    assert api.update_trigger(Name=trigger, TriggerUpdate=update)["Trigger"]["Actions"] == update["Actions"]
    api.update_workflow(Name=workflow, MaxConcurrentRuns=3)
    found = api.get_workflow(Name=workflow)["Workflow"]
    assert (found["Description"], found["MaxConcurrentRuns"]) == ("first", 3)
    assert workflow in api.list_workflows(MaxResults=25)["Workflows"]
    batch = api.batch_get_workflows(Names=[workflow, "none"])
    assert ([one["Name"] for one in batch["Workflows"]], batch["MissingWorkflows"]) == ([workflow], ["none"])
    for _ in range(2):
        assert api.delete_workflow(Name=workflow)["Name"] == workflow
        assert api.delete_trigger(Name=trigger)["Name"] == trigger
    for call, word in (
        (api.get_workflow, "Entity not found"),
        (api.get_trigger, f"Trigger with name {trigger} not found."),
    ):
        with pytest.raises(ClientError) as refused:
            call(Name=workflow if call == api.get_workflow else trigger)
        assert code(refused) == ("EntityNotFoundException", word)


CONDITIONAL = {"Type": "CONDITIONAL"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no schedule": ({"Type": "SCHEDULED"}, "Schedule cannot be null or empty"),
    "a rate": ({"Type": "SCHEDULED", "Schedule": "rate(1 hour)"}, "is no cron expression"),
    "a schedule by hand": ({"Schedule": "cron(0 0 * * ? *)"}, "Schedule is not allowed"),
    "no predicate": (CONDITIONAL, "Predicate cannot be null or empty"),
    "no operator": (
        CONDITIONAL | {"Predicate": {"Conditions": [{"JobName": "a", "State": "FAILED"}]}},
        "Logical operator cannot be null or empty",
    ),
    "a crawler's state": (
        CONDITIONAL
        | {"Predicate": {"Conditions": [{"LogicalOperator": "EQUALS", "CrawlerName": "a", "State": "FAILED"}]}},
        "State cannot be null or empty",
    ),
    "a state": (CONDITIONAL | {"Predicate": {"Conditions": [condition("a", "RUNNING")]}}, "is not supported"),
    "two conditions": (
        CONDITIONAL | {"Predicate": {"Conditions": [condition("a"), condition("b")]}},
        "Logical cannot be null",
    ),
    "itself": (
        CONDITIONAL | {"Predicate": {"Conditions": [condition("a")]}, "Actions": [{"JobName": "a"}]},
        "Job cannot be a Predicate and Action for Conditional Trigger.",
    ),
    "nothing to do": ({"Actions": []}, "Actions cannot be null or empty"),
    "three crawlers": (
        {"Actions": [{"CrawlerName": one} for one in "abc"]},
        "Actions cannot contain more than two crawlers",
    ),
    "many jobs": ({"Actions": [{"JobName": "b"}] * 51}, "limited to 50 jobs per trigger"),
    "much": (
        {"Actions": [{"JobName": "b", "Arguments": {"--a": "x" * 150_000}}] * 2},
        "Request size limit exceeded",
    ),
    "events alone": ({"Type": "EVENT"}, "WorkflowName cannot be null or empty"),
    "started by hand": ({"StartOnCreation": True}, "StartOnCreation is not supported"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_trigger_is_refused_in_words(glue: Glue, case: str) -> None:
    changes, words = REFUSED[case]
    with pytest.raises(ClientError) as refused:
        glue.api.create_trigger(
            **{"Name": "refused", "Type": "ON_DEMAND", "Actions": [{"JobName": "b"}]} | changes
        )
    assert code(refused)[0] in ("InvalidInputException", "ResourceNumberLimitExceededException")
    assert words in code(refused)[1]


def test_what_is_not_there_cannot_be_named_and_states_are_held_to(glue: Glue, name: Any) -> None:
    workflow, job = glue.api.create_workflow(Name=name("flow"))["Name"], glue.make("print(1)")
    run = f"{job}/run/{glue.start(job)}"
    for missing, words in (
        ({"Actions": [{"JobName": "nowhere"}]}, "Job nowhere not found."),
        ({"Actions": [{"JobName": run}]}, f"Job {run} not found."),
        ({"Actions": [{"CrawlerName": "nowhere"}]}, "Crawler with name nowhere does not exist"),
        ({"WorkflowName": "nowhere", "Actions": [{"JobName": job}]}, "Entity not found"),
    ):
        with pytest.raises(ClientError) as refused:
            make(glue, name("lost"), **missing)
        assert code(refused) == ("EntityNotFoundException", words)
    with pytest.raises(ClientError) as refused:
        glue.api.start_workflow_run(Name=workflow)
    assert code(refused) == ("InvalidInputException", f"Workflow {workflow} has no start trigger.")
    start = make(glue, name("start"), job, WorkflowName=workflow)
    with pytest.raises(ClientError) as refused:
        make(glue, name("second"), job, WorkflowName=workflow)
    assert "has a start trigger already" in code(refused)[1]
    with pytest.raises(ClientError) as refused:
        glue.api.stop_trigger(Name=start)
    words = "The operation is not allowed when trigger is in state: CREATED"
    assert code(refused) == ("InvalidInputException", words)


def test_events_start_a_workflow_a_batch_at_a_time(glue: Glue, cloud: LocalCloud, name: Any) -> None:
    events, source, job = cloud.client("events"), name("source"), glue.make("print(1)")
    workflow = glue.api.create_workflow(Name=name("flow"))["Name"]
    trigger = make(
        glue, name("events"), job, WorkflowName=workflow, Type="EVENT", EventBatchingCondition={"BatchSize": 2}
    )
    found = glue.api.get_trigger(Name=trigger)["Trigger"]
    assert (found["State"], found["EventBatchingCondition"]) == ("CREATED", {"BatchSize": 2, "BatchWindow": 900})
    with pytest.raises(ClientError) as refused:
        glue.api.start_trigger(Name=trigger)
    assert code(refused) == ("InvalidInputException", "Trigger Type EVENT cannot be started")
    update = {"Actions": [{"JobName": job}], "EventBatchingCondition": {"BatchSize": 2}}
    assert glue.api.update_trigger(Name=trigger, TriggerUpdate=update)["Trigger"] == found
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    arn = f"arn:aws:glue:us-east-1:{cloud.home.account}:workflow/{workflow}"
    with pytest.raises(ClientError, match="RoleArn is required"):
        events.put_targets(Rule=source, Targets=[{"Id": "1", "Arn": arn}])
    events.put_targets(Rule=source, Targets=[{"Id": "1", "Arn": arn, "RoleArn": make_role(cloud, "events")}])
    entry = {"Source": source, "DetailType": "arrived", "Detail": "{}"}
    answer = events.put_events(Entries=[entry] * 3)
    run = until(lambda: glue.api.get_workflow_runs(Name=workflow)["Runs"], lambda found: len(found) > 0)[0]
    done = wait(glue, workflow, run["WorkflowRunId"])
    assert done["StartingEventBatchCondition"]["BatchSize"] == 2
    ids = done["WorkflowRunProperties"]["aws:eventIds"][1:-1].split(", ")
    assert len(set(ids) & {one["EventId"] for one in answer["Entries"]}) == 2
    assert len(ended(glue, job)) == 1
    assert [one["Status"] for one in glue.api.get_workflow_runs(Name=workflow)["Runs"]] == ["COMPLETED"]


def test_who_works_with_a_workflow_is_held_to_its_name(glue: Glue, cloud: LocalCloud, name: Any) -> None:
    iam, user, where = cloud.client("iam"), name("user"), f"arn:aws:glue:us-east-1:{cloud.home.account}"
    workflow, other = (glue.api.create_workflow(Name=name(one))["Name"] for one in ("mine", "other"))
    iam.create_user(UserName=user)
    statement = {"Effect": "Allow", "Action": "glue:*", "Resource": f"{where}:workflow/{workflow}"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName="glue", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    mine = cloud.client("glue", **keys)
    assert mine.get_workflow(Name=workflow)["Workflow"]["Name"] == workflow
    assert mine.batch_get_workflows(Names=[workflow])["Workflows"][0]["Name"] == workflow
    for call, asked in (
        (mine.start_workflow_run, {"Name": other}),
        (mine.batch_get_workflows, {"Names": [workflow, other]}),
        (mine.get_trigger, {"Name": "any"}),
    ):
        with pytest.raises(ClientError) as refused:
            call(**asked)
        assert code(refused)[0] == "AccessDeniedException"


@pytest.mark.long
def test_time_starts_workflows_and_says_where_it_could_not(home: Home) -> None:
    clock.set_speed(home, 60)
    glue, source = Glue(clouds.start(home)), "house"
    glue.api.create_workflow(Name="timed", MaxConcurrentRuns=1)
    job, events = glue.make(WAITS), glue.cloud.client("events")
    timed = {"Type": "SCHEDULED", "Schedule": "cron(* * * * ? *)", "StartOnCreation": True}
    make(glue, "each-minute", job, WorkflowName="timed", **timed)
    found = until(lambda: glue.api.get_workflow_runs(Name="timed")["Runs"], lambda seen: len(seen) > 1)
    assert {one["Status"] for one in found} == {"RUNNING", "ERROR"}
    (refused, *_) = [one for one in found if one["Status"] == "ERROR"]
    assert refused["ErrorMessage"] == "Concurrent runs exceeded for workflow: timed."
    glue.api.stop_trigger(Name="each-minute")
    glue.api.create_workflow(Name="windowed")
    condition = {"BatchSize": 100, "BatchWindow": 60}
    make(
        glue,
        "windowed",
        glue.make("print(1)"),
        WorkflowName="windowed",
        Type="EVENT",
        EventBatchingCondition=condition,
    )
    arn = f"arn:aws:glue:us-east-1:{home.account}:workflow/windowed"
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    target = {"Id": "1", "Arn": arn, "RoleArn": make_role(glue.cloud, "events")}
    events.put_targets(Rule=source, Targets=[target])
    events.put_events(Entries=[{"Source": source, "DetailType": "arrived", "Detail": "{}"}])
    (run, *_) = until(lambda: glue.api.get_workflow_runs(Name="windowed")["Runs"], bool)
    assert run["StartingEventBatchCondition"]["BatchSize"] == 1
    assert wait(glue, "windowed", run["WorkflowRunId"])["Status"] == "COMPLETED"


@pytest.mark.long
def test_kills_make_no_action_begin_twice_and_none_be_forgotten(home: Home) -> None:
    glue = Glue(clouds.start(home))
    first, second, third, last = (glue.make("print(1)") for _ in range(4))
    either = ("SUCCEEDED", "FAILED")
    for flow in ("one", "two"):
        glue.api.create_workflow(Name=flow)
        make(glue, f"{flow}-start", first, WorkflowName=flow)
        ends = [condition(first, state) for state in either]
        after(glue, f"{flow}-then", ends, second, third, WorkflowName=flow, Logical="ANY")
        ends = [condition(third, state) for state in either]
        after(glue, f"{flow}-last", ends, last, WorkflowName=flow, Logical="ANY")
    jobs, begun = (first, second, third, last), list[tuple[str, str]]()

    def count() -> int:
        return sum(len(runs(glue, job)) for job in jobs)

    for number in range(10):
        flow, wanted = "one" if number % 2 else "two", count() + 1 + number % 3
        begun.append((flow, glue.api.start_workflow_run(Name=flow)["RunId"]))
        until(count, wanted.__le__)
        kill(home)
        glue.api = clouds.start(home).client("glue")
        found = wait(glue, *begun[-1])
        assert (found["Status"], found["Statistics"]["TotalActions"]) == ("COMPLETED", 4)
    all_ = [glue.api.get_workflow_run(Name=flow, RunId=run, IncludeGraph=True)["Run"] for flow, run in begun]
    for one in all_:
        nodes = [node["JobDetails"]["JobRuns"] for node in one["Graph"]["Nodes"] if "JobDetails" in node]
        assert [len(node) for node in nodes] == [1, 1, 1, 1]
    assert [len(runs(glue, job)) for job in jobs] == [10] * 4
    assert any(one["Statistics"]["FailedActions"] for one in all_)  # kills came while jobs ran
