"""Which steps' earlier results count: the same step with the same arguments, not too long ago.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-caching.html
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from sagelab.cloud.engine.pipelines.expressions import BadExpression

_DURATION = re.compile(
    r"P?(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.IGNORECASE
)
_SECONDS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)
TUNING = (
    "AlgorithmSpecification",
    "CheckpointConfig",
    "Environment",
    "InputDataConfig",
    "StaticHyperParameters",
    "HyperParameterRanges",
    "TuningObjective",
)
# What of a step's arguments makes it the same: neither instances nor places for outputs do.
ARGUMENTS = {
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
    "Tuning": ("HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions"),
    "Transform": ("DataProcessing", "Environment", "ModelName", "TransformInput"),
}


@dataclass(frozen=True)
class Cache:
    """A step's CacheConfig, where it is on. seconds: how old a result may be; None: any."""

    seconds: int | None


def read_cache(step: str, given: Any) -> Cache | None:
    """A CacheConfig; None where it is off. BadExpression: it is none."""
    if not given:
        return None
    if not isinstance(given, dict) or not isinstance(given.get("Enabled", False), bool):
        raise BadExpression(f"step {step}: CacheConfig has Enabled, true or false, and ExpireAfter")
    expires = given.get("ExpireAfter")
    if not given.get("Enabled"):
        return None
    return Cache(None if expires is None else _seconds(step, expires))


def _seconds(step: str, given: Any) -> int:
    """ISO 8601's durations, and without the P, as AWS takes them: "P30d", "30d", "T16m"."""
    found = _DURATION.fullmatch(given) if isinstance(given, str) and len(given) < 40 else None
    if found is None or not any(found.groups()):
        raise BadExpression(f"step {step}: ExpireAfter {str(given)[:40]!r} is not a duration of ISO 8601")
    return sum(int(number) * each for number, each in zip(found.groups(), _SECONDS, strict=True) if number)


def key_of(kind: str, arguments: dict[str, Any]) -> str | None:
    """What two runs of a step have in common whose results are the same; None for a type that has no cache."""
    if kind not in ARGUMENTS and kind not in ("Lambda", "EMR", "EMRServerless"):
        return None
    names = ARGUMENTS.get(kind, tuple(arguments))  # all that a function or a cluster is told makes it so
    kept = {name: arguments[name] for name in names if name in arguments}
    if kind == "Tuning":
        for name in ("TrainingJobDefinition", "TrainingJobDefinitions"):
            kept[name] = _of_definitions(kept.get(name))
    return hashlib.sha256(json.dumps([kind, kept], sort_keys=True, default=str).encode()).hexdigest()


def _of_definitions(given: Any) -> Any:
    if isinstance(given, list):
        return [_of_definitions(each) for each in given]
    return {name: given[name] for name in TUNING if name in given} if isinstance(given, dict) else given
