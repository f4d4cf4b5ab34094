"""What happens by itself: a repository, functions, and rules whose events call them. Shows what it calls.

Names begin with the lab's, and everything carries its tag, so that `remove` finds what `make_...` has made.
"""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagelab.lab.calls import Named, write, write_call

if TYPE_CHECKING:
    from sagelab.lab.session import Lab

RUNTIME = "python3.12"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
LOGS = {
    "Effect": "Allow",
    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    "Resource": "*",
}
DOCUMENTS = ("AssumeRolePolicyDocument", "PolicyDocument", "EventPattern")  # members that are JSON in a text
POLICY, TARGET, GRANT = "work", "function", "events"  # names: of a role's policy, a rule's target, a permission
DESCRIPTION = "of the lab {}"  # by which a repository is known as a lab's
TRIES, PAUSE = 30, 2.0  # until Lambda may take a role that is new


def make_repository(lab: Lab) -> tuple[str, str]:
    """A repository of CodeCommit, called as the lab; returns its ARN and its address for git. It may be there."""
    client = lab.client("codecommit")
    request = {"repositoryName": lab.name, "repositoryDescription": DESCRIPTION.format(lab.name)}
    _show("codecommit", "create_repository", request)
    try:
        made = client.create_repository(**request)
    except client.exceptions.RepositoryNameExistsException:
        made = client.get_repository(repositoryName=lab.name)
    return made["repositoryMetadata"]["Arn"], made["repositoryMetadata"]["cloneUrlHttp"]


def push(folder: str | Path, message: str) -> str:
    """Commit all of a clone and push it to `main`, with the keys that boto3 finds; returns the commit's id."""
    helper = f"credential.helper=!{shlex.quote(sys.executable)} -m sagelab.credential_helper"
    settings = ("user.name=learner", "user.email=learner@example.com", helper, "credential.useHttpPath=true")
    options = [word for each in settings for word in ("-c", each)]

    def git(*words: str) -> str:
        done = subprocess.run(["git", *options, *words], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"git {words[0]} failed: {done.stderr.strip()}")
        return done.stdout.strip()

    git("add", ".")
    git("commit", "--quiet", "--message", message)
    git("push", "--quiet", "origin", "HEAD:main")
    return git("rev-parse", "HEAD")


def make_function(
    lab: Lab, script: str, statements: Sequence[Mapping[str, Any]], environment: Mapping[str, str]
) -> str:
    """A function of a script's `handler`, with a role of its own; returns its ARN when it is active.

    script: "folder/deploy.py"; it goes alone into the archive. statements: of an IAM policy, what the function may
    do beside writing its log. environment: its variables. Both role and function are called <lab>-<script>; those
    of this name that the lab has made before are replaced.
    """
    path = Path(script)
    name = f"{lab.name}-{path.stem}"
    _remove_function(lab, name)
    role = _make_role(lab, name, statements)
    request = {
        "FunctionName": name,
        "Runtime": RUNTIME,
        "Role": role,
        "Handler": f"{path.stem}.handler",
        "Code": {"ZipFile": Named(f'the archive of "{script}"', _pack(path))},
        "Environment": {"Variables": dict(environment)},
        "Timeout": 60,
        "Tags": _tags(lab),
    }
    _show("lambda", "create_function", request)
    function = _create(lab, request | {"Code": {"ZipFile": _pack(path)}})
    lab.client("lambda").get_waiter("function_active_v2").wait(FunctionName=name)
    return function


def make_rule(lab: Lab, name: str, pattern: Mapping[str, Any], function: str) -> str:
    """A rule that calls a function for each event of a pattern; returns its ARN.

    name: after the lab's. function: its ARN. EventBridge may call it for this rule alone.
    """
    rule = f"{lab.name}-{name}"
    request = {"Name": rule, "EventPattern": json.dumps(pattern), "Tags": lab.tags}
    _show("events", "put_rule", request)
    arn = str(lab.client("events").put_rule(**request)["RuleArn"])
    grant = {
        "FunctionName": function,
        "StatementId": f"{GRANT}-{name}",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": arn,
    }
    _show("lambda", "add_permission", grant)
    lab.client("lambda").add_permission(**grant)
    target = {"Rule": rule, "Targets": [{"Id": TARGET, "Arn": function}]}
    _show("events", "put_targets", target)
    failed = lab.client("events").put_targets(**target)["FailedEntries"]
    if failed:
        raise RuntimeError(f"The rule {rule} does not call {function}: {failed[0]['ErrorMessage']}")
    return arn


def remove(lab: Lab) -> list[str]:
    """Delete the lab's rules, functions, roles and repository; says what it did, a sentence each."""
    return [*_remove_rules(lab), *_remove_functions(lab), *_remove_repository(lab)]


def left(lab: Lab) -> list[str]:
    """The names of the lab's rules, functions, roles and repository that are there."""
    return [*_rules(lab), *_functions(lab), *_roles(lab), *_repositories(lab)]


def _make_role(lab: Lab, name: str, statements: Sequence[Mapping[str, Any]]) -> str:
    policy = {"Version": "2012-10-17", "Statement": [LOGS, *statements]}
    iam = lab.client("iam")
    role = {"RoleName": name, "AssumeRolePolicyDocument": json.dumps(TRUST), "Tags": lab.tags}
    _show("iam", "create_role", role)
    made = str(iam.create_role(**role)["Role"]["Arn"])
    rights = {"RoleName": name, "PolicyName": POLICY, "PolicyDocument": json.dumps(policy)}
    _show("iam", "put_role_policy", rights)
    iam.put_role_policy(**rights)
    return made


def _create(lab: Lab, request: dict[str, Any]) -> str:
    """Create a function; AWS needs some seconds until Lambda may take a role that has just been made."""
    client = lab.client("lambda")
    for left in reversed(range(TRIES)):
        try:
            return str(client.create_function(**request)["FunctionArn"])
        except client.exceptions.InvalidParameterValueException as error:
            if not left or "cannot be assumed" not in str(error):
                raise
            time.sleep(PAUSE)
    raise AssertionError


def _pack(path: Path) -> bytes:
    """An archive of one script, the same bytes for the same script."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo(path.name)
        member.external_attr = 0o644 << 16
        archive.writestr(member, path.read_bytes())
    return buffer.getvalue()


def _show(service: str, call: str, request: Mapping[str, Any]) -> None:
    """A call as one would write it; a document of JSON as the value that it is made of."""
    shown = {name: _json(value) if name in DOCUMENTS else value for name, value in request.items()}
    print(write_call(f'lab.client("{service}").{call}', shown))


def _json(text: str) -> Named:
    return Named(f"json.dumps({write(json.loads(text), 4)})", text)


def _tags(lab: Lab) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in lab.tags}


def _rules(lab: Lab) -> Iterator[str]:
    rules = lab.client("events").list_rules(NamePrefix=f"{lab.name}-")["Rules"]
    for rule in rules:
        if lab.tags[0] in lab.client("events").list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]:
            yield str(rule["Name"])


def _functions(lab: Lab) -> Iterator[str]:
    for page in lab.client("lambda").get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            name = str(function["FunctionName"])
            if not name.startswith(f"{lab.name}-"):
                continue
            tags = lab.client("lambda").list_tags(Resource=function["FunctionArn"])["Tags"]
            if _tags(lab).items() <= tags.items():
                yield name


def _roles(lab: Lab) -> Iterator[str]:
    for page in lab.client("iam").get_paginator("list_roles").paginate():
        for role in page["Roles"]:
            name = str(role["RoleName"])
            if not name.startswith(f"{lab.name}-"):
                continue
            if lab.tags[0] in lab.client("iam").list_role_tags(RoleName=name)["Tags"]:
                yield name


def _repositories(lab: Lab) -> Iterator[str]:
    client = lab.client("codecommit")
    with suppress(client.exceptions.RepositoryDoesNotExistException):
        found = client.get_repository(repositoryName=lab.name)["repositoryMetadata"]
        if found.get("repositoryDescription") == DESCRIPTION.format(lab.name):
            yield lab.name


def _remove_repository(lab: Lab) -> Iterator[str]:
    for name in _repositories(lab):
        lab.client("codecommit").delete_repository(repositoryName=name)
        yield f"deleted repository {name}"


def _remove_rules(lab: Lab) -> Iterator[str]:
    events = lab.client("events")
    for rule in list(_rules(lab)):
        targets = [target["Id"] for target in events.list_targets_by_rule(Rule=rule)["Targets"]]
        if targets:
            events.remove_targets(Rule=rule, Ids=targets)
        events.delete_rule(Name=rule)
        yield f"deleted rule {rule}"


def _remove_functions(lab: Lab) -> Iterator[str]:
    for name in sorted({*_functions(lab), *_roles(lab)}):
        yield from _remove_function(lab, name)


def _remove_function(lab: Lab, name: str) -> list[str]:
    """Delete a function of the lab's and its role, as far as they are there."""
    iam, did = lab.client("iam"), []
    if name in _functions(lab):
        lab.client("lambda").delete_function(FunctionName=name)
        did.append(f"deleted function {name}")
    if name in _roles(lab):
        iam.delete_role_policy(RoleName=name, PolicyName=POLICY)
        iam.delete_role(RoleName=name)
        did.append(f"deleted role {name}")
    return did
