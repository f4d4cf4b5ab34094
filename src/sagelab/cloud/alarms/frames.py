"""The expressions of a request, worked out over its metrics."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field

from sagelab.cloud.alarms import expressions
from sagelab.cloud.alarms.expressions import Call, Listed, MathError, Name, Node, Number, Text
from sagelab.cloud.alarms.series import (
    EACH,
    FUNCTIONS,
    OPERATORS,
    Array,
    Series,
    Times,
    Value,
    array,
    finite,
    mapped,
    spread,
    valued,
)

NOT_HERE = {
    "ANOMALY_DETECTION_BAND": "anomaly detection",
    "DB_PERF_INSIGHTS": "Performance Insights",
    "INSIGHT_RULE_METRIC": "Contributor Insights",
    "LAMBDA": "data sources beside CloudWatch",
    "SEARCH": "search expressions",
    "SERVICE_QUOTA": "service quotas",
}
DEEPEST = 50  # expressions of which one needs the other
MOST = 5_000_000  # values that the expressions of a request may go over
WORDS = ("REPEAT", "LINEAR", "ASC", "DESC", "AVG", "MIN", "MAX", "SUM")


@dataclass
class Frame:
    """What expressions are about. times: when all periods begin, in order. metrics, texts: by Id, in order."""

    times: Times
    metrics: dict[str, Series]
    texts: dict[str, str]
    _known: dict[str, Value] = field(default_factory=dict)
    _under_way: set[str] = field(default_factory=set)
    _left: int = MOST

    def result(self, name: str) -> Array:
        """The time series of an expression, by its Id. MathError: it has none."""
        found = self.value(name)
        if isinstance(found, Series):
            return [found]
        if isinstance(found, list):
            return found
        raise MathError("The result of an expression must be a time series or an array of time series")

    def value(self, name: str) -> Value:
        """Of a metric or an expression, by its Id."""
        if name in self.metrics:
            return self.metrics[name]
        if name not in self.texts:
            raise MathError(f"{name} is not the Id of a metric or of an expression")
        if name not in self._known:
            if name in self._under_way or len(self._under_way) == DEEPEST:
                raise MathError(f"{name} depends on {'itself' if name in self._under_way else 'too many others'}")
            self._under_way.add(name)
            self._known[name] = self._work_out(expressions.parse(self.texts[name]))
            self._under_way.remove(name)
        return self._known[name]

    def _work_out(self, node: Node) -> Value:
        if isinstance(node, Number | Text):
            return node.value
        if isinstance(node, Name):
            return node.value if node.value in WORDS else self.value(node.value)
        if isinstance(node, Listed):
            return [one for item in node.items for one in array(self._work_out(item))]
        if node.name == "METRICS":
            return self._metrics(node.arguments)
        if node.name == "PERIOD":
            return self._period(node.arguments)
        return self._call(node)

    def _call(self, node: Call) -> Value:
        """The result of an operator or a function."""
        arguments = [self._work_out(one) for one in node.arguments]
        self._left -= sum(
            len(one.values) for value in arguments if not isinstance(value, float | str) for one in array(value)
        )
        if self._left < 0:
            raise MathError("There are too many data points to work it out")
        if node.name in OPERATORS:
            return spread(OPERATORS[node.name], arguments[0], arguments[1])
        if node.name in ("neg", *EACH):
            (one,) = _counted(node.name, arguments, 1)
            act = EACH.get(node.name, operator.neg)
            return finite(act, one) if isinstance(one, float) else mapped(one, lambda series: valued(series, act))
        if node.name not in FUNCTIONS:
            raise MathError(refusal(node.name) or f"Unknown function {node.name}")
        function, least, most = FUNCTIONS[node.name]
        return function(self.times, *_counted(node.name, arguments, least, most))

    def _metrics(self, arguments: tuple[Node, ...]) -> Array:
        """All metrics of the request, or those whose Id has a text in it."""
        if len(arguments) > 1 or (arguments and not isinstance(arguments[0], Text)):
            raise MathError("METRICS takes nothing, or one text")
        part = arguments[0].value if arguments and isinstance(arguments[0], Text) else ""
        return [series for name, series in self.metrics.items() if part in name]

    def _period(self, arguments: tuple[Node, ...]) -> float:
        if len(arguments) != 1 or not isinstance(arguments[0], Name) or arguments[0].value not in self.metrics:
            raise MathError("PERIOD takes a metric")
        return float(self.metrics[arguments[0].value].period)


def check(text: str, known: set[str]) -> None:
    """MathError: a text is no expression over what is known by Id."""
    node = expressions.parse(text)
    for name in sorted(expressions.calls(node)):
        own = name in FUNCTIONS or name in EACH or name in OPERATORS or name in ("neg", "METRICS", "PERIOD")
        if not own:
            raise MathError(refusal(name) or f"Unknown function {name}")
    if unknown := sorted(expressions.names(node) - known - set(WORDS)):
        raise MathError(f"{unknown[0]} is not the Id of a metric or of an expression")


def refusal(function: str) -> str:
    """Why a function of AWS's is not here; "" where it is none of these."""
    return (
        f"{function} is not supported: the local cloud has no {NOT_HERE[function]}" if function in NOT_HERE else ""
    )


def _counted(name: str, arguments: list[Value], least: int, most: int | None = None) -> list[Value]:
    if not least <= len(arguments) <= (most or least):
        raise MathError(f"{name} does not take {len(arguments)} arguments")
    return arguments
