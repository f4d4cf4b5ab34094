"""AWS's signatures, computed: Version 4 in a header, a query string or a form, Version 2 in S3's URLs and forms.

Rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html (Version 2). Pure functions; who
may call is guard.py's question.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from posixpath import normpath
from urllib.parse import quote

from sagelab.cloud.errors import IncompleteSignature
from sagelab.cloud.gateway.http.request import Request

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_HEADER = re.compile(
    ALGORITHM + r"\s+Credential=(?P<credential>[^,\s]+)\s*,\s*"
    r"SignedHeaders=(?P<headers>[^,\s]+)\s*,\s*Signature=(?P<signature>[0-9a-f]{64})\s*"
)
_SCOPE = re.compile(
    r"(?P<key>[\w+=.@-]{1,128})/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[\w.-]+)/aws4_request",
    re.ASCII,
)
# What Version 2 counts as part of an S3 resource.
_SUBRESOURCES = frozenset(
    "accelerate acl analytics cors defaultObjectAcl delete encryption inventory legal-hold lifecycle location "
    "logging metrics notification object-lock partNumber policy publicAccessBlock replication "
    "requestPayment response-cache-control response-content-disposition response-content-encoding "
    "response-content-language response-content-type response-expires restore retention select select-type "
    "storageClass tagging torrent uploadId uploads versionId versioning versions website".split()
)


@dataclass(frozen=True)
class Signed:
    """A claim: this access key signed these headers at this time, for this region and service.

    time: "20260131T235959Z". lifetime: seconds a presigned URL is good for, else None.
    """

    access_key: str
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str
    time: str
    token: str | None = None
    lifetime: int | None = None

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read_header(request: Request) -> Signed:
    """The claim of an Authorization header. IncompleteSignature: it is not in SigV4's form."""
    found = _HEADER.fullmatch(request.header("authorization") or "")
    if found is None:
        raise IncompleteSignature(
            "Authorization header requires Credential, SignedHeaders and Signature (AWS4-HMAC-SHA256)."
        )
    key, date, region, service = _scope(found["credential"])
    headers = tuple(found["headers"].split(";"))
    time = request.header("x-amz-date") or _dated(request.header("date"))
    token = request.header("x-amz-security-token")
    return Signed(key, date, region, service, headers, found["signature"], time, token)


def read_query(request: Request) -> Signed:
    """The claim of a presigned URL (SigV4). IncompleteSignature: it is not in SigV4's form."""
    sent = request.parameters
    if sent.get("X-Amz-Algorithm") != ALGORITHM:
        raise IncompleteSignature(f'X-Amz-Algorithm only supports "{ALGORITHM}".')
    key, date, region, service = _scope(sent.get("X-Amz-Credential", ""))
    lifetime = sent.get("X-Amz-Expires", "900")
    if not re.fullmatch(r"[0-9]{1,6}", lifetime) or not 1 <= int(lifetime) <= 604_800:
        raise IncompleteSignature("X-Amz-Expires must be between 1 and 604800 seconds.")
    headers = tuple(sent.get("X-Amz-SignedHeaders", "").split(";"))
    time, token = sent.get("X-Amz-Date", ""), sent.get("X-Amz-Security-Token")
    return Signed(key, date, region, service, headers, sent["X-Amz-Signature"], time, token, int(lifetime))


def read_form(fields: Mapping[str, str]) -> Signed:
    """The claim of a form upload (SigV4). IncompleteSignature: it is not in SigV4's form.

    fields: by lower-case name. Its policy is what is signed, and says for how long.
    """
    if fields.get("x-amz-algorithm") != ALGORITHM:
        raise IncompleteSignature(f'X-Amz-Algorithm only supports "{ALGORITHM}".')
    key, date, region, service = _scope(fields.get("x-amz-credential", ""))
    signature, time = fields.get("x-amz-signature", ""), fields.get("x-amz-date", "")
    return Signed(key, date, region, service, (), signature, time, fields.get("x-amz-security-token"))


def _dated(date: str | None) -> str:
    """A Date header, which older clients sign instead of X-Amz-Date, in the form of the latter."""
    try:
        return parsedate_to_datetime(date or "").strftime("%Y%m%dT%H%M%SZ")
    except (ValueError, OverflowError):
        return ""


def _scope(credential: str) -> tuple[str, str, str, str]:
    found = _SCOPE.fullmatch(credential)
    if found is None:
        raise IncompleteSignature("Credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request.")
    return found["key"], found["date"], found["region"], found["service"]


def sign(request: Request, claim: Signed, secret: str, payload: str) -> str:
    """The signature that `claim` should carry. payload: the body's hex SHA-256 or what stands for it."""
    canonical = canonical_request(request, claim, payload).encode("latin-1", "replace")
    text = f"{ALGORITHM}\n{claim.time}\n{claim.scope}\n{hashlib.sha256(canonical).hexdigest()}"
    return sign_text(text, claim, secret)


def sign_text(text: str, claim: Signed, secret: str) -> str:
    key = signing_key(secret, claim.date, claim.region, claim.service)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def sign_chunk(claim: Signed, secret: str, previous: str, chunk_sha256: str) -> str:
    """The signature of one chunk of a body sent as STREAMING-AWS4-HMAC-SHA256-PAYLOAD."""
    lines = (f"{ALGORITHM}-PAYLOAD", claim.time, claim.scope, previous, EMPTY_SHA256, chunk_sha256)
    return sign_text("\n".join(lines), claim, secret)


def sign_trailer(claim: Signed, secret: str, previous: str, trailer_sha256: str) -> str:
    """The signature of what comes after the last chunk of a body that is signed chunk by chunk."""
    lines = (f"{ALGORITHM}-TRAILER", claim.time, claim.scope, previous, trailer_sha256)
    return sign_text("\n".join(lines), claim, secret)


def canonical_request(request: Request, claim: Signed, payload: str) -> str:
    headers = "".join(f"{name}:{_trimmed(request.header(name))}\n" for name in claim.headers)
    path = request.path if claim.service.startswith("s3") else _encoded_again(request.path)
    names = ";".join(claim.headers)
    return f"{request.method}\n{path}\n{_canonical_query(request)}\n{headers}\n{names}\n{payload}"


def _trimmed(value: str | None) -> str:
    return "" if value is None else " ".join(value.split())


def _encoded_again(path: str) -> str:
    """Every service but S3 signs its path normalised and encoded once more."""
    if path == "/":
        return path
    folder = "/" if path.endswith("/") else ""
    clean = normpath(path).replace("//", "/", 1)
    return quote(clean if clean == "/" else clean + folder, safe="/~")


def _canonical_query(request: Request) -> str:
    if not request.query:
        return ""
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in request.query_pairs
        if name != "X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=512)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def sign_v2(request: Request, secret: str) -> str:
    """The Version 2 signature of an S3 URL presigned until `Expires`, in base64."""
    sent = request.parameters
    md5, kind = (request.header(name) or sent.get(name, "") for name in ("content-md5", "content-type"))
    lines = [request.method, md5, kind, sent["Expires"]]
    text = "\n".join(lines) + "\n" + _amz_headers(request) + request.path + _subresource(request)
    return base64.b64encode(hmac.new(secret.encode(), text.encode("latin-1"), hashlib.sha1).digest()).decode()


def sign_policy_v2(policy: str, secret: str) -> str:
    """The Version 2 signature of a form's policy, in base64. policy: as it is sent, in base64 too."""
    return base64.b64encode(hmac.new(secret.encode(), policy.encode(), hashlib.sha1).digest()).decode()


def _amz_headers(request: Request) -> str:
    """x-amz- headers as lines; boto3 also signs the ones it puts into the query string."""
    found = {name: _trimmed(value) for name, value in request.headers.items() if name.startswith("x-amz-")}
    found |= {name.lower(): value for name, value in request.query_pairs if name.lower().startswith("x-amz-")}
    return "".join(f"{name}:{value}\n" for name, value in sorted(found.items()))


def _subresource(request: Request) -> str:
    pairs = [part.partition("=") for part in request.query.split("&")]
    chosen = sorted((name, value) for name, _, value in pairs if name in _SUBRESOURCES)
    if not chosen:
        return ""
    values = dict(request.query_pairs)
    return "?" + "&".join(f"{name}={values[name]}" if value else name for name, value in chosen)
