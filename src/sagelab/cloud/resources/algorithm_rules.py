"""What a job of a built-in algorithm must satisfy when it is created; its container looks at all else.

Messages are SageMaker's where it has one for the case.
"""

from __future__ import annotations

import re
from typing import Any

from sagelab.algorithms.definition import Range
from sagelab.algorithms.definitions import known
from sagelab.cloud.engine.images.registry import ALGORITHM, Image
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.tuning_ranges import LISTS

LONGEST_WAIT = 3600  # seconds of a spot job that leaves no checkpoints
GPU = re.compile(r"ml\.[pg]\d")


def check_training(image: Image | None, job: Params) -> None:
    """ValidationException: the job asks for instances that the algorithm does not train on."""
    if image is None or image.server != ALGORITHM:
        return
    name, definition = _name(image), known(image.algorithm)
    kind, count = job["ResourceConfig"]["InstanceType"], job["ResourceConfig"]["InstanceCount"]
    if definition and definition.gpu and not GPU.match(kind):
        # https://github.com/aws/amazon-sagemaker-examples/issues/1951
        raise ValidationException(
            f"Instance type {kind} is not supported by algorithm {name}; only GPU instances are supported."
        )
    wait = job.get("StoppingCondition", {}).get("MaxWaitTimeInSeconds", 0)
    if definition and not definition.checkpoints and wait > LONGEST_WAIT:
        # https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
        raise ValidationException(
            f"Invalid MaxWaitTimeInSeconds. The algorithm {name} does not checkpoint, so it must be less than or"
            f" equal to {LONGEST_WAIT}."
        )
    if count > 1:
        raise ValidationException(
            f"ResourceConfig.InstanceCount {count}: the local cloud trains the built-in algorithm {name} on one"
            " instance; xgboost and the frameworks' images train on several."
        )


def check_objective(image: Image | None, metric: str) -> None:
    """ValidationException: a tuning job's objective is none that the algorithm computes for it."""
    definition = known(image.algorithm) if image else None
    if image and definition and definition.objectives and metric not in definition.objectives:
        raise ValidationException(
            f"The objective metric for the hyperparameter tuning job, [{metric}], isn't valid for the"
            f" [{_name(image)}] algorithm. Choose a valid objective metric:"
            f" [{', '.join(definition.objectives)}]."
        )


def check_ranges(image: Image | None, ranges: Params) -> None:
    """ValidationException: a hyperparameter cannot be tuned, or not so far."""
    definition = known(image.algorithm) if image else None
    if image is None or definition is None or not definition.tunable:
        return
    for listed in LISTS:
        for item in ranges.get(listed, []):
            allowed = definition.tunable.get(item["Name"])
            if allowed is None:
                raise ValidationException(
                    f"The hyperparameter [{item['Name']}] can't be tuned with the [{_name(image)}] algorithm."
                    f" Choose from the following: [{', '.join(definition.tunable)}]."
                )
            _check_range(item, listed, allowed)


def _check_range(item: dict[str, Any], listed: str, allowed: Range | tuple[str, ...]) -> None:
    name = item["Name"]
    if listed == "CategoricalParameterRanges":
        good = _values(item["Values"], allowed)
    elif isinstance(allowed, Range):
        low, high = float(item["MinValue"]), float(item["MaxValue"])
        good = allowed.low <= low and high <= allowed.high and (listed[0] == "I" or not allowed.whole)
    else:
        good = False
    if not good:
        kind = "integer" if isinstance(allowed, Range) and allowed.whole else "continuous"
        wanted = f"{kind}, from {allowed.low:g} to {allowed.high:g}" if isinstance(allowed, Range) else None
        raise ValidationException(
            f"The range of hyperparameter [{name}] isn't valid. It must be within"
            f" [{wanted or 'categorical, of ' + ', '.join(allowed)}]."  # type: ignore[arg-type]
        )


def _values(values: list[str], allowed: Range | tuple[str, ...]) -> bool:
    if not isinstance(allowed, Range):
        return all(value in allowed for value in values)
    try:
        return all(allowed.low <= float(value) <= allowed.high for value in values)
    except ValueError:
        return False


def _name(image: Image) -> str:
    return image.repository.partition("/")[0]
