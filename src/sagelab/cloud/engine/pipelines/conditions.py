"""The conditions of a Condition step. All of a list must hold.

Comparisons are of numbers with numbers and of texts with texts; Equals and In compare anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagelab.cloud.engine.pipelines.expressions import BadExpression, Scope, evaluate

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "Equals": lambda left, right: left == right,
    "GreaterThan": lambda left, right: left > right,
    "GreaterThanOrEqualTo": lambda left, right: left >= right,
    "LessThan": lambda left, right: left < right,
    "LessThanOrEqualTo": lambda left, right: left <= right,
}
MEMBERS = {
    **dict.fromkeys(COMPARISONS, ("LeftValue", "RightValue")),
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}


def check(step: str, conditions: Any) -> None:
    """BadExpression: they are no conditions."""
    if not isinstance(conditions, list) or not conditions:
        raise BadExpression(f"step {step}: Conditions must be a list of conditions")
    for one in conditions:
        kind = one.get("Type") if isinstance(one, dict) else None
        if not isinstance(kind, str) or kind not in MEMBERS:
            raise BadExpression(f"step {step}: there is no condition of type {kind!r}")
        if missing := [name for name in MEMBERS[kind] if name not in one]:
            raise BadExpression(f"step {step}: the condition {kind} has no {missing[0]}")
        if kind in ("Not", "Or"):
            check(step, one["Conditions"] if kind == "Or" else [one["Condition"]])


def hold(conditions: list[Any], scope: Scope) -> bool:
    """Whether all of them hold. BadExpression: a value that cannot be had or compared."""
    return all(_holds(one, scope) for one in conditions)


def _holds(one: dict[str, Any], scope: Scope) -> bool:
    kind = one["Type"]
    if kind == "Not":
        return not _holds(one["Condition"], scope)
    if kind == "Or":
        return any(_holds(each, scope) for each in one["Conditions"])
    left, right = (evaluate(one[name], scope) for name in MEMBERS[kind])
    try:
        return bool(left in right if kind == "In" else COMPARISONS[kind](left, right))
    except TypeError:
        raise BadExpression(f"{kind}: {left!r:.80} and {right!r:.80} cannot be compared") from None
