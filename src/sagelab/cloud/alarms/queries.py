"""Metrics and expressions as requests name them (MetricDataQuery), read over periods.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sagelab.cloud.alarms import frames
from sagelab.cloud.alarms.expressions import MathError
from sagelab.cloud.alarms.samples import PLAIN, is_statistic
from sagelab.cloud.errors import ValidationError

Query = dict[str, Any]

_ID = re.compile(r"[a-z]\w*", re.ASCII)
_INSIGHTS = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_STATISTICS = f"the local cloud computes {', '.join(PLAIN)} and percentiles, p0 to p100."


def check(queries: Sequence[Query], member: str) -> None:
    """ValidationError: what they ask for is none, or is not here. member: of the request, that has them."""
    known = [str(one.get("Id", "")) for one in queries]
    for number, query in enumerate(queries, 1):
        name, place = known[number - 1], f"{member}.member.{number}"
        if not _ID.fullmatch(name):
            raise ValidationError(f"The value {name} for parameter {place}.Id is not matching {_ID.pattern}.")
        if known.count(name) > 1:
            raise ValidationError(f"The values for parameter id in {member} are not unique.")
        if "MetricStat" in query and "Expression" in query:
            raise ValidationError(f"The parameters {place}.MetricStat and {place}.Expression exclude each other.")
        if "MetricStat" in query:
            check_statistic(query["MetricStat"]["Stat"], "MetricStat.Stat")
        elif "Expression" in query:
            check_expression(name, query["Expression"], set(known))
        else:
            raise ValidationError(f"The parameter {place}.MetricStat is required.\n")


def check_statistic(name: str, parameter: str) -> None:
    if not is_statistic(name):
        raise ValidationError(f"The value {name} for parameter {parameter} is not supported: {_STATISTICS}")


def check_expression(name: str, text: str, known: set[str]) -> None:
    if _INSIGHTS.match(text):
        raise ValidationError(f"Error in expression '{name}': the local cloud has no Metrics Insights.")
    try:
        frames.check(text, known)
    except MathError as error:
        raise ValidationError(f"Error in expression '{name}': {error}") from None
