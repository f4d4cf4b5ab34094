"""iam:SimulatePrincipalPolicy, which moto does not have and the SageMaker SDK asks before every job."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import botocore.exceptions

from sagelab.cloud import policies
from sagelab.cloud.errors import ServiceError, ValidationException
from sagelab.cloud.gateway.faults import Answer

IAM_OPERATIONS = ("SimulatePrincipalPolicy",)
HONOURED = ("Action", "Version", "PolicySourceArn", "ActionNames", "ResourceArns", "MaxItems")
_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"


class NoSuchEntity(ServiceError):
    """The role is not there."""

    code = "NoSuchEntity"
    status = 404


def simulate(iam: Any, form: dict[str, str]) -> Answer:
    """The answer to a SimulatePrincipalPolicy request. iam: a boto3 client to the front door."""
    for name in form:
        if name.partition(".")[0] not in HONOURED:
            raise ValidationException(f"{name}: the local cloud simulates a role's own policies, without it.")
    source = form.get("PolicySourceArn", "")
    if ":role/" not in source:
        raise ValidationException(f"PolicySourceArn {source!r}: the local cloud simulates roles only.")
    try:
        found = policies.role_policies(iam, source.rpartition("/")[2])
    except botocore.exceptions.ClientError as error:
        raise NoSuchEntity(error.response["Error"]["Message"]) from None
    resources = _members(form, "ResourceArns") or ["*"]
    results = [
        _result(action, resource, policies.evaluate(found, action, resource))
        for action in _members(form, "ActionNames")
        for resource in resources
    ]
    return _answer("".join(results))


def _members(form: dict[str, str], name: str) -> list[str]:
    """A list of the query protocol: Name.member.1, Name.member.2, ..."""
    numbered = [key for key in form if key.startswith(f"{name}.member.")]
    return [form[key] for key in sorted(numbered, key=lambda key: int(key.rpartition(".")[2]))]


def _result(action: str, resource: str, decision: policies.Decision) -> str:
    missing = "".join(f"<member>{escape(key)}</member>" for key in decision.missing)
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{decision.effect}</EvalDecision>"
        f"<MatchedStatements/><MissingContextValues>{missing}</MissingContextValues></member>"
    )


def _answer(results: str) -> Answer:
    answer = Answer(200, [("Content-Type", "text/xml")])
    name = "SimulatePrincipalPolicy"
    body = (
        f'<{name}Response xmlns="{_NAMESPACE}"><{name}Result><IsTruncated>false</IsTruncated>'
        f"<EvaluationResults>{results}</EvaluationResults></{name}Result>"
        f"<ResponseMetadata><RequestId>{answer.request_id}</RequestId></ResponseMetadata></{name}Response>"
    )
    return Answer(
        200, [*answer.headers, ("x-amzn-RequestId", answer.request_id)], body.encode(), answer.request_id
    )
