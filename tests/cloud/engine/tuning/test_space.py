from __future__ import annotations

import pytest

from sagelab.cloud.engine.tuning.space import LINEAR, LOGARITHMIC, REVERSE, choose_scaling, read_space


def space_of(low: str, high: str, scaling: str = "Auto", kind: str = "Continuous"):  # type: ignore[no-untyped-def]
    item = {"Name": "p", "MinValue": low, "MaxValue": high, "ScalingType": scaling}
    return read_space({f"{kind}ParameterRanges": [item]})


@pytest.mark.parametrize(
    ("low", "high", "chosen"),
    [
        (0.0001, 0.1, LOGARITHMIC),
        (1, 100, LOGARITHMIC),
        (1, 99, LINEAR),
        (0, 1000, LINEAR),
        (-1, 1000, LINEAR),
    ],
)
def test_auto_is_logarithmic_over_two_orders_of_magnitude(low: float, high: float, chosen: str) -> None:
    assert choose_scaling(low, high) == chosen


@pytest.mark.parametrize("scaling", [LINEAR, LOGARITHMIC, REVERSE])
def test_what_is_written_is_read_again(scaling: str) -> None:
    space = space_of("0.1", "0.9", scaling)
    drawn = space.read({"p": "0.25", "other": "text"})
    assert drawn is not None
    assert float(space.write(drawn)["p"]) == pytest.approx(0.25)


def test_a_reverse_logarithmic_range_is_fine_near_one() -> None:
    (each,) = space_of("0", "0.999", REVERSE).ranges
    distribution = each.distribution()
    assert distribution.log
    half_way = (distribution.low * distribution.high) ** 0.5
    assert float(each.write(half_way)) == pytest.approx(1 - 0.001**0.5)


def test_both_ends_are_in_the_range_whatever_the_rounding() -> None:
    (each,) = space_of("0.3", "0.7", REVERSE).ranges
    distribution = each.distribution()
    ends = [float(each.write(end)) for end in (distribution.low, distribution.high)]
    assert ends == pytest.approx([0.7, 0.3])
    assert 0.3 <= min(ends) < max(ends) <= 0.7


def test_integers_are_written_as_such() -> None:
    space = space_of("5", "20", kind="Integer")
    assert space.write({"p": 7.0}) == {"p": "7"}
    assert space.read({"p": "7.5"}) is None
    assert space.read({"p": "21"}) is None
    assert space.size == 16


def test_what_is_missing_or_no_number_is_not_of_the_space() -> None:
    space = space_of("0", "1")
    assert space.read({}) is None
    assert space.read({"p": "tanh"}) is None
    assert space.size is None


def test_combinations_are_counted_and_listed() -> None:
    space = read_space(
        {
            "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "2"}],
            "CategoricalParameterRanges": [{"Name": "k", "Values": ["a", "b"]}],
        }
    )
    assert space.size == 4
    found = [tuple(values.values()) for values in space.combinations()]
    assert found == [("1", "a"), ("1", "b"), ("2", "a"), ("2", "b")]
