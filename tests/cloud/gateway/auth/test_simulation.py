"""IAM's simulator: what it decides, which statement did, and what it would need to know."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.exceptions
import pytest

from sagelab.cloud.gateway.auth.sources import Source
from tests.cloud.gateway.auth.test_permissions import ACCOUNT, Role, allow, deny

READ = allow("s3:GetObject", on="arn:aws:s3:::one/*")
SECRET = deny("s3:GetObject", on="arn:aws:s3:::one/secret/*")
OPEN, CLOSED = "arn:aws:s3:::one/a", "arn:aws:s3:::one/secret/a"


def document(*statements: dict[str, Any], **layout: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, **layout)


def simulate(gateway: Any, *policies: str, on: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """The result of s3:GetObject."""
    asked = {"ActionNames": ["s3:GetObject"], **({"ResourceArns": on} if on else {})} | more
    results = gateway.client("iam").simulate_custom_policy(PolicyInputList=list(policies), **asked)
    (found,) = results["EvaluationResults"]
    return dict(found)


def places(text: str) -> list[str]:
    """What the spans of a document's statements have between them."""
    lines = text.split("\n")

    def cut(span: Any) -> str:
        (line, column), (last, end) = span
        inside = "\n".join(lines[line - 1 : last])
        return inside[column - 1 : len(inside) - len(lines[last - 1]) + end - 1]

    return [cut(span) for span in Source("any", text).spans]


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"indent": 4}, {"separators": (",", ":")}])
def test_statements_are_found_in_the_text(layout: dict[str, Any]) -> None:
    text = document(READ, SECRET | {"Sid": '"Statement": [{}], }'}, **layout)
    assert [json.loads(each) for each in places(text)] == json.loads(text)["Statement"]


def test_place_is_the_one_after_the_bracket() -> None:
    """As IAM answers for its AdministratorAccess, which is written so."""
    text = document(allow("*"), indent=2)
    assert Source("any", text).spans == [((3, 17), (10, 6))]
    alone = '{"Statement": {"Effect": "Allow"}, "Version": "2012-10-17"}'
    assert places(alone) == [' {"Effect": "Allow"}']


@pytest.mark.parametrize("text", ['{"Statement": []}', "{ }", '{"Id": "x\\"}", "Statement": [ ] }'])
def test_document_without_statements_has_no_places(text: str) -> None:
    assert Source("any", text).spans == []


def test_result_says_which_statement_decided(gateway: Any) -> None:
    found = simulate(gateway, document(READ), document(READ, SECRET), on=[OPEN])
    assert [one["SourcePolicyId"] for one in found["MatchedStatements"]] == [
        "PolicyInputList.1",
        "PolicyInputList.2",
    ]
    denied = simulate(gateway, document(READ), document(READ, SECRET), on=[CLOSED])
    assert denied["EvalDecision"] == "explicitDeny"
    (decided,) = denied["MatchedStatements"]
    start = len(document(READ)) - len("]}") + 1
    assert (decided["SourcePolicyId"], decided["SourcePolicyType"]) == ("PolicyInputList.2", "IAM Policy")
    assert decided["StartPosition"] == {"Line": 1, "Column": start + 1}
    assert simulate(gateway, document(READ), on=["arn:aws:s3:::other/a"])["MatchedStatements"] == []


def test_of_several_resources_the_most_restrictive_decides(gateway: Any) -> None:
    found = simulate(gateway, document(READ, SECRET), on=[OPEN, CLOSED, "arn:aws:s3:::other/a"])
    assert (found["EvalDecision"], found["EvalResourceName"]) == ("explicitDeny", "*")
    each = {one["EvalResourceName"]: one["EvalResourceDecision"] for one in found["ResourceSpecificResults"]}
    assert each == {OPEN: "allowed", CLOSED: "explicitDeny", "arn:aws:s3:::other/a": "implicitDeny"}
    assert len(found["MatchedStatements"]) == 1
    assert (
        "ResourceSpecificResults" not in simulate(gateway, document(READ))
        or not simulate(gateway, document(READ))["ResourceSpecificResults"]
    )


def test_boundary_limits(gateway: Any) -> None:
    boundary = document(allow("s3:PutObject"))
    found = simulate(gateway, document(READ), on=[OPEN], PermissionsBoundaryPolicyInputList=[boundary])
    assert found["EvalDecision"] == "implicitDeny"
    assert found["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    wide = simulate(gateway, document(READ), on=[OPEN], PermissionsBoundaryPolicyInputList=[document(allow("*"))])
    assert wide["EvalDecision"] == "allowed"
    assert "PermissionsBoundaryDecisionDetail" not in simulate(gateway, document(READ), on=[OPEN])


def test_policy_of_a_resource_is_enough_and_its_deny_too(gateway: Any) -> None:
    caller = f"arn:aws:iam::{ACCOUNT}:role/reader"
    named = document(READ | {"Principal": {"AWS": caller}})
    others = document(READ | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}})
    nobody = document(SECRET | {"Principal": "*", "Resource": "*"})
    nothing = document(allow("s3:PutObject"))
    asked: dict[str, Any] = {"on": [OPEN], "CallerArn": caller}
    found = simulate(gateway, nothing, ResourcePolicy=named, **asked)
    assert found["EvalDecision"] == "allowed"
    assert [one["SourcePolicyId"] for one in found["MatchedStatements"]] == ["ResourcePolicy"]
    assert simulate(gateway, nothing, ResourcePolicy=others, **asked)["EvalDecision"] == "implicitDeny"
    assert simulate(gateway, document(READ), ResourcePolicy=nobody, **asked)["EvalDecision"] == "explicitDeny"


def test_principal_is_simulated_with_its_groups_and_its_boundary(
    gateway: Any, unique: Callable[[str], str]
) -> None:
    iam, name, group = gateway.client("iam"), unique("user"), unique("group")
    boundary = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    arn = iam.create_user(UserName=name, PermissionsBoundary=boundary)["User"]["Arn"]
    iam.create_group(GroupName=group)
    iam.add_user_to_group(GroupName=group, UserName=name)
    iam.put_group_policy(GroupName=group, PolicyName="all", PolicyDocument=document(allow("s3:*")))
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(READ))
    asked = {"PolicySourceArn": arn, "ActionNames": ["s3:GetObject", "s3:PutObject"], "ResourceArns": [OPEN]}
    read, write = iam.simulate_principal_policy(**asked)["EvaluationResults"]
    assert (read["EvalDecision"], write["EvalDecision"]) == ("allowed", "implicitDeny")
    assert write["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    assert [one["SourcePolicyId"] for one in read["MatchedStatements"]] == [
        f"user_{name}_own",
        f"group_{group}_all",
    ]
    assert iam.get_user(UserName=name)["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    of_group = f"arn:aws:iam::{ACCOUNT}:group/{group}"
    (found,) = iam.simulate_principal_policy(PolicySourceArn=of_group, ActionNames=["s3:PutObject"])[
        "EvaluationResults"
    ]
    assert found["EvalDecision"] == "allowed"


@pytest.mark.parametrize("operation", ["simulate_principal_policy", "get_context_keys_for_principal_policy"])
def test_policies_of_others_are_simulated_by_who_may(
    gateway: Any, unique: Callable[[str], str], operation: str
) -> None:
    """Also where the ARN has another path: the user would be found by the name alone."""
    iam, name, secret = gateway.client("iam"), unique("user"), "arn:aws:s3:::what-nobody-knows"
    victim = iam.create_user(UserName=name)["User"]["Arn"]
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(allow("s3:*", on=secret)))
    only = Role(gateway, unique("role"), allow(f"iam:{operation.replace('_', '')}", on=f"{victim}-*"))
    of_path = allow("iam:*", on=victim.replace("user/", "user/dev/"))
    may = Role(gateway, unique("role"), allow("iam:*", on=victim))
    for attacker, way in (
        (only, victim),
        (Role(gateway, unique("role"), of_path), victim.replace("user/", "user/dev/")),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=r"AccessDenied|NoSuchEntity"):
            asking(attacker, operation, way)
    assert asking(may, operation, victim)


@pytest.mark.parametrize("arn", ["arn:user/", ":user/x", "arn:aws:iam:user/x", "arn:aws:iam::1:user/", "x:role/"])
def test_what_is_nobodys_arn_is_refused(gateway: Any, arn: str) -> None:
    asked = f"Action=GetContextKeysForPrincipalPolicy&Version=2010-05-08&PolicySourceArn={arn}"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, said = gateway.signed("POST", "/", "iam", asked.encode(), kind)
    assert (status, b"ValidationException" in said) == (400, True)


def asking(role: Role, operation: str, arn: str) -> Any:
    more = {"ActionNames": ["s3:GetObject"]} if operation.startswith("simulate") else {}
    return getattr(role.client("iam"), operation)(PolicySourceArn=arn, **more)


def test_attached_policy_goes_by_its_name(gateway: Any, unique: Callable[[str], str]) -> None:
    name, iam = unique("role"), gateway.client("iam")
    role = Role(gateway, name, READ)
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    (found,) = iam.simulate_principal_policy(
        PolicySourceArn=role.arn, ActionNames=["s3:GetObject"], ResourceArns=[OPEN]
    )["EvaluationResults"]
    names = [one["SourcePolicyId"] for one in found["MatchedStatements"]]
    assert names == [f"role_{name}_inline", "AmazonS3ReadOnlyAccess"]


def test_results_come_in_pages(gateway: Any) -> None:
    actions = [f"s3:Action{number}" for number in range(5)]
    pages = (
        gateway.client("iam")
        .get_paginator("simulate_custom_policy")
        .paginate(PolicyInputList=[document(READ)], ActionNames=actions, PaginationConfig={"PageSize": 2})
    )
    found = [[one["EvalActionName"] for one in page["EvaluationResults"]] for page in pages]
    assert found == [actions[:2], actions[2:4], actions[4:]]


def test_condition_keys_of_policies_are_told(gateway: Any, unique: Callable[[str], str]) -> None:
    iam, name = gateway.client("iam"), unique("role")
    condition = {"Bool": {"aws:SecureTransport": "true"}, "StringLike": {"s3:prefix": "${aws:username}/${*}*"}}
    text = document(allow("s3:ListBucket", on="arn:aws:s3:::${aws:PrincipalTag/team, 'x'}", Condition=condition))
    keys = ["aws:PrincipalTag/team", "aws:SecureTransport", "aws:username", "s3:prefix"]
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=[text])["ContextKeyNames"] == keys
    role = Role(gateway, name, allow("s3:*", Condition={"Null": {"aws:Via": "true"}}))
    found = iam.get_context_keys_for_principal_policy(PolicySourceArn=role.arn)
    assert found["ContextKeyNames"] == ["aws:Via"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"PolicyInputList": ['{"Statement": ' + "[" * 100_000]}, "MalformedPolicyDocument"),
        ({"PolicyInputList": ['{"Statement": 5}']}, "MalformedPolicyDocument"),
        ({"PolicyInputList": [document(READ)], "ResourcePolicy": document(READ)}, "ValidationException"),
        ({"PolicyInputList": [document(READ)], "ResourceOwner": "999999999999"}, "ValidationException"),
        ({"PolicyInputList": [document(READ)], "Marker": "x"}, "ValidationException"),
    ],
)
def test_what_cannot_be_simulated_is_refused(gateway: Any, asked: dict[str, Any], code: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as trouble:
        gateway.client("iam").simulate_custom_policy(ActionNames=["s3:GetObject"], **asked)
    assert trouble.value.response["Error"]["Code"] == code
