"""What a Cleanup step deletes: objects in S3 that earlier steps of its execution wrote.

Of a training job it is all of its output; of a processing job or a transform the objects that are named, which
must lie in an output of that job.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.data.channels import Location
from sagelab.cloud.engine.pipelines.expressions import BadExpression
from sagelab.cloud.engine.pipelines.kinds import files_of

WHOLE, NAMED = ("Training",), ("Processing", "Transform")
AT_ONCE = 1000  # objects of a request


def sources(step: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """What is to be cleaned, by steps. BadExpression: it is not said as a Cleanup step says it."""
    resources = arguments.get("Resources")
    found = resources.get("S3") if isinstance(resources, dict) else None
    if not isinstance(found, list) or not found:
        raise BadExpression(f"step {step}: Resources.S3 must be a list of steps to clean up after")
    for one in found:
        uris = one.get("S3Uris", []) if isinstance(one, dict) else None
        if not isinstance(uris, list) or not isinstance(one.get("StepName"), str):
            raise BadExpression(f"step {step}: each of Resources.S3 has a StepName, and may have a list of S3Uris")
    return found


def check(step: str, found: list[dict[str, Any]], kinds: dict[str, str]) -> None:
    """BadExpression: a step of this type cannot be cleaned up after so. kinds: step -> its type."""
    for one in found:
        kind = kinds.get(one["StepName"], "")
        if kind not in (NAMED if one.get("S3Uris") else WHOLE):
            raise BadExpression(
                f"step {step}: {one['StepName']} is of type {kind}; the local cloud cleans up after"
                f" {', '.join(WHOLE)} without S3Uris, after {' and '.join(NAMED)} with them"
            )


def clean(s3: Any, step: str, uris: list[str] | None, job: dict[str, Any]) -> None:
    """Delete what a step's job wrote. job: its description. BadExpression: it cannot be deleted, and why."""
    try:
        places = [channels.locate(str(uri)) for uri in uris] if uris else list(_whole(s3, job))
        outputs = [channels.locate(uri) for uri in _outputs(job)]
    except ValueError as error:
        raise BadExpression(f"{step}: {error}") from None
    for place in places:
        if uris and not any(_lies_in(place, output) for output in outputs):
            raise BadExpression(f"{step}: {place} does not lie in an output of its job")
    for bucket in sorted({place.bucket for place in places}):
        objects = [{"Key": place.key} for place in places if place.bucket == bucket]
        for start in range(0, len(objects), AT_ONCE):
            _delete(s3, step, bucket, objects[start : start + AT_ONCE])


def _delete(s3: Any, step: str, bucket: str, objects: list[dict[str, str]]) -> None:
    try:
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise BadExpression(f"{step}: {error}") from None
    for left in answer.get("Errors", []):
        raise BadExpression(f"{step}: {left.get('Key')} was not deleted: {left.get('Code')}")


def _whole(s3: Any, job: dict[str, Any]) -> Iterator[Location]:
    """All that a training job wrote: its model, and what lies beside it."""
    model = channels.locate(job["ModelArtifacts"]["S3ModelArtifacts"])
    folder = Location(model.bucket, model.key.rpartition("/")[0] + "/")
    yield from (Location(folder.bucket, key) for key in channels.find_objects(s3, folder))


def _outputs(job: dict[str, Any]) -> Iterator[str]:
    yield from (uri for _, uri in files_of(job))
    if "TransformOutput" in job:
        yield job["TransformOutput"]["S3OutputPath"]


def _lies_in(place: Location, output: Location) -> bool:
    return place.bucket == output.bucket and place.key.startswith(output.join("").key)
