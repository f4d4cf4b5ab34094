from __future__ import annotations

from typing import Any

import pytest

from sagelab.cloud.gateway.auth import conditions
from sagelab.cloud.gateway.auth.policies import evaluate

BUCKET = "arn:aws:s3:::bucket/data/key"


def decide(context: dict[str, list[str]] | None = None, **statement: Any) -> str:
    whole = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"} | statement
    return evaluate([{"Statement": whole}], "s3:GetObject", BUCKET, context).effect


@pytest.mark.parametrize(
    ("statement", "effect"),
    [
        ({}, "allowed"),
        ({"Action": "S3:getobject"}, "allowed"),
        ({"Action": ["s3:Put*", "s3:Get?bject"]}, "allowed"),
        ({"Action": "s3:Put*"}, "implicitDeny"),
        ({"Resource": "arn:aws:s3:::bucket/*"}, "allowed"),
        ({"Resource": "arn:aws:s3:::bucket"}, "implicitDeny"),
        ({"Resource": "arn:aws:s3:::BUCKET/*"}, "implicitDeny"),
        ({"Effect": "Deny"}, "explicitDeny"),
        ({"Action": None, "NotAction": "s3:Put*"}, "allowed"),
        ({"NotResource": "arn:aws:s3:::bucket/*"}, "implicitDeny"),
    ],
)
def test_a_statement_applies_to_what_it_names(statement: dict[str, Any], effect: str) -> None:
    assert decide(**statement) == effect


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ({"StringEquals": {"k": "a"}}, ["a"], True),
        ({"StringEquals": {"k": ["a", "b"]}}, ["b"], True),
        ({"StringEquals": {"k": "a"}}, ["A"], False),
        ({"StringEqualsIgnoreCase": {"k": "a"}}, ["A"], True),
        ({"StringEquals": {"k": "a"}}, None, False),
        ({"StringEqualsIfExists": {"k": "a"}}, None, True),
        ({"StringEqualsIfExists": {"k": "a"}}, ["b"], False),
        ({"StringNotEquals": {"k": "a"}}, None, True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, ["b"], False),
        ({"StringLike": {"k": "ml.*.large"}}, ["ml.m5.large"], True),
        ({"StringNotLike": {"k": "ml.p*"}}, ["ml.p3.2xlarge"], False),
        ({"ForAllValues:StringLike": {"k": "ml.m5.*"}}, ["ml.m5.large", "ml.p3.2xlarge"], False),
        ({"ForAnyValue:StringLike": {"k": "ml.m5.*"}}, ["ml.m5.large", "ml.p3.2xlarge"], True),
        ({"ForAllValues:StringLike": {"k": "x"}}, None, True),
        ({"ForAnyValue:StringNotLike": {"k": "ml.m5.*"}}, ["ml.m5.large", "ml.p3.2xlarge"], True),
        ({"Null": {"k": "true"}}, None, True),
        ({"Null": {"k": "true"}}, ["a"], False),
        ({"Bool": {"k": "true"}}, ["TRUE"], True),
        ({"Bool": {"k": True}}, ["true"], True),
        ({"NumericLessThanEquals": {"k": 3600}}, ["3600"], True),
        ({"NumericLessThan": {"k": "3600"}}, ["not a number"], False),
        ({"NumericNotEquals": {"k": "1"}}, ["2"], True),
        ({"DateGreaterThan": {"k": "2026-01-01T00:00:00+00:00"}}, ["2026-02-01T00:00:00+00:00"], True),
        ({"DateGreaterThan": {"k": "2026-01-01"}}, ["2026-02-01T00:00:00+00:00"], True),
        ({"DateLessThan": {"k": "2026-01-01T00:00:00"}}, ["2026-02-01T00:00:00+00:00"], False),
        ({"DateGreaterThan": {"k": "1767225600"}}, ["2026-01-01T00:00:01+00:00"], True),
        ({"DateLessThanEquals": {"k": 1767225600}}, ["2026-01-01T00:00:01+00:00"], False),
        ({"IpAddress": {"k": "10.0.0.0/8"}}, ["10.1.2.3"], True),
        ({"NotIpAddress": {"k": "10.0.0.0/8"}}, ["10.1.2.3"], False),
        ({"ArnLike": {"k": "arn:aws:iam::*:role/x"}}, ["arn:aws:iam::1:role/x"], True),
        ({"ArnLike": {"k": "arn:aws:iam::*:role/x"}}, ["arn:aws:iam::1:user/a:role/x"], False),
        ({"ArnEquals": {"k": "arn:aws:iam::1:role/*"}}, ["arn:aws:iam::1:role/a:b/c"], True),
        ({"ArnNotEquals": {"k": "arn:*:iam::1:role/x"}}, ["arn:aws:iam::1:role/x"], False),
        ({"ArnEquals": {"k": "arn:aws:iam::1:role/x"}}, ["role/x"], False),
        ({"ArnLike": {"k": "*"}}, ["arn:aws:iam::1:role/x"], True),
        ({"ForAnyValue:StringNotEquals": {"k": "a"}}, None, False),
        ({"ForAllValues:StringNotEquals": {"k": "a"}}, None, True),
        ({"ForAnyValue:StringEqualsIfExists": {"k": "a"}}, None, True),
        ({"NoSuchOperator": {"k": "a"}}, ["a"], False),
        ({"StringEquals": {"k": "a"}, "Bool": {"k": "true"}}, ["a"], False),
    ],
)
def test_a_condition_holds_as_iam_has_it(condition: dict[str, Any], values: list[str] | None, holds: bool) -> None:
    context = {} if values is None else {"k": values}
    assert conditions.hold(condition, context) is holds
    assert decide(context, Condition=condition) == ("allowed" if holds else "implicitDeny")


def test_operator_that_nobody_knows_denies_and_does_not_allow() -> None:
    condition = {"BinaryEquals": {"k": "YQ=="}}
    assert decide({"k": ["a"]}, Condition=condition) == "implicitDeny"
    assert decide({"k": ["a"]}, Effect="Deny", Condition=condition) == "explicitDeny"


def test_keys_without_a_value_are_reported() -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:X": "a"}}}
    assert evaluate([{"Statement": [statement]}], "s3:GetObject", BUCKET).missing == ("aws:X",)


def test_pattern_of_many_stars_is_matched_at_once() -> None:
    assert not conditions.like("*a" * 60 + "*b", "a" * 2000)
    assert conditions.like("*a" * 60 + "*b", "a" * 2000 + "b")
    assert conditions.like("a?c*", "abc")
    assert not conditions.like("a?c", "ac")
