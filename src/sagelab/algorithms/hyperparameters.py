"""The hyperparameters of Amazon's own built-in algorithms: each has a default or is required, some can be `auto`.

Refusals are in the words of those containers:
https://github.com/aws/sagemaker-python-sdk/issues/132 (missing),
https://github.com/awsdocs/amazon-sagemaker-developer-guide/pull/159 (no valid value).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagelab.algorithms.job import UserError
from sagelab.algorithms.parameters import Parameter
from sagelab.algorithms.program import line

WHY = "(caused by ValidationError)"
# What the platform itself or an engineer of Amazon's may set; the first is set by a tuning job.
INTERNAL = (
    *("_tuning_objective_metric", "_kvstore", "_log_level", "_num_gpus", "_num_kv_servers", "_num_slices"),
    *("_disable_wait_to_read", "_enable_profiler", "_data_format", "_wd_mult", "_optimizer"),
)


@dataclass(frozen=True)
class Hyperparameter:
    """parameter: how its text is read. default: its value where it is not set. auto: the word `auto` is good too,
    and gives the default."""

    parameter: Parameter
    default: Any = None
    required: bool = False
    auto: bool = False


def required(parameter: Parameter) -> Hyperparameter:
    return Hyperparameter(parameter, required=True)


def optional(parameter: Parameter, default: Any = None) -> Hyperparameter:
    return Hyperparameter(parameter, default)


def auto(parameter: Parameter, default: Any = None) -> Hyperparameter:
    """default: what the algorithm makes of `auto`; None: it finds that out from the data."""
    return Hyperparameter(parameter, default, auto=True)


def boolean() -> Parameter:
    values = {"true": True, "1": True, "false": False, "0": False}

    def read(text: str) -> bool:
        found = values.get(text.lower())
        if found is None:
            raise ValueError(text)
        return found

    return Parameter(read, range="'true', 'false'")


def either(word: str, parameter: Parameter) -> Parameter:
    """A word, or what a parameter takes."""
    return Parameter(
        lambda text: word if text == word else parameter.read(text),
        lambda value: value == word or parameter.fits(value),
        f"'{word}', or what is in {parameter.range}",
    )


def names(*known: str) -> Parameter:
    """A JSON list of some of these."""

    def fits(found: Any) -> bool:
        return isinstance(found, list) and bool(found) and all(name in known for name in found)

    return Parameter(_json, fits, str(list(known)))


def read(sent: Mapping[str, str], known: Mapping[str, Hyperparameter]) -> dict[str, Any]:
    """A value for every name that is known. UserError: one is missing, unknown, or no good."""
    line(f"Reading default configuration: {json.dumps({name: each.default for name, each in known.items()})}")
    line(f"Merging with provided configuration from /opt/ml/input/config/hyperparameters.json: {json.dumps(sent)}")
    unknown = sorted(name for name in sent if name not in known and name not in INTERNAL)
    if unknown:
        were = "was" if len(unknown) == 1 else "were"
        raise UserError(f"Additional hyperparameters are not allowed ({_quoted(unknown)} {were} unexpected) {WHY}")
    missing = [name for name, each in known.items() if each.required and name not in sent]
    if missing:
        raise UserError(
            f"No value(s) were specified for {_quoted(missing)} which are required hyperparameter(s) {WHY}"
        )
    found = {
        name: _value(name, sent[name], each) if name in sent else each.default for name, each in known.items()
    }
    return found | {name: sent[name] for name in INTERNAL if name in sent}


def _value(name: str, text: str, known: Hyperparameter) -> Any:
    bare = text.strip().strip('"') if text.strip()[:1] == '"' else text.strip()
    if known.auto and bare == "auto":
        return known.default
    try:
        value = known.parameter.read(bare)
        good = known.parameter.fits(value) and not (isinstance(value, float) and not math.isfinite(value))
    except (ValueError, TypeError, RecursionError):
        good = False
    if not good:
        also = " or 'auto'" if known.auto else ""
        raise UserError(
            f"The value '{_short(text)}' is not valid for the '{name}' hyperparameter which"
            f" {_accepts(known.parameter)}{also} {WHY}"
        )
    return value


def _accepts(parameter: Parameter) -> str:
    kind = {int: "expects an integer", float: "expects a number"}.get(parameter.read)  # type: ignore[call-overload]
    if kind:
        return f"{kind} in {parameter.range}"
    return f"accepts one of the following: {parameter.range.strip('[]')}"


def _json(text: str) -> Any:
    return json.loads(text)


def _quoted(found: list[str]) -> str:
    return ", ".join(f"'{_short(name)}'" for name in found[:10])


def _short(text: str) -> str:
    return text if len(text) < 60 else f"{text[:60]}..."
