"""How git's clients say who they are to CodeCommit: user and password of HTTP, made of an access key.

`aws codecommit credential-helper`, and its like, give the id of the key for the user, followed by `%` and the
session token where there is one, and for the password a time and the signature (SigV4) of a request "GIT" to the
repository's path at the host without its port. The region of the signature is nowhere said.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from sagelab.cloud.errors import IncompleteSignature
from sagelab.cloud.gateway.auth import signature
from sagelab.cloud.gateway.auth.signature import Signed
from sagelab.cloud.gateway.http.request import Request

SERVICE = "codecommit"
_PASSWORD = re.compile(r"(\d{8}T\d{6})Z([0-9a-f]{64})")


@dataclass(frozen=True)
class GitClaim:
    """This access key signed for a repository at this time. time: "20260131T235959"."""

    access_key: str
    token: str | None
    time: str
    signature: str

    def signed(self, region: str) -> Signed:
        """The same as other signatures have it, for a region."""
        when = (self.time[:8], region, SERVICE)
        return Signed(self.access_key, *when, ("host",), self.signature, f"{self.time}Z", self.token)


def read(request: Request) -> GitClaim:
    """Who a request says has sent it. IncompleteSignature: it does not say it in this form."""
    kind, _, text = (request.header("authorization") or "").partition(" ")
    try:
        user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        user = password = ""
    found = _PASSWORD.fullmatch(password)
    if kind.lower() != "basic" or found is None:
        raise IncompleteSignature("Sign in as the AWS CLI's credential helper for CodeCommit does.")
    access_key, _, token = user.partition("%")
    return GitClaim(access_key, token or None, found[1], found[2])


def sign(claim: GitClaim, secret: str, host: str, path: str, region: str) -> str:
    """The signature that a claim should carry. host: without a port. path: "/v1/repos/NAME"."""
    canonical = f"GIT\n{path}\n\nhost:{host}\n\nhost\n"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signed = claim.signed(region)
    text = f"{signature.ALGORITHM}\n{claim.time}\n{signed.scope}\n{digest}"
    return signature.sign_text(text, signed, secret)
