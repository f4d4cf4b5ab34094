"""A network's operations as the compiler makes faster code of them: the same results, to float32's last digits.

A rule looks at one operation and returns what computes its output from its first input (the other, its weights, is
constant), or None where the operation is well as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from sagelab.neo import depthwise, products, winograd

RULES = (winograd.rule, depthwise.rule, products.rule)


def rewrite(tf: Any, frozen: Any) -> Callable[..., list[Any]]:
    """The function `frozen`, whose weights are constants, with each operation rewritten for which a rule is.

    `frozen` itself where there is none, or where it calls other functions (loops).
    """
    operations = frozen.graph.get_operations()
    made = {op.name: made for op in operations if (made := find(tf, op))}
    if not made or any(_calls(op) for op in operations):
        return lambda *given: list(frozen(*given))
    wanted = _wanted(frozen, made)

    def rewritten(*given: Any) -> list[Any]:
        graph = tf.compat.v1.get_default_graph()
        known = {tensor.name: value for tensor, value in zip(frozen.inputs, given, strict=True)}
        for op in operations:
            if op.type == "Placeholder" or op.name not in wanted:
                continue
            if op.name in made:
                outputs = [made[op.name](known[op.inputs[0].name])]
            else:
                inputs = [known[tensor.name] for tensor in op.inputs]
                types = [tensor.dtype for tensor in op.outputs]
                outputs = graph.create_op(op.type, inputs, types, attrs=dict(op.node_def.attr)).outputs
            known |= {tensor.name: value for tensor, value in zip(op.outputs, outputs, strict=True)}
        return [known[tensor.name] for tensor in frozen.outputs]

    return rewritten


def _wanted(frozen: Any, made: Container[str]) -> set[str]:
    """The operations that the outputs need: weights that a rewritten one has laid out anew are no more of them."""
    found: set[str] = set()
    left = [tensor.op for tensor in frozen.outputs]
    while left:
        op = left.pop()
        if op.name not in found:
            found.add(op.name)
            inputs = op.inputs[:1] if op.name in made else op.inputs
            left += [tensor.op for tensor in inputs] + list(op.control_inputs)
    return found


def find(tf: Any, op: Any) -> Callable[[Any], Any] | None:
    """What computes this operation faster, if anything does."""
    return next((made for rule in RULES if (made := rule(tf, op))), None)


def _calls(op: Any) -> bool:
    return any(value.HasField("func") for value in op.node_def.attr.values())
