"""What a lab made beside SageMaker that costs, or begins something by itself: how it is found and removed.

Everything is called as the lab, or begins so, and carries its tag where the service has tags. Where somebody may
not list a service, nothing is found of it: who made something there may.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sagelab.lab import watch

if TYPE_CHECKING:
    from sagelab.lab.session import Lab

DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
ACTIVE = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]  # of EMR's clusters
GONE = ("NotFound", "DoesNotExist")  # in codes of errors
LOOKS = 600  # at what is being removed, before it is left to itself


@dataclass(frozen=True)
class Part:
    """A kind of things. find: the ids of the lab's. remove: takes one away."""

    noun: str
    find: Callable[[Lab], Iterable[str]]
    remove: Callable[[Lab, str], object]


def left(lab: Lab) -> Iterator[tuple[str, str]]:
    """What is there: noun and id."""
    for part in PARTS:
        for each in _found(lab, part):
            yield part.noun, each


def remove(lab: Lab) -> Iterator[str]:
    """Take all of it away, and wait until it is gone; says what it did, a sentence each."""
    for part in PARTS:
        found = _found(lab, part)
        _remove(lab, part, found)
        yield from (f"removed {part.noun} {each}" for each in found)


def _remove(lab: Lab, part: Part, found: list[str]) -> None:
    """What is refused is asked for again, for what is at work may not be removed yet; left() has the last word."""
    asked = set[str]()
    for _ in range(LOOKS):
        if not found:
            return
        for each in set(found) - asked:
            with suppress(ClientError):
                part.remove(lab, each)
                asked.add(each)
        found = [each for each in _found(lab, part) if each in found]
        time.sleep(watch.PAUSES[lab.target][0] if found else 0)


def _found(lab: Lab, part: Part) -> list[str]:
    try:
        return list(part.find(lab))
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        return []


def _tags(client: Any, member: str, **asked: str) -> Any:
    """The tags of what was listed; none, where it is gone since."""
    try:
        return client.list_tags_for_resource(**asked)[member]
    except ClientError as error:
        if not any(word in error.response["Error"]["Code"] for word in GONE):
            raise
        return ()


def _is(lab: Lab, name: str) -> bool:
    return name == lab.name or name.startswith(f"{lab.name}-")


def _pages(lab: Lab, service: str, call: str, **asked: Any) -> Iterator[dict[str, Any]]:
    yield from lab.client(service).get_paginator(call).paginate(**asked)


def _clusters(lab: Lab) -> Iterator[str]:
    for page in _pages(lab, "emr", "list_clusters", ClusterStates=[*ACTIVE, "TERMINATING"]):
        for one in page["Clusters"]:
            if _is(lab, one["Name"]):
                tags = lab.client("emr").describe_cluster(ClusterId=one["Id"])["Cluster"]["Tags"]
                if lab.tags[0] in tags:
                    yield str(one["Id"])


def _end_cluster(lab: Lab, key: str) -> None:
    emr = lab.client("emr")
    emr.set_termination_protection(JobFlowIds=[key], TerminationProtected=False)
    emr.terminate_job_flows(JobFlowIds=[key])


def _applications(lab: Lab) -> Iterator[str]:
    """Of EMR Serverless."""
    serverless = lab.client("emr-serverless")
    for page in _pages(lab, "emr-serverless", "list_applications"):
        for one in page["applications"]:
            if _is(lab, one.get("name", "")) and one["state"] != "TERMINATED":
                tags = dict(_tags(serverless, "tags", resourceArn=one["arn"]))
                if tags.get(lab.tags[0]["Key"]) == lab.tags[0]["Value"]:
                    yield str(one["id"])


def _end_application(lab: Lab, key: str) -> None:
    """ClientError: it is not at rest yet."""
    serverless = lab.client("emr-serverless")
    for page in _pages(lab, "emr-serverless", "list_job_runs", applicationId=key):
        for run in page["jobRuns"]:
            if run["state"] not in ("SUCCESS", "FAILED", "CANCELLED", "CANCELLING"):
                serverless.cancel_job_run(applicationId=key, jobRunId=run["id"])
    if serverless.get_application(applicationId=key)["application"]["state"] == "STARTED":
        serverless.stop_application(applicationId=key)
    serverless.delete_application(applicationId=key)


def _schedules(lab: Lab) -> Iterator[str]:
    """They have no tags."""
    pages = _pages(lab, "scheduler", "list_schedules", NamePrefix=lab.name)
    return (one["Name"] for page in pages for one in page["Schedules"] if _is(lab, one["Name"]))


def _machines(lab: Lab) -> Iterator[str]:
    states = lab.client("stepfunctions")
    for page in _pages(lab, "stepfunctions", "list_state_machines"):
        for one in page["stateMachines"]:
            if _is(lab, one["name"]):
                tags = _tags(states, "tags", resourceArn=one["stateMachineArn"])
                if {"key": lab.tags[0]["Key"], "value": lab.name} in tags:
                    yield str(one["stateMachineArn"])


def _end_machine(lab: Lab, arn: str) -> None:
    states = lab.client("stepfunctions")
    for page in _pages(lab, "stepfunctions", "list_executions", stateMachineArn=arn, statusFilter="RUNNING"):
        for one in page["executions"]:
            states.stop_execution(executionArn=one["executionArn"])
    states.delete_state_machine(stateMachineArn=arn)


def _mappings(lab: Lab) -> Iterator[str]:
    """A function's readers of streams: they are the lab's where the function is called so."""
    for page in _pages(lab, "lambda", "list_event_source_mappings"):
        for one in page["EventSourceMappings"]:
            if _is(lab, str(one["FunctionArn"]).split(":")[6]):
                yield str(one["UUID"])


def _delivery_streams(lab: Lab) -> Iterator[str]:
    firehose, after = lab.client("firehose"), dict[str, str]()
    while True:
        page = firehose.list_delivery_streams(**after)
        names = page["DeliveryStreamNames"]
        for name in filter(lambda name: _is(lab, name), names):
            if lab.tags[0] in firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"]:
                yield str(name)
        if not page["HasMoreDeliveryStreams"]:
            return
        after = {"ExclusiveStartDeliveryStreamName": names[-1]}


def _data_streams(lab: Lab) -> Iterator[str]:
    for page in _pages(lab, "kinesis", "list_streams"):
        for name in filter(lambda name: _is(lab, name), page["StreamNames"]):
            if lab.tags[0] in lab.client("kinesis").list_tags_for_stream(StreamName=name)["Tags"]:
                yield str(name)


def _crawlers(lab: Lab) -> list[str]:
    return list(lab.client("glue").list_crawlers(Tags={lab.tags[0]["Key"]: lab.name})["CrawlerNames"])


def _triggers(lab: Lab) -> list[str]:
    return list(lab.client("glue").list_triggers(Tags={lab.tags[0]["Key"]: lab.name})["TriggerNames"])


def _workflows(lab: Lab) -> Iterator[str]:
    glue, key = lab.client("glue"), lab.tags[0]["Key"]
    for page in _pages(lab, "glue", "list_workflows"):
        for name in filter(lambda name: _is(lab, name), page["Workflows"]):
            arn = f"arn:aws:glue:{lab.region}:{lab.account}:workflow/{name}"
            if glue.get_tags(ResourceArn=arn)["Tags"].get(key) == lab.name:
                yield str(name)


def _glue_jobs(lab: Lab) -> list[str]:
    return list(lab.client("glue").list_jobs(Tags={lab.tags[0]["Key"]: lab.name})["JobNames"])


def _tables(lab: Lab) -> Iterator[str]:
    dynamodb = lab.client("dynamodb")
    for page in _pages(lab, "dynamodb", "list_tables"):
        for name in filter(lambda name: _is(lab, name), page["TableNames"]):
            arn = f"arn:aws:dynamodb:{lab.region}:{lab.account}:table/{name}"
            if lab.tags[0] in dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]:
                yield str(name)


def _profiles(lab: Lab) -> Iterator[str]:
    """They are of roles of the lab's name."""
    for page in _pages(lab, "iam", "list_instance_profiles"):
        yield from (one["InstanceProfileName"] for one in page["InstanceProfiles"]
                    if _is(lab, one["InstanceProfileName"]))  # fmt: skip


def _remove_profile(lab: Lab, name: str) -> None:
    iam = lab.client("iam")
    for role in iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]:
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role["RoleName"])
    iam.delete_instance_profile(InstanceProfileName=name)


def _lustres(lab: Lab) -> Iterator[str]:
    for page in _pages(lab, "fsx", "describe_file_systems"):
        yield from (one["FileSystemId"] for one in page["FileSystems"] if lab.tags[0] in one.get("Tags", []))


def _targets(lab: Lab) -> Iterator[str]:
    """Mount targets are a part of their file system, which cannot go before them."""
    for name in _shared(lab):
        for page in _pages(lab, "efs", "describe_mount_targets", FileSystemId=name):
            yield from (one["MountTargetId"] for one in page["MountTargets"])


def _shared(lab: Lab) -> Iterator[str]:
    for page in _pages(lab, "efs", "describe_file_systems"):
        yield from (one["FileSystemId"] for one in page["FileSystems"] if lab.tags[0] in one.get("Tags", []))


def _replications(lab: Lab, what: str, name: str, arn: str) -> Iterator[str]:
    """Of DMS: tasks, endpoints, instances."""
    dms = lab.client("dms")
    for page in _pages(lab, "dms", f"describe_{what}"):
        for one in next(value for value in page.values() if isinstance(value, list)):
            if _is(lab, one[name]) and lab.tags[0] in _tags(dms, "TagList", ResourceArn=one[arn]):
                yield str(one[arn])


def _end_replication(lab: Lab, arn: str) -> None:
    """A task that runs is stopped first, and may be removed then."""
    dms = lab.client("dms")
    with suppress(ClientError):
        dms.stop_replication_task(ReplicationTaskArn=arn)
    dms.delete_replication_task(ReplicationTaskArn=arn)


# What starts others stands before them.
PARTS = (
    Part("schedule", _schedules, lambda lab, name: lab.client("scheduler").delete_schedule(Name=name)),
    Part("state machine", _machines, _end_machine),
    Part("EMR cluster", _clusters, _end_cluster),
    Part("EMR Serverless application", _applications, _end_application),
    Part(
        "replication task",
        lambda lab: _replications(lab, "replication_tasks", "ReplicationTaskIdentifier", "ReplicationTaskArn"),
        _end_replication,
    ),
    Part(
        "replication endpoint",
        lambda lab: _replications(lab, "endpoints", "EndpointIdentifier", "EndpointArn"),
        lambda lab, arn: lab.client("dms").delete_endpoint(EndpointArn=arn),
    ),
    Part(
        "replication instance",
        lambda lab: _replications(
            lab, "replication_instances", "ReplicationInstanceIdentifier", "ReplicationInstanceArn"
        ),
        lambda lab, arn: lab.client("dms").delete_replication_instance(ReplicationInstanceArn=arn),
    ),
    Part(
        "event source mapping",
        _mappings,
        lambda lab, key: lab.client("lambda").delete_event_source_mapping(UUID=key),
    ),
    Part(
        "delivery stream",
        _delivery_streams,
        lambda lab, name: lab.client("firehose").delete_delivery_stream(DeliveryStreamName=name),
    ),
    Part("data stream", _data_streams, lambda lab, name: lab.client("kinesis").delete_stream(StreamName=name)),
    Part("trigger", _triggers, lambda lab, name: lab.client("glue").delete_trigger(Name=name)),
    Part("workflow", _workflows, lambda lab, name: lab.client("glue").delete_workflow(Name=name)),
    Part("Glue job", _glue_jobs, lambda lab, name: lab.client("glue").delete_job(JobName=name)),
    Part("crawler", _crawlers, lambda lab, name: lab.client("glue").delete_crawler(Name=name)),
    Part("table", _tables, lambda lab, name: lab.client("dynamodb").delete_table(TableName=name)),
    Part("instance profile", _profiles, _remove_profile),
    Part("Lustre", _lustres, lambda lab, name: lab.client("fsx").delete_file_system(FileSystemId=name)),
    Part("mount target", _targets, lambda lab, name: lab.client("efs").delete_mount_target(MountTargetId=name)),
    Part("EFS", _shared, lambda lab, name: lab.client("efs").delete_file_system(FileSystemId=name)),
)
