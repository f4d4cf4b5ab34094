"""When a step is tried again, and how long after.

https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-retry-policy.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagelab.cloud.engine.pipelines.expressions import BadExpression

THROTTLING, FAULT = "Step.THROTTLING", "Step.SERVICE_FAULT"
INTERNAL, CAPACITY, LIMIT = "SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT"
TYPES = (THROTTLING, FAULT, INTERNAL, CAPACITY, LIMIT)
MAX_INTERVAL, MAX_ATTEMPTS, MAX_MINUTES = 43200, 20, 14400


@dataclass(frozen=True)
class Policy:
    """seconds: to the attempt after the first; rate: by which that grows. minutes: after which none is made."""

    types: tuple[str, ...]
    seconds: float = 1
    rate: float = 2.0
    attempts: int | None = 5
    minutes: float | None = None

    def wait(self, tried: int, elapsed: float) -> float | None:
        """Seconds to the next attempt after `tried` of them, `elapsed` seconds after the first; None: no more."""
        if self.attempts is not None and tried > self.attempts:
            return None
        pause = min(float(self.seconds * self.rate ** min(tried - 1, 30)), float(MAX_INTERVAL))
        return None if self.minutes is not None and elapsed + pause > self.minutes * 60 else pause


USUAL = Policy((THROTTLING, FAULT))  # whatever a step says


def read_policies(step: str, given: Any) -> tuple[Policy, ...]:
    """A step's RetryPolicies, and after them what holds for every step. BadExpression: they are none."""
    if not isinstance(given or [], list):
        raise BadExpression(f"step {step}: RetryPolicies must be a list")
    return (*(_policy(step, each) for each in given or []), USUAL)


def _policy(step: str, given: Any) -> Policy:
    types = given.get("ExceptionType") if isinstance(given, dict) else None
    if not isinstance(types, list) or not types or any(each not in TYPES for each in types):
        raise BadExpression(f"step {step}: a retry policy's ExceptionType is a list of {', '.join(TYPES)}")
    if given.get("MaxAttempts") is not None and given.get("ExpireAfterMin") is not None:
        raise BadExpression(f"step {step}: give a retry policy either MaxAttempts or ExpireAfterMin")
    minutes = _number(step, given, "ExpireAfterMin", MAX_MINUTES)
    attempts = _number(step, given, "MaxAttempts", MAX_ATTEMPTS)
    return Policy(
        tuple(types),
        _number(step, given, "IntervalSeconds", MAX_INTERVAL) or 1,
        _number(step, given, "BackoffRate", 100) or 2.0,
        None if minutes is not None else int(attempts or 5),
        minutes,
    )


def _number(step: str, given: dict[str, Any], member: str, most: float) -> float | None:
    value = given.get(member)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise BadExpression(f"step {step}: {member} of a retry policy is a number to {most}")
    return float(value)


def policy_for(policies: tuple[Policy, ...], kind: str) -> Policy | None:
    """The first policy for a type of exception."""
    return next((policy for policy in policies if kind in policy.types), None)
