"""Which function a request to Lambda names: by its name, its ARN or a part of that, with a qualifier or not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from sagelab.cloud.errors import AccessDenied, InvalidFunctionValue
from sagelab.cloud.gateway.http.request import Request

# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?"
    r"(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_NAME, _PATH = re.compile(PATTERN), re.compile(r"/\d{4}-\d\d-\d\d/functions/([^/]+)(/.*)?")
_BROKEN = (
    "1 validation error detected: Value '{}' at 'functionName' failed to satisfy constraint: Member must satisfy"
    " regular expression pattern: {}"
)
_TWICE = "The derived qualifier from the function name does not match the specified qualifier."


@dataclass(frozen=True)
class Named:
    """where: REGION:ACCOUNT. qualifier: a version or an alias, or ""."""

    where: str
    name: str
    qualifier: str = ""

    @property
    def base(self) -> str:
        return f"arn:aws:lambda:{self.where}:function:{self.name}"

    @property
    def arn(self) -> str:
        return f"{self.base}:{self.qualifier}" if self.qualifier else self.base


def of_request(request: Request, where: str) -> Named | None:
    """What the path of a request names, with the qualifier of its query; None where it names none.

    InvalidFunctionValue: that is no name of a function. AccessDenied: it is one of another region or account.
    """
    found = _PATH.fullmatch(request.path)
    if found is None:
        return None
    named, asked = read(unquote(found[1]), where), request.parameters.get("Qualifier", "")
    if named.qualifier and asked and named.qualifier != asked:
        raise InvalidFunctionValue(_TWICE)
    return Named(where, named.name, named.qualifier or asked)


def read(text: str, where: str) -> Named:
    """What a name, an ARN or a part of one stands for."""
    found = _NAME.fullmatch(text) if len(text) <= 170 else None
    if found is None:
        raise InvalidFunctionValue(_BROKEN.format(text, PATTERN))
    region, account = where.split(":")
    if (found[3] or f"{region}:") != f"{region}:" or (found[9] or f"{account}:") != f"{account}:":
        raise AccessDenied(f"Functions of {text} are not this account's in {region}.")
    return Named(where, found[11], found[13] or "")
