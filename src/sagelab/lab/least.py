"""The least that a role needs: IAM's simulator is asked which statement allows what a job does.

Each statement is simulated as a policy of its own, so that what decided has a number. It runs on AWS as it is:
simulating costs nothing and runs nothing. What a simulation cannot know (a resource's policy, what nobody listed
among the needs) only the job itself shows.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import pandas as pd

    from sagelab.lab.session import Lab

Statement = dict[str, Any]
Values = tuple[tuple[str, str], ...]  # (condition key, value)

VERSION = "2012-10-17"
_LOGS = ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents")
_PREFIXES = {"monitoring": "cloudwatch"}  # of a service's address, where its actions have another
# Events of S3 -> the actions that they need, where these have another name.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
_OF_S3 = {
    "ListObjects": "ListBucket",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
_REFUSED = ("AccessDenied", "Client.UnauthorizedOperation")


@dataclass(frozen=True)
class Need:
    """One thing that has to be allowed. context: (condition key, value), those that policies ask for."""

    action: str
    resource: str = "*"
    context: Values = ()

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


def of_training(lab: Lab, request: Mapping[str, Any]) -> list[Need]:
    """What a request to CreateTrainingJob needs of its role: its data, its model and its log.

    https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    """
    sources = [channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in request.get("InputDataConfig", ())]
    group = f"arn:aws:logs:{lab.region}:{lab.account}:log-group:/aws/sagemaker/TrainingJobs:*"
    found = [need for uri in sources for need in (_object("s3:GetObject", uri), _bucket(uri))]
    found.append(_object("s3:PutObject", request["OutputDataConfig"]["S3OutputPath"]))
    return list(dict.fromkeys([*found, *(Need(f"logs:{action}", group) for action in _LOGS)]))


def of_events(events: Iterable[Mapping[str, Any]], role: str) -> list[Need]:
    """What the sessions of a role did, by the events of LookupEvents or by the records of a trail's log files.

    role: its ARN. Reading and writing objects is told by a trail with data events alone. What was refused was not
    done.
    """
    records = [json.loads(each["CloudTrailEvent"]) if "CloudTrailEvent" in each else each for each in events]
    own = (each for each in records if _issuer(each) == role and each.get("errorCode") not in _REFUSED)
    return list(dict.fromkeys(need for each in own for need in _of_record(each)))


def by_folder(needs: Iterable[Need]) -> list[Need]:
    """The same needs, where they are about objects of S3 for the whole first folder of their keys."""
    return list(dict.fromkeys(replace(each, resource=_folder(each.resource)) for each in needs))


def of_role(lab: Lab, name: str) -> list[Statement]:
    """Every statement of a role, of its own policies and of those attached to it."""
    iam, found = lab.client("iam"), []
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=name):
        for policy in page["PolicyNames"]:
            found += _statements(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
        for attached in page["AttachedPolicies"]:
            arn = attached["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            found += _statements(document)
    return found


def ask(lab: Lab, statements: Sequence[Statement], needs: Iterable[Need]) -> dict[Need, list[int]]:
    """Need -> the places of the statements that allow it; none where it is refused."""
    iam = lab.client("iam")
    policies = [document([each]) for each in statements]
    found: dict[Need, list[int]] = {}
    for need in needs:
        entries = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in need.context
        ]
        (result,) = iam.simulate_custom_policy(
            PolicyInputList=policies,
            ActionNames=[need.action],
            ResourceArns=[need.resource],
            ContextEntries=entries,
        )["EvaluationResults"]
        allowed = result["MatchedStatements"] if result["EvalDecision"] == "allowed" else []
        found[need] = sorted({int(each["SourcePolicyId"].rpartition(".")[2]) - 1 for each in allowed})
    return found


def refused(lab: Lab, statements: Sequence[Statement], needs: Iterable[Need]) -> list[Need]:
    """The needs that no statement allows, or that one denies."""
    return [need for need, by in ask(lab, statements, needs).items() if not by] if statements else list(needs)


def narrow(needs: Iterable[Need]) -> list[Statement]:
    """Statements that allow the needs and nothing else, one for actions that have their resources in common."""
    wanted: dict[tuple[str, Values], set[str]] = {}
    for need in needs:
        wanted.setdefault((need.action, need.context), set()).add(need.resource)
    grouped: dict[tuple[tuple[str, ...], Values], list[str]] = {}
    for (action, context), resources in wanted.items():
        grouped.setdefault((tuple(sorted(resources)), context), []).append(action)
    return [
        {"Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}
        | ({"Condition": {"StringEquals": dict(context)}} if context else {})
        for (resources, context), actions in grouped.items()
    ]


def lines(statements: Sequence[Statement]) -> Iterator[tuple[str, list[Statement]]]:
    """Each line that can be left out, an action or a resource of a statement, and the statements without it."""
    for place, each in enumerate(statements):
        for member in sorted({"Action", "Resource"} & each.keys()):
            values = each[member] if isinstance(each[member], list) else [each[member]]
            for value in values:
                left = [other for other in values if other != value]
                changed = [each | {member: left}] if left else []
                yield str(value), [*statements[:place], *changed, *statements[place + 1 :]]


def breaks(lab: Lab, statements: Sequence[Statement], needs: Sequence[Need]) -> pd.DataFrame:
    """What is refused when a line is left out: nothing, and the line is one too many."""
    import pandas as pd

    rows = [(line, ", ".join(str(each) for each in refused(lab, less, needs))) for line, less in lines(statements)]
    return pd.DataFrame(rows, columns=["without", "refused"])


def document(statements: Sequence[Statement]) -> str:
    """A policy as IAM takes it."""
    return json.dumps({"Version": VERSION, "Statement": list(statements)})


def _statements(policy: Mapping[str, Any]) -> list[Statement]:
    found = policy["Statement"]
    return found if isinstance(found, list) else [found]


def _object(action: str, uri: str) -> Need:
    place = urlsplit(uri)
    name = place.path.strip("/")
    ending = "" if "." in name.rpartition("/")[2] else "*" if not name else "/*"
    return Need(action, f"arn:aws:s3:::{place.netloc}/{name}{ending}")


def _bucket(uri: str) -> Need:
    return Need("s3:ListBucket", f"arn:aws:s3:::{urlsplit(uri).netloc}")


def _folder(resource: str) -> str:
    """arn:aws:s3:::bucket/folder/*; of what is no object in a folder, itself."""
    bucket, *names = resource.split("/")
    return f"{bucket}/{names[0]}/*" if bucket.startswith("arn:aws:s3:::") and len(names) > 1 else resource


def _issuer(record: Mapping[str, Any]) -> str:
    return str(record["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {}).get("arn", ""))


def _of_record(record: Mapping[str, Any]) -> Iterator[Need]:
    service = str(record["eventSource"]).partition(".")[0]
    event = str(record["eventName"])
    action = f"{_PREFIXES.get(service, service)}:{_OF_S3.get(event, event) if service == 's3' else event}"
    named = [str(each["ARN"]) for each in record.get("resources") or () if each.get("ARN")]
    asked = record.get("requestParameters") or {}
    if service == "s3" and "bucketName" in asked:
        key = f"/{asked['key']}" if asked.get("key") else ""
        named = [f"arn:aws:s3:::{asked['bucketName']}{key}"]
    if service == "logs" and "logGroupName" in asked:
        place = f"{record['awsRegion']}:{record['recipientAccountId']}"
        named = [f"arn:aws:logs:{place}:log-group:{asked['logGroupName']}:*"]
    yield from (Need(action, resource) for resource in named or ["*"])
