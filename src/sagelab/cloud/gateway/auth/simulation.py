"""iam:SimulatePrincipalPolicy and SimulateCustomPolicy; the SageMaker SDK asks the first before every job."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from sagelab.cloud.errors import MalformedPolicy, NoSuchEntity, ValidationException
from sagelab.cloud.gateway.auth import policies
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.front import MotoFront
from sagelab.cloud.gateway.wire.faults import Answer

IAM_OPERATIONS = ("SimulatePrincipalPolicy", "SimulateCustomPolicy")
HONOURED = frozenset(
    "Action Version PolicySourceArn PolicyInputList ActionNames ResourceArns ContextEntries MaxItems".split()
)
MOST = 10_000
_NUMBER = re.compile(r"[0-9]{1,9}")
_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"


def simulate(moto: MotoFront, context: Context) -> Answer | None:
    """The answer to a simulation, None where it is none. NoSuchEntity, MalformedPolicy: there is nothing to do."""
    if context.service != "iam" or context.operation not in IAM_OPERATIONS:
        return None
    form = context.request.form
    for name in form:
        if name.partition(".")[0] not in HONOURED:
            raise ValidationException(f"{name}: the local cloud simulates identity policies, without it.")
    found = [_document(text) for text in _members(form, "PolicyInputList")]
    if form["Action"] == "SimulatePrincipalPolicy":
        found += _of_principal(moto, form.get("PolicySourceArn", ""))
    values = _values(form)
    if len(_members(form, "ActionNames")) * max(1, len(_members(form, "ResourceArns"))) > MOST:
        raise ValidationException(f"The local cloud simulates {MOST:,} actions on resources at most at a time.")
    results = [
        _result(action, resource, policies.evaluate(found, action, resource, values))
        for action in _members(form, "ActionNames")
        for resource in _members(form, "ResourceArns") or ["*"]
    ]
    return _answer(form["Action"], "".join(results))


def _of_principal(moto: MotoFront, arn: str) -> list[policies.Policy]:
    if ":role/" not in arn and ":user/" not in arn:
        raise ValidationException(f"PolicySourceArn {arn!r}: the local cloud simulates users and roles only.")
    found = moto.policies(arn.replace(":role/service-role/", ":role/"))
    if found is None:
        raise NoSuchEntity(f"The {arn.split(':')[5].partition('/')[0]} with ARN {arn} cannot be found.")
    return found


def _document(text: str) -> policies.Policy:
    try:
        found = policies.read(text)
        policies.evaluate([found], "s3:GetObject", "*")
        return found
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedPolicy(f"Syntax errors in policy: {error!r}") from None


def _values(form: dict[str, str]) -> dict[str, list[str]]:
    """ContextEntries.member.1.ContextKeyName and .ContextKeyValues.member.1, ..."""
    names = {key[: -len("ContextKeyName")]: value for key, value in form.items() if key.endswith("ContextKeyName")}
    return {name.lower(): _members(form, f"{at}ContextKeyValues") for at, name in names.items()}


def _members(form: dict[str, str], name: str) -> list[str]:
    """A list of the query protocol: Name.member.1, Name.member.2, ..."""
    numbered = [key for key in form if key.startswith(f"{name}.member.")]
    if not all(_NUMBER.fullmatch(key.rpartition(".")[2]) for key in numbered):
        raise ValidationException(f"The members of {name} have no numbers.")
    return [form[key] for key in sorted(numbered, key=lambda key: int(key.rpartition(".")[2]))]


def _result(action: str, resource: str, decision: policies.Decision) -> str:
    missing = "".join(f"<member>{escape(key)}</member>" for key in decision.missing)
    return (
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{decision.effect}</EvalDecision>"
        f"<MatchedStatements/><MissingContextValues>{missing}</MissingContextValues></member>"
    )


def _answer(name: str, results: str) -> Answer:
    answer = Answer(200, [("Content-Type", "text/xml")])
    body = (
        f'<{name}Response xmlns="{_NAMESPACE}"><{name}Result><IsTruncated>false</IsTruncated>'
        f"<EvaluationResults>{results}</EvaluationResults></{name}Result>"
        f"<ResponseMetadata><RequestId>{answer.request_id}</RequestId></ResponseMetadata></{name}Response>"
    )
    return Answer(
        200, [*answer.headers, ("x-amzn-RequestId", answer.request_id)], body.encode(), answer.request_id
    )
