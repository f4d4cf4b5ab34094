"""Who calls. The local cloud runs submitted code, so nothing is served that its owner's key did not sign.

A web page the user happens to visit can reach 127.0.0.1 as well: a foreign Host (DNS rebinding) and any
foreign Origin are refused before anything else is looked at. Nobody's body is read: the head says its hash and is
signed with it, and where a service signs the hash of the body alone, it is a small one.
"""

from __future__ import annotations

import calendar
import hmac
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sagelab.cloud.errors import (
    AccessDenied,
    ExpiredRequest,
    ExpiredToken,
    IncompleteSignature,
    InvalidArgument,
    InvalidToken,
    MissingAuthentication,
    PayloadMismatch,
    RequestTooLarge,
    SignatureMismatch,
)
from sagelab.cloud.gateway.auth import git_credentials, signature
from sagelab.cloud.gateway.auth.git_credentials import GitClaim
from sagelab.cloud.gateway.auth.signature import Signed
from sagelab.cloud.gateway.http import chunks
from sagelab.cloud.gateway.http.request import BODY_LIMIT, DOCUMENT_LIMIT, FIELDS_LIMIT, Request

if TYPE_CHECKING:
    from sagelab.cloud.gateway.context import Context

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
CLOCK_SKEW = 15 * 60
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
_UNSIGNED_FORM = (
    "Bucket POST must contain a field named 'X-Amz-Signature'.  If it is specified, please check the order of the "
    "fields."
)
_UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True)
class Key:
    """An access key somebody was given. arn, user_id, account: whose it is. owner: the home's own key, or
    a session that was made from it (GetSessionToken); no ARN says so, as a session of a role may have any name.

    token: the session token that must come with it, or None. issued, expires: epoch seconds, or None. service: of
    AWS's, "sagemaker.amazonaws.com", where one signs. session_policy: what limits a role's session.
    session_policies: ARNs of managed policies that do so too. mfa: when its user showed a code of an MFA device,
    epoch seconds; no request says so.
    """

    access_key: str
    secret: str
    arn: str
    user_id: str
    account: str
    token: str | None = None
    expires: float | None = None
    owner: bool = False
    service: str = ""
    session_policy: str = ""
    session_policies: tuple[str, ...] = ()
    issued: float | None = None
    mfa: float | None = None


@dataclass(frozen=True)
class Caller:
    """Who signed a request, and for which region and service."""

    key: Key
    region: str
    service: str


class Guard:
    """Checks requests to the local cloud at `url`; `find` gives the key of an access key id, or None."""

    def __init__(self, url: str, find: Callable[[str], Key | None]) -> None:
        port = urlsplit(url).port
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))
        # S3 Control has the account before the host, and what is below localhost is this machine (RFC 6761).
        self._of_account = re.compile(rf"[0-9]{{12}}\.localhost:{port}")
        self._origins = frozenset(f"{way}://{host}" for way in ("http", "https") for host in self._hosts)
        self._find = find

    def check_page(self, context: Context) -> None:
        """Refuse what a web page, or a name that is not this machine's, may have sent, and what nobody reads."""
        request = context.request
        if request.fields > FIELDS_LIMIT:
            raise RequestTooLarge(f"The query string has more than {FIELDS_LIMIT:,} fields.")
        host = (request.header("host") or "").lower()
        if host not in self._hosts and not self._of_account.fullmatch(host):
            raise AccessDenied("The local cloud answers to 127.0.0.1 and localhost only.")
        origin = request.header("origin")
        if origin is not None and origin.lower() not in self._origins:
            raise AccessDenied("The local cloud does not answer web pages.")

    def identify(self, context: Context) -> None:
        """Find who signed the request. AccessDenied, or one of its kinds: nobody we know did."""
        context.caller = self._caller(context.request)

    def identify_form(self, context: Context, fields: Mapping[str, str]) -> None:
        """Find who signed the policy of a form upload. AccessDenied, or one of its kinds: nobody we know did.

        The policy is the credential: a page that can make a browser send a form has none to put into it.
        """
        if "policy" not in fields:
            raise MissingAuthentication("Missing Authentication Token")
        by_v4 = "x-amz-signature" in fields
        if not by_v4 and not {"awsaccesskeyid", "signature"} <= fields.keys():
            raise InvalidArgument(_UNSIGNED_FORM)
        context.caller = self._signed_form(fields) if by_v4 else self._signed_form_v2(fields)

    def identify_git(self, claim: GitClaim, path: str, request: Request, regions: Iterable[str]) -> Caller:
        """Who signed for a repository, and for which of the regions. AccessDenied, or one of its kinds: none did.

        path: of the repository.
        """
        key = self._key(claim.access_key, claim.token)
        host = (request.header("host") or "").rpartition(":")[0].lower()
        check_time(claim.signed(""))
        for region in regions:
            for written in (path, f"{path}/"):
                expected = git_credentials.sign(claim, key.secret, host, written, region)
                if hmac.compare_digest(expected, claim.signature):
                    return Caller(key, region, git_credentials.SERVICE)
        raise SignatureMismatch(_MISMATCH)

    def _signed_form(self, fields: Mapping[str, str]) -> Caller:
        claim = signature.read_form(fields)
        key = self._key(claim.access_key, claim.token)
        expected = signature.sign_text(fields["policy"], claim, key.secret)
        fits = claim.service == "s3" and claim.time.startswith(claim.date)
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()) or not fits:
            raise SignatureMismatch(_MISMATCH)
        return Caller(key, claim.region, claim.service)

    def _signed_form_v2(self, fields: Mapping[str, str]) -> Caller:
        key = self._key(fields["awsaccesskeyid"], fields.get("x-amz-security-token"))
        expected = signature.sign_policy_v2(fields["policy"], key.secret)
        if not hmac.compare_digest(expected.encode(), fields["signature"].encode()):
            raise SignatureMismatch(_MISMATCH)
        return Caller(key, "us-east-1", "s3")

    def _caller(self, request: Request) -> Caller:
        if request.header("authorization") is not None:
            return self._signed(request, signature.read_header(request))
        if "X-Amz-Signature" in request.parameters:
            return self._signed(request, signature.read_query(request))
        if "AWSAccessKeyId" in request.parameters and "Signature" in request.parameters:
            return self._signed_v2(request)
        raise MissingAuthentication("Missing Authentication Token")

    def _signed(self, request: Request, claim: Signed) -> Caller:
        check_time(claim)
        _check_names(request, claim)
        key = self._key(claim.access_key, claim.token)
        declared = _declared(request, claim)
        if declared is None:
            request.read(DOCUMENT_LIMIT)
        payload = request.sha256() if declared is None else declared
        expected = signature.sign(request, claim, key.secret, payload)
        if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
            raise SignatureMismatch(_MISMATCH)
        if declared is not None:
            _read_body(request, claim, key, declared)
        return Caller(key, claim.region, claim.service)

    def _signed_v2(self, request: Request) -> Caller:
        sent = request.parameters
        if not sent.get("Expires", "").isdecimal():
            raise AccessDenied("Query-string authentication requires Expires, in epoch seconds.")
        key = self._key(sent["AWSAccessKeyId"], sent.get("x-amz-security-token"))
        if int(sent["Expires"][:12]) < time.time():
            raise AccessDenied("Request has expired")
        expected = signature.sign_v2(request, key.secret)
        if not hmac.compare_digest(expected.encode(), sent["Signature"].encode()):
            raise SignatureMismatch(_MISMATCH)
        request.read(_limit(request, "s3"))
        return Caller(key, "us-east-1", "s3")

    def _key(self, access_key: str, token: str | None) -> Key:
        key = self._find(access_key)
        if key is None or not hmac.compare_digest((key.token or "").encode(), (token or "").encode()):
            raise InvalidToken("The security token included in the request is invalid.")
        if key.expires is not None and key.expires < time.time():
            raise ExpiredToken("The security token included in the request is expired")
        return key


def check_time(claim: Signed) -> None:
    """Refuse a presigned URL past its time, and a header signed more than 15 minutes ago or ahead."""
    signed_at = _epoch(claim.time)
    if not claim.time.startswith(claim.date):
        raise SignatureMismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{claim.time[:8]}', from '{claim.time}'."
        )
    now = time.time()
    if claim.lifetime is not None and now > signed_at + claim.lifetime:
        raise AccessDenied("Request has expired")
    if claim.lifetime is None and now - signed_at > CLOCK_SKEW:
        raise ExpiredRequest(_skew("Signature expired", "earlier", claim, now, -CLOCK_SKEW))
    if signed_at - now > CLOCK_SKEW:
        raise ExpiredRequest(_skew("Signature not yet current", "later", claim, now, CLOCK_SKEW))


def _skew(what: str, order: str, claim: Signed, now: float, limit: int) -> str:
    edge, here = (time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at)) for at in (now + limit, now))
    sign = "-" if limit < 0 else "+"
    return f"{what}: {claim.time} is now {order} than {edge} ({here} {sign} 15 min.)"


@lru_cache(maxsize=64)  # a second's requests carry one time
def _epoch(time_of: str) -> float:
    try:
        return calendar.timegm(time.strptime(time_of, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise IncompleteSignature(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header, "
            f"in the form 20260131T235959Z; got '{time_of}'."
        ) from None


def _check_names(request: Request, claim: Signed) -> None:
    """The host and every x-amz- header must be signed; the body's hash is signed as such anyway."""
    names = set(claim.headers)
    for name in request.headers:
        if name.startswith("x-amz-") and name not in names and name != "x-amz-content-sha256":
            raise AccessDenied(f"There were headers present in the request which were not signed: {name}")
    if "host" not in names:
        raise SignatureMismatch("'Host' must be a 'SignedHeader' in the AWS Authorization.")


def _declared(request: Request, claim: Signed) -> str | None:
    """What stands for the body in the canonical request, where the head says it; None: the body's hash does."""
    said = request.header("x-amz-content-sha256")
    if claim.lifetime is not None and claim.service == "s3":
        return said if said is not None and "x-amz-content-sha256" in claim.headers else _UNSIGNED
    return said


def _read_body(request: Request, claim: Signed, key: Key, declared: str) -> None:
    """Read the body of a request whose head is signed. PayloadMismatch: it is not the one that was signed."""
    limit = _limit(request, claim.service)
    if declared in chunks.SIGNED or declared == chunks.UNSIGNED:
        chunks.read(request, claim, key.secret, limit)
        return
    request.read(limit)
    if declared != _UNSIGNED and not hmac.compare_digest(declared.encode(), request.sha256().encode()):
        raise PayloadMismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")


def _limit(request: Request, service: str) -> int:
    return BODY_LIMIT if service == "s3" and request.is_upload else DOCUMENT_LIMIT
