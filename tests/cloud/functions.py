"""Functions of Lambda as tests make them: code in a zip file, a role of their own."""

from __future__ import annotations

import base64
import io
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.conftest import LocalCloud

RUNTIME = f"python3.{sys.version_info.minor}"  # that which runs them here
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def zipped(files: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


@dataclass(frozen=True)
class Said:
    """What came of a call."""

    status: int
    payload: Any
    error: str | None
    version: str
    log: str


class Functions:
    """Makes functions in the tests' local cloud, with a role that may do `actions` everywhere."""

    def __init__(self, cloud: LocalCloud, unique: Callable[[str], str], actions: list[str] | None = None) -> None:
        self.client, self.unique = cloud.client("lambda"), unique
        self.role = self.make_role(cloud, unique("functions"), actions or ["logs:*"])

    def make_role(self, cloud: LocalCloud, name: str, actions: list[str]) -> str:
        iam = cloud.client("iam")
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        rights = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}}
        iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=json.dumps(rights))
        return str(made["Role"]["Arn"])

    def make(self, code: str | dict[str, str | bytes], **options: Any) -> str:
        """The name of a new function. code: of index.py, whose `handler` it is, or its files."""
        name = self.unique("function")
        files: dict[str, str | bytes] = {"index.py": code} if isinstance(code, str) else code
        asked = {"Runtime": RUNTIME, "Handler": "index.handler", "Role": self.role} | options
        self.client.create_function(FunctionName=name, Code={"ZipFile": zipped(files)}, **asked)
        return name

    def call(self, name: str, event: Any = None, **options: Any) -> Said:
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail", **options)
        log = base64.b64decode(answer.get("LogResult", "")).decode()
        payload = json.loads(answer["Payload"].read() or b"null")
        return Said(answer["StatusCode"], payload, answer.get("FunctionError"), answer["ExecutedVersion"], log)
