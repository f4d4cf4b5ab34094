"""What a lab made, its removal, and the proof that nothing is left.

A lab's SageMaker resources carry its tag; its files lie under its prefix in the default bucket. A kind of
resource that costs money or gets in the way is one row of KINDS. Ended jobs are records: they cost nothing,
and AWS keeps them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

DELAYS = {"local": 1, "aws": 10}  # seconds between two looks of a waiter


@dataclass(frozen=True)
class Kind:
    """One kind of resource: how boto3 lists it, ends it and waits for its end.

    listing and answer: the paginated operation and the member of its answer. stem: "TrainingJob", of which
    the API makes TrainingJobName, TrainingJobArn and TrainingJobStatus. statuses: those in which it counts as
    left; empty: any. removal and waiter: boto3's names; without a waiter it is gone at once, or its status is
    looked at until it is none of `statuses`. done: the participle of the removal.
    """

    noun: str
    listing: str
    answer: str
    stem: str
    statuses: tuple[str, ...]
    removal: str
    waiter: str | None
    done: str


KINDS = (
    Kind(  # before its training jobs: it would start others in their place
        noun="tuning job",
        listing="list_hyper_parameter_tuning_jobs",
        answer="HyperParameterTuningJobSummaries",
        stem="HyperParameterTuningJob",
        statuses=("InProgress", "Stopping"),
        removal="stop_hyper_parameter_tuning_job",
        waiter=None,
        done="stopped",
    ),
    Kind(
        noun="notebook instance",
        listing="list_notebook_instances",
        answer="NotebookInstances",
        stem="NotebookInstance",
        statuses=("InService",),
        removal="stop_notebook_instance",
        waiter="notebook_instance_stopped",
        done="stopped",
    ),
    Kind(
        noun="notebook instance",
        listing="list_notebook_instances",
        answer="NotebookInstances",
        stem="NotebookInstance",
        statuses=("Stopped", "Failed", "Pending", "Stopping", "Updating", "Deleting"),
        removal="delete_notebook_instance",
        waiter="notebook_instance_deleted",
        done="deleted",
    ),
    Kind(
        noun="lifecycle configuration",
        listing="list_notebook_instance_lifecycle_configs",
        answer="NotebookInstanceLifecycleConfigs",
        stem="NotebookInstanceLifecycleConfig",
        statuses=(),
        removal="delete_notebook_instance_lifecycle_config",
        waiter=None,
        done="deleted",
    ),
    Kind(
        noun="training job",
        listing="list_training_jobs",
        answer="TrainingJobSummaries",
        stem="TrainingJob",
        statuses=("InProgress", "Stopping"),
        removal="stop_training_job",
        waiter="training_job_completed_or_stopped",
        done="stopped",
    ),
    Kind(
        noun="processing job",
        listing="list_processing_jobs",
        answer="ProcessingJobSummaries",
        stem="ProcessingJob",
        statuses=("InProgress", "Stopping"),
        removal="stop_processing_job",
        waiter="processing_job_completed_or_stopped",
        done="stopped",
    ),
    Kind(
        noun="transform job",
        listing="list_transform_jobs",
        answer="TransformJobSummaries",
        stem="TransformJob",
        statuses=("InProgress", "Stopping"),
        removal="stop_transform_job",
        waiter="transform_job_completed_or_stopped",
        done="stopped",
    ),
    Kind(
        noun="compilation job",
        listing="list_compilation_jobs",
        answer="CompilationJobSummaries",
        stem="CompilationJob",
        statuses=("STARTING", "INPROGRESS", "STOPPING"),
        removal="stop_compilation_job",
        waiter=None,
        done="stopped",
    ),
    Kind(
        noun="endpoint",
        listing="list_endpoints",
        answer="Endpoints",
        stem="Endpoint",
        statuses=(),
        removal="delete_endpoint",
        waiter="endpoint_deleted",
        done="deleted",
    ),
    Kind(
        noun="endpoint configuration",
        listing="list_endpoint_configs",
        answer="EndpointConfigs",
        stem="EndpointConfig",
        statuses=(),
        removal="delete_endpoint_config",
        waiter=None,
        done="deleted",
    ),
    Kind(
        noun="model",
        listing="list_models",
        answer="Models",
        stem="Model",
        statuses=(),
        removal="delete_model",
        waiter=None,
        done="deleted",
    ),
)


def clean(lab: Lab) -> list[str]:
    """End what the lab still runs, wait for it, and delete its files; says what it did, a sentence each."""
    did = [_remove(lab, kind, found) for kind in KINDS for found in list(_found(lab, kind))]
    count = _delete_objects(lab)
    return did + ([f"deleted {count} files under {lab.uri()}/"] if count else [])


def labs(lab: Lab) -> list[str]:
    """The names of all labs that have left something that costs or gets in the way: the values of their tag.

    Of a lab that left nothing but files, nothing is known: its name must be given.
    """
    found = {
        tag["Value"]
        for kind in KINDS
        for summary in _summaries(lab, kind)
        for tag in _tags(lab, summary[f"{kind.stem}Arn"])
        if tag["Key"] == lab.tags[0]["Key"]
    }
    return sorted(found)


def leftovers(lab: Lab) -> pd.DataFrame:
    """What is left of the lab: kind, name, status. Empty when it is clean."""
    import pandas as pd

    rows = [
        (kind.noun, found[f"{kind.stem}Name"], found.get(f"{kind.stem}Status", "there"))
        for kind in KINDS
        for found in _found(lab, kind)
    ]
    rows += [("file", f"s3://{lab.bucket}/{key}", "stored") for key in _keys(lab)]
    return pd.DataFrame(rows, columns=["kind", "name", "status"])


def assert_clean(lab: Lab) -> None:
    """Prove that nothing is left of the lab, and say so. AssertionError: what is left."""
    left = leftovers(lab)
    if len(left):
        raise AssertionError(f"{len(left)} things are left of {lab.name}:\n{left.to_string(index=False)}")
    print(f"Nothing is left of {lab.name}: nothing runs, no file is stored.")


def _found(lab: Lab, kind: Kind) -> Iterator[dict[str, Any]]:
    """Summaries of the lab's resources of this kind: those that carry its tag."""
    for summary in _summaries(lab, kind):
        if lab.tags[0] in _tags(lab, summary[f"{kind.stem}Arn"]):
            yield summary


def _summaries(lab: Lab, kind: Kind) -> Iterator[dict[str, Any]]:
    """Summaries of all resources of this kind that count as left, whosever they are."""
    filters: list[dict[str, str]] = [{"StatusEquals": status} for status in kind.statuses] or [{}]
    for each in filters:
        for page in lab.client("sagemaker").get_paginator(kind.listing).paginate(**each):
            yield from page[kind.answer]


def _tags(lab: Lab, arn: str) -> list[dict[str, str]]:
    pages = lab.client("sagemaker").get_paginator("list_tags").paginate(ResourceArn=arn)
    return [tag for page in pages for tag in page["Tags"]]


def _remove(lab: Lab, kind: Kind, found: dict[str, Any]) -> str:
    sagemaker = lab.client("sagemaker")
    name = {f"{kind.stem}Name": found[f"{kind.stem}Name"]}
    with contextlib.suppress(ClientError):  # it may have ended by itself meanwhile; leftovers() has the last word
        getattr(sagemaker, kind.removal)(**name)
    if kind.waiter:
        with contextlib.suppress(WaiterError):  # a job that fails while it is stopped has ended too
            sagemaker.get_waiter(kind.waiter).wait(
                **name, WaiterConfig={"Delay": DELAYS[lab.target], "MaxAttempts": 200}
            )
    elif kind.statuses:
        _wait_end(lab, kind, found[f"{kind.stem}Arn"])
    return f"{kind.done} {kind.noun} {found[f'{kind.stem}Name']}"


def _wait_end(lab: Lab, kind: Kind, arn: str) -> None:
    """Wait until a resource is in none of the statuses of its kind, where boto3 has no waiter for that."""
    for _ in range(200):
        if arn not in [summary[f"{kind.stem}Arn"] for summary in _found(lab, kind)]:
            return
        time.sleep(DELAYS[lab.target])


def _keys(lab: Lab) -> Iterator[str]:
    pages = lab.client("s3").get_paginator("list_objects_v2").paginate(Bucket=lab.bucket, Prefix=f"{lab.prefix}/")
    return (item["Key"] for page in pages for item in page.get("Contents", []))


def _delete_objects(lab: Lab) -> int:
    """Delete all objects under the lab's prefix, a thousand a request (S3's limit); returns how many."""
    keys = list(_keys(lab))
    for start in range(0, len(keys), 1000):
        batch = [{"Key": key} for key in keys[start : start + 1000]]
        answer = lab.client("s3").delete_objects(Bucket=lab.bucket, Delete={"Objects": batch, "Quiet": True})
        if answer.get("Errors"):
            first = answer["Errors"][0]
            raise RuntimeError(f"s3://{lab.bucket}/{first['Key']} could not be deleted: {first['Message']}")
    return len(keys)
