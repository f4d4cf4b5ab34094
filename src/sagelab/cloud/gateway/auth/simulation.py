"""iam:SimulatePrincipalPolicy and its neighbours; the SageMaker SDK asks it before every job.

One result an action, with the most restrictive of its resources' decisions, and one a resource inside of it:
https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from sagelab.cloud.errors import MalformedPolicy, NoSuchEntity, ValidationException
from sagelab.cloud.gateway.auth import conditions, policies, principals, verdict
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.auth.sources import Held, Source, Span
from sagelab.cloud.gateway.auth.verdict import Guarded, Rights
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.moto.front import MotoFront
from sagelab.cloud.gateway.wire.faults import Answer

IAM_OPERATIONS = (
    *("SimulatePrincipalPolicy", "SimulateCustomPolicy"),
    *("GetContextKeysForPrincipalPolicy", "GetContextKeysForCustomPolicy"),
)
HONOURED = frozenset(
    "Action Version PolicySourceArn PolicyInputList PermissionsBoundaryPolicyInputList ResourcePolicy CallerArn"
    " ResourceOwner ActionNames ResourceArns ContextEntries MaxItems Marker".split()
)
MOST = 10_000
PAGE = 100
_ORDER = ("allowed", "implicitDeny", "explicitDeny")
_PRINCIPAL = re.compile(r"arn:[^:]*:iam:[^:]*:[^:]*:(user|group|role)/.+", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,9}")
_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"


@dataclass(frozen=True)
class Asked:
    """What is simulated. sources: the caller's policies. boundary: what limits them, or None. guard: a resource's
    policy, or None. values: of condition keys."""

    sources: list[Source]
    boundary: list[Source] | None
    guard: Source | None
    caller: Key
    values: dict[str, list[str]]


@dataclass(frozen=True)
class Result:
    """effect: of one action on one resource. bounded: whether the boundary allows it; None: there is none."""

    resource: str
    effect: str
    matched: tuple[tuple[str, Span], ...] = ()
    missing: tuple[str, ...] = field(default=())
    bounded: bool | None = None


def simulate(moto: MotoFront, context: Context) -> Answer | None:
    """The answer to a simulation, None where it is none. NoSuchEntity, MalformedPolicy: there is nothing to do."""
    if context.service != "iam" or context.operation not in IAM_OPERATIONS:
        return None
    form, name = context.request.form, context.operation
    for given in form:
        if given.partition(".")[0] not in HONOURED:
            raise ValidationException(f"{given}: the local cloud simulates policies without it.")
    if name.startswith("GetContextKeys"):
        found = _documents(form, "PolicyInputList")
        if "Principal" in name:
            found += _of_principal(moto, form)[0]
        return _answer(name, f"<ContextKeyNames>{_list(_keys(found))}</ContextKeyNames>")
    asked = _asked(moto, form, context.caller.key.account)
    actions, resources = _members(form, "ActionNames"), _members(form, "ResourceArns")
    if len(actions) * max(1, len(resources)) > MOST:
        raise ValidationException(f"The local cloud simulates {MOST:,} actions on resources at most at a time.")
    start, size = _number(form, "Marker", 0), _number(form, "MaxItems", PAGE)
    results = [_result(one, _evaluate(asked, one, resources), bool(resources)) for one in actions[start:][:size]]
    left = len(actions) > start + size
    marker = f"<Marker>{start + size}</Marker>" if left else ""
    page = f"<IsTruncated>{str(left).lower()}</IsTruncated>{marker}"
    return _answer(name, f"{page}<EvaluationResults>{''.join(results)}</EvaluationResults>")


def _asked(moto: MotoFront, form: dict[str, str], account: str) -> Asked:
    sources, boundary = _of_principal(moto, form) if form["Action"] == IAM_OPERATIONS[0] else ([], None)
    if given := _documents(form, "PermissionsBoundaryPolicyInputList"):
        boundary = given
    guard, caller = form.get("ResourcePolicy"), form.get("CallerArn") or form.get("PolicySourceArn", "")
    if guard and not re.search(r":(user|role)/", caller):
        raise ValidationException("CallerArn is required with a ResourcePolicy: the ARN of a user or a role.")
    if form.get("ResourceOwner", account) not in (account, f"arn:aws:iam::{account}:root"):
        raise ValidationException("ResourceOwner: the local cloud has no other account.")
    return Asked(
        [*_documents(form, "PolicyInputList"), *sources],
        boundary,
        _document("ResourcePolicy", guard) if guard else None,
        Key("", "", caller, "", account),
        _values(form),
    )


def _of_principal(moto: MotoFront, form: dict[str, str]) -> Held:
    """The policies of whom a request names, and its boundary. NoSuchEntity: there is none such."""
    arn = form.get("PolicySourceArn", "")
    if not _PRINCIPAL.fullmatch(arn):
        raise ValidationException(f"PolicySourceArn {arn!r}: the ARN of a user, a group or a role is asked for.")
    if (found := moto.sources(arn)) is not None:
        return found
    raise NoSuchEntity(f"The {arn.split(':')[5].partition('/')[0]} with ARN {arn} cannot be found.")


def _evaluate(asked: Asked, action: str, resources: list[str]) -> list[Result]:
    return [_decide(asked, action, resource) for resource in resources or ["*"]]


def _decide(asked: Asked, action: str, resource: str) -> Result:
    """As a request of the caller would be judged, with what decided."""
    own = [source.policy for source in asked.sources]
    limits = [source.policy for source in asked.boundary or ()]
    rights = Rights(own, (("permissions boundary", limits),) if asked.boundary is not None else ())
    guarded = Guarded(asked.guard.policy if asked.guard else None)
    effect = verdict.reach(asked.caller, rights, guarded, Needed(action, resource), asked.values).effect
    sources = [*asked.sources, *([asked.guard] if asked.guard else [])]
    wanted = {"explicitDeny": "Deny", "allowed": "Allow"}.get(effect)
    matched = [
        (source.name, span)
        for source in sources
        for span, statement in zip(source.spans, policies.statements(source.policy), strict=True)
        if statement["Effect"] == wanted and _holds(source, statement, action, resource, asked)
    ]
    missing = policies.evaluate([one.policy for one in sources], action, resource, asked.values).missing
    bounded = None
    if asked.boundary is not None:
        bounded = policies.evaluate(limits, action, resource, asked.values).effect == "allowed"
    return Result(resource, effect, tuple(matched), missing, bounded)


def _holds(source: Source, statement: policies.Policy, action: str, resource: str, asked: Asked) -> bool:
    if source is asked.guard and not (
        principals.is_itself(statement, asked.caller) or principals.is_of_account(statement, asked.caller)
    ):
        return False
    alone = {"Version": source.policy.get("Version"), "Statement": [statement]}
    return policies.evaluate([alone], action, resource, asked.values).effect != "implicitDeny"


def _documents(form: dict[str, str], name: str) -> list[Source]:
    return [_document(f"{name}.{number}", text) for number, text in enumerate(_members(form, name), 1)]


def _document(name: str, text: str) -> Source:
    try:
        found = Source(name, text)
        policies.evaluate([found.policy], "s3:GetObject", "*")
        if len(found.spans) != len(policies.statements(found.policy)):
            raise ValueError("Statement")
        return found
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise MalformedPolicy(f"Syntax errors in policy: {error!r}") from None


def _keys(sources: Iterable[Source]) -> list[str]:
    """The condition keys that policies look at, those of their variables too."""
    found: dict[str, None] = {}
    for source in sources:
        for statement in policies.statements(source.policy):
            found |= dict.fromkeys(conditions.keys(statement.get("Condition") or {}))
        found |= dict.fromkeys(conditions.variables(source.text))
    return sorted(found)


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


def _number(form: dict[str, str], name: str, otherwise: int) -> int:
    given = form.get(name, str(otherwise))
    if not _NUMBER.fullmatch(given):
        raise ValidationException(f"{name} {given[:100]!r} is no number.")
    return int(given)


def _result(action: str, found: list[Result], named: bool) -> str:
    """Of an action: what its resources come to together, and each of them where the request names some."""
    effect = max((one.effect for one in found), key=_ORDER.index)
    matched = tuple(dict.fromkeys(each for one in found if one.effect == effect for each in one.matched))
    missing = tuple(dict.fromkeys(key for one in found for key in one.missing))
    whole = Result("*", effect, matched, missing, _least(found))
    inside = "".join(f"<member>{_detail(one, 'Resource')}</member>" for one in found) if named else ""
    specific = f"<ResourceSpecificResults>{inside}</ResourceSpecificResults>"
    return f"<member><EvalActionName>{escape(action)}</EvalActionName>{_detail(whole, '')}{specific}</member>"


def _least(found: list[Result]) -> bool | None:
    return None if found[0].bounded is None else all(one.bounded for one in found)


def _detail(one: Result, kind: str) -> str:
    bounded = ""
    if one.bounded is not None:
        inside = f"<AllowedByPermissionsBoundary>{str(one.bounded).lower()}</AllowedByPermissionsBoundary>"
        bounded = f"<PermissionsBoundaryDecisionDetail>{inside}</PermissionsBoundaryDecisionDetail>"
    return (
        f"<EvalResourceName>{escape(one.resource)}</EvalResourceName>"
        f"<Eval{kind}Decision>{one.effect}</Eval{kind}Decision>"
        f"<MatchedStatements>{''.join(_matched(one))}</MatchedStatements>"
        f"<MissingContextValues>{_list(one.missing)}</MissingContextValues>{bounded}"
    )


def _matched(one: Result) -> Iterator[str]:
    for name, (start, end) in one.matched:
        places = "".join(
            f"<{which}><Line>{line}</Line><Column>{column}</Column></{which}>"
            for which, (line, column) in (("StartPosition", start), ("EndPosition", end))
        )
        source = f"<SourcePolicyId>{escape(name)}</SourcePolicyId><SourcePolicyType>IAM Policy</SourcePolicyType>"
        yield f"<member>{source}{places}</member>"


def _list(texts: Iterable[str]) -> str:
    return "".join(f"<member>{escape(text)}</member>" for text in texts)


def _answer(name: str, results: str) -> Answer:
    answer = Answer(200, [("Content-Type", "text/xml")])
    body = (
        f'<{name}Response xmlns="{_NAMESPACE}"><{name}Result>{results}</{name}Result>'
        f"<ResponseMetadata><RequestId>{answer.request_id}</RequestId></ResponseMetadata></{name}Response>"
    )
    return Answer(
        200, [*answer.headers, ("x-amzn-RequestId", answer.request_id)], body.encode(), answer.request_id
    )
