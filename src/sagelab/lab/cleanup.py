"""What a lab made, its removal, and the proof that nothing is left.

A lab's SageMaker resources carry its tag; its files lie under its prefix in the default bucket. What costs money
or gets in the way, and how it is removed, is said by the catalog's rows, in their order, and for other services by
elsewhere.py. Ended jobs are records: they cost nothing, and AWS keeps them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError

from sagelab import catalog
from sagelab.catalog import Kind, Removal
from sagelab.lab import elsewhere, watch

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

GONE = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException")  # of the tags of what is not there
LOOKS = 1000  # at what is being removed, before it is left to itself


def clean(lab: Lab) -> list[str]:
    """End what the lab still runs, wait for it, and delete its files; says what it did, a sentence each."""
    steps = [(kind, step) for kind in catalog.KINDS for step in kind.removal]
    did = [
        _remove(lab, kind, step, kind.address(found))
        for kind, step in steps
        for found in list(_found(lab, kind, step.statuses))
    ]
    did += elsewhere.remove(lab)
    count = _delete_objects(lab)
    return did + ([f"deleted {count} files under {lab.uri()}/"] if count else [])


def labs(lab: Lab) -> list[str]:
    """The names of all labs that have left something that costs or gets in the way: the values of their tag.

    Of a lab that left nothing but files, nothing is known: its name must be given.
    """
    found = {
        tag["Value"]
        for kind in catalog.KINDS
        if not kind.within
        for summary in _summaries(lab, kind, _left(kind))
        for tag in _tags(lab, kind.arn_in(summary))
        if tag["Key"] == lab.tags[0]["Key"]
    }
    return sorted(found)


def leftovers(lab: Lab) -> pd.DataFrame:
    """What is left of the lab: kind, name, status. Empty when it is clean."""
    import pandas as pd

    rows = [*running(lab), *((noun, name, "there") for noun, name in elsewhere.left(lab))]
    rows += [("file", f"s3://{lab.bucket}/{key}", "stored") for key in _keys(lab)]
    return pd.DataFrame(rows, columns=["kind", "name", "status"])


def running(lab: Lab) -> Iterator[tuple[str, str, str]]:
    """The same as rows, without the files."""
    for kind in catalog.KINDS:
        for found in _found(lab, kind, _left(kind)):
            yield kind.noun, kind.address(found), found.get(kind.status_member, "there")


def assert_clean(lab: Lab) -> None:
    """Prove that nothing is left of the lab, and say so. AssertionError: what is left."""
    left = leftovers(lab)
    if len(left):
        raise AssertionError(f"{len(left)} things are left of {lab.name}:\n{left.to_string(index=False)}")
    print(f"Nothing is left of {lab.name}: nothing runs, no file is stored.")


def _left(kind: Kind) -> tuple[str, ...]:
    """The statuses in which a resource counts as left: those of any step of its removal; empty: any."""
    steps = [step.statuses for step in kind.removal]
    return tuple(status for statuses in steps for status in statuses) if all(steps) else ()


def _found(lab: Lab, kind: Kind, statuses: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Summaries of the lab's resources of this kind in one of these statuses: those that carry its tag.

    What is a part of another resource is the lab's where that is.
    """
    if kind.within:
        owner = catalog.of_stem(kind.within)
        for found in _found(lab, owner, ()):
            parts = _summaries(lab, kind, (), **{owner.name_member: found[owner.name_member]})
            yield from (each for each in parts if not statuses or each[kind.status_member] in statuses)
        return
    for summary in _summaries(lab, kind, statuses):
        if lab.tags[0] in _tags(lab, kind.arn_in(summary)):
            yield summary


def _summaries(lab: Lab, kind: Kind, statuses: tuple[str, ...], **owner: str) -> Iterator[dict[str, Any]]:
    """Summaries of all resources of this kind in one of these statuses, whosever they are.

    What changes by itself is asked for before what rests, so that nothing goes from one to the other unseen.
    """
    order = sorted(statuses, key=lambda status: status not in kind.running)
    filters: list[dict[str, str]] = [{"StatusEquals": status} for status in order] or [{}]
    for each in filters:
        for page in _pages(lab.client("sagemaker"), xform_name(kind.operation("List")), {**each, **owner}):
            yield from page[kind.listed]


def _pages(sagemaker: Any, call: str, asked: dict[str, str]) -> Iterator[dict[str, Any]]:
    """By the tokens themselves: boto3 has no paginator for ListProjects in SageMaker Studio's image."""
    token: dict[str, str] | None = {}
    while token is not None:
        page = getattr(sagemaker, call)(**asked, **token)
        token = {"NextToken": page["NextToken"]} if page.get("NextToken") else None
        yield page


def _tags(lab: Lab, arn: str) -> list[dict[str, str]]:
    """None where somebody has deleted it meanwhile."""
    pages = lab.client("sagemaker").get_paginator("list_tags").paginate(ResourceArn=arn)
    try:
        return [tag for page in pages for tag in page["Tags"]]
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
        return []


def _remove(lab: Lab, kind: Kind, step: Removal, name: str) -> str:
    """Take one step of a removal, and wait for its end; leftovers() has the last word on it.

    What is refused is asked for again, for a resource that changes may not be removed yet.
    """
    remove, accepted = getattr(lab.client("sagemaker"), xform_name(kind.operation(step.verb))), False
    for _ in range(LOOKS):
        try:
            accepted = accepted or bool(remove(**{kind.name_member: name}))
        except ClientError:
            if not kind.running:
                break
        if not _applies(lab, kind, step, name):
            break
        time.sleep(watch.PAUSES[lab.target][0])
    return f"{step.done} {kind.noun} {name}"


def _applies(lab: Lab, kind: Kind, step: Removal, name: str) -> bool:
    """Whether a resource is still there, in one of the statuses of a step."""
    try:
        found = watch.look(lab, kind, name)
    except ClientError:
        return False
    return not step.statuses or found[kind.status_member] in step.statuses


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
