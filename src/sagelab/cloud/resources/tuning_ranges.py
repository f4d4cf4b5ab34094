"""What the ranges of a tuning job must satisfy.

Scaling: https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-ranges.html
"""

from __future__ import annotations

import math
from collections import Counter

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Params

MAX_RANGES = 30
MAX_HYPERPARAMETERS = 100
LISTS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")


def check(ranges: Params, static: dict[str, str]) -> None:
    """ValidationException: a range breaks a rule. ranges: the API's ParameterRanges."""
    if ranges.get("AutoParameters"):
        raise ValidationException(
            "AutoParameters: the local cloud does not choose ranges by itself; give each hyperparameter a range."
        )
    _check_names([item["Name"] for name in LISTS for item in ranges.get(name, [])], static)
    for item in ranges.get("IntegerParameterRanges", []):
        _check_numbers(item, integer=True)
    for item in ranges.get("ContinuousParameterRanges", []):
        _check_numbers(item, integer=False)
    for item in ranges.get("CategoricalParameterRanges", []):
        if len(set(item["Values"])) < len(item["Values"]):
            raise ValidationException(f"The values of hyperparameter {item['Name']} must be distinct.")


def _check_names(names: list[str], static: dict[str, str]) -> None:
    if not names:
        raise ValidationException("At least one hyperparameter range is required.")
    if len(names) > MAX_RANGES:
        raise ValidationException(
            f"The number of hyperparameters that can be searched is at most {MAX_RANGES}; {len(names)} were given."
        )
    if len(names) + len(static) > MAX_HYPERPARAMETERS:
        raise ValidationException(
            f"A training job takes at most {MAX_HYPERPARAMETERS} hyperparameters, static and tunable together."
        )
    for name, count in Counter(names).items():
        if count > 1:
            raise ValidationException(f"Hyperparameter {name} has more than one range.")
        if name in static:
            raise ValidationException(f"Hyperparameter {name} cannot be both static and tunable.")


def _check_numbers(item: dict[str, str], integer: bool) -> None:
    low, high = (_read(item, side, integer) for side in ("MinValue", "MaxValue"))
    name, scaling = item["Name"], item.get("ScalingType", "Auto")
    if low > high:
        raise ValidationException(
            f"Invalid range for hyperparameter {name}: MinValue [{item['MinValue']}] must be less than or equal to"
            f" MaxValue [{item['MaxValue']}]."
        )
    if scaling == "Logarithmic" and low <= 0:
        raise ValidationException(
            f"Invalid range for hyperparameter {name}: Logarithmic scaling works only for ranges that have only"
            f" values greater than 0, and MinValue is [{item['MinValue']}]."
        )
    if scaling == "ReverseLogarithmic" and integer:
        raise ValidationException(
            f"Hyperparameter {name}: ReverseLogarithmic scaling is for continuous ranges only."
        )
    if scaling == "ReverseLogarithmic" and not 0 <= low <= high < 1:
        raise ValidationException(
            f"Invalid range for hyperparameter {name}: ReverseLogarithmic scaling works only for ranges that are"
            " entirely within the range 0<=x<1.0."
        )


def _read(item: dict[str, str], side: str, integer: bool) -> float:
    text, kind = item[side], "integer" if integer else "number"
    try:
        value = float(text)
        if not math.isfinite(value) or (integer and not value.is_integer()):
            raise ValueError(text)
    except ValueError:
        raise ValidationException(
            f"{side} [{text}] of hyperparameter {item['Name']} is not a valid {kind}."
        ) from None
    return value
