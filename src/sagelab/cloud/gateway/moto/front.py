"""Everything that is not SageMaker: moto, called in process. Only this package imports it.

moto is a library of test doubles, so four things are added on the way: an app is chosen once a service
instead of once a request, its crashes become errors that a client does not retry, the planes and pages
that must not be reached are not, and what a request changes is kept before it is answered (persistence/).
"""

from __future__ import annotations

import json
import logging
import os
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

# Read at import: the guard refuses foreign pages, so no answer needs CORS headers.
os.environ.setdefault("MOTO_DISABLE_GLOBAL_CORS", "true")

from moto.backends import get_backend
from moto.moto_server.werkzeug_app import (
    BackendRequest,
    DomainDispatcherApplication,
    create_backend_app,
)

from sagelab.cloud.errors import (
    AccessDenied,
    GaveUp,
    MalformedXML,
    NotImplementedHere,
    StorageUnavailable,
    storage_unavailable,
)
from sagelab.cloud.gateway.auth import readings
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.policies import Policy, read
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.http.request import Request
from sagelab.cloud.gateway.moto import hook, log_events, s3, sagemaker
from sagelab.cloud.gateway.moto.environ import Environ, environ_of
from sagelab.cloud.gateway.moto.persistence.objects import bucket_of, key_for_new, key_over
from sagelab.cloud.gateway.moto.persistence.persister import Persister
from sagelab.cloud.gateway.moto.sagemaker import SageMakerAccess
from sagelab.cloud.gateway.wire.faults import Answer
from sagelab.cloud.home import ACCOUNT

__all__ = ["Metrics", "MotoFront", "Sample", "services"]

App = Any  # a Flask application; its configuration says which of moto's services it is

# What the labs call first.
FIRST = ("s3", "iam", "sts", "logs", "monitoring")
_HIDDEN = frozenset({"moto_api", "instance_metadata", "sagemaker", "sagemakerruntime", "sagemakermetrics"})
# For these moto looks at more than the service and the region to choose an app.
_LOOKS_CLOSER = frozenset({"execute-api", "mediastore", "bedrock", "bedrock-agentcore"})

_TURNS = 256
_NO_XML = "The XML you provided was not well-formed or did not validate against our published schema"
_MANAGED = "arn:aws:iam::aws:policy/"

_log = logging.getLogger("sagelab")


class NoSuchService(Exception):
    """moto has no app for a request, or none that may be reached."""


class MotoFront:
    """moto's own dispatcher behind a cache of its choices.

    folder: where what moto holds is kept. limit: bytes that all S3 objects together may have.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        log_events.install()
        s3.install()
        self._persister = Persister(folder, limit)
        self._dispatcher = DomainDispatcherApplication(_create)
        self._apps: dict[tuple[object, ...], App] = {}
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(_TURNS)]

    def warm(self, region: str) -> None:
        """Import and build what the labs call first; it takes about a second."""
        for service in FIRST:
            self._app(_scoped(service, region), service, region)

    def close(self) -> None:
        self._persister.close()

    def answer(self, context: Context) -> Answer:
        """moto's answer.

        NotImplementedHere: it has none. GaveUp: it crashed. StorageUnavailable: the home cannot hold it.
        """
        service, region, environ = context.service, context.region, environ_of(context.request)
        if service == "s3" and context.request.method == "PUT":
            _keep_form(environ)
        try:
            lesson = sagemaker.teach(service)
            app = self._app(environ, service, region)
            moving = service == "cloudformation" and lesson.unsettled(region)
            if app.config["SERVICE"] == "s3" and service != "s3":
                raise AccessDenied("Credential should be scoped to correct service: 's3'.")
            keeping = self._persister.keeping(app.config["SERVICE"], region, moving or context.changes)
            asking = SageMakerAccess.current.asked_by(context) if lesson else nullcontext()
            judging = hook.asking(partial(readings.agree, context))
            with self._turn(environ, service), asking, keeping, judging:
                if moving:
                    lesson.settle(region)
                answer = _call(app, environ)
        except (AccessDenied, StorageUnavailable):
            raise
        except OSError as error:
            raise storage_unavailable(error) from None
        except (NoSuchService, NotImplementedError):
            raise _unknown(context) from None
        except ExpatError:
            raise MalformedXML(_NO_XML) from None
        except Exception as crash:
            _log.exception("moto failed on %s %s", service, context.operation)
            raise GaveUp(f"{service} {context.operation} failed: {type(crash).__name__}: {crash}") from None
        if answer.status >= 500 or (answer.status >= 400 and _is_page(answer.body)):
            raise _unknown(context)
        return answer

    def _turn(self, environ: Environ, service: str) -> AbstractContextManager[Any]:
        """One request at a time on one S3 object: moto frees the old content while another reads it."""
        if service != "s3":
            return nullcontext()
        return self._turns[hash(environ.get("PATH_INFO")) % len(self._turns)]

    def _app(self, environ: Environ, service: str, region: str) -> App:
        key = _choice(environ, service, region)
        if key is None:
            return self._choose(environ, service)
        app = self._apps.get(key)
        if app is None:
            with self._lock:
                app = self._apps[key] = self._choose(environ, service)
        return app

    def _choose(self, environ: Environ, service: str) -> App:
        if environ.get("HTTP_AUTHORIZATION") is None:
            environ = {**environ, **_scoped(service, "us-east-1")}
        path = _harmless(environ["PATH_INFO"])
        return self._dispatcher.get_application({**environ, "PATH_INFO": path})

    def key(self, access_key: str) -> Key | None:
        """An access key that moto issued to an IAM user or with an assumed role."""
        if access_key.startswith("ASIA"):
            return _assumed(access_key)
        return _user(access_key) if access_key.startswith("AKIA") else None

    def metrics(self, request: Request) -> Metrics:
        """A CloudWatch request for metrics. GaveUp: moto cannot read it."""
        try:
            return Metrics(request)
        except Exception as crash:
            raise GaveUp(f"{request.operation} cannot be read: {type(crash).__name__}: {crash}") from None

    def policies(self, arn: str) -> list[Policy] | None:
        """Every policy of the user or role that `arn` is, or is a session of. None: there is none such."""
        kind, _, name = arn.split(":", 5)[5].partition("/")
        name = name.partition("/")[0] if kind == "assumed-role" else name.rpartition("/")[2]
        iam = get_backend("iam")[arn.split(":")[4]]["aws"]
        if kind == "user":
            user = iam.users.get(name)
            holders = [user, *(group for group in iam.groups.values() if user in group.users)] if user else []
        else:
            holders = [role for role in list(iam.roles.values()) if role.name == name]
        return [policy for holder in holders for policy in _policies(holder)] if holders else None

    def provide_policy(self, context: Context) -> None:
        """Make a policy that AWS manages known to moto's IAM, where one is asked for by name."""
        arn = context.request.form.get("PolicyArn", "") if context.service == "iam" else ""
        if not arn.startswith(_MANAGED):
            return
        from moto.iam.aws_managed_policies import aws_managed_policies_data
        from moto.iam.models import AWSManagedPolicy

        iam, name = get_backend("iam")[ACCOUNT]["aws"], arn.rpartition("/")[2]
        if arn not in iam.managed_policies and (data := json.loads(aws_managed_policies_data).get(name)):
            policy = AWSManagedPolicy.from_data(name, ACCOUNT, "us-east-1", data)
            iam.managed_policies[policy.arn] = policy

    def bucket_policy(self, bucket: str) -> Policy | None:
        """The policy of a bucket, or None."""
        found = bucket_of(bucket)
        return read(found.policy.decode()) if found is not None and found.policy else None

    def over(self, bucket: str, name: str, version: str | None) -> str | None:
        """The ARN of the customer's KMS key that an S3 object is under, or None."""
        return key_over(bucket, name, version)

    def for_new(self, bucket: str, named: str | None) -> str | None:
        """The ARN of the customer's KMS key that a new S3 object will be under, or None."""
        return key_for_new(bucket, named)

    def role_id(self, account: str, name: str) -> str | None:
        """The unique id of an IAM role, or None where there is no such role."""
        roles = get_backend("iam")[account]["aws"].roles.values()
        return next((role.id for role in list(roles) if role.name == name), None)


@dataclass(frozen=True)
class Sample:
    """`count` equal values of a metric. value None: a statistic set, which says no more than its extremes."""

    time: datetime
    value: float | None
    count: int
    unit: str


class Metrics:
    """One CloudWatch request as moto reads it, in any protocol, the data that moto keeps, and the way back.

    params: the request in the input shape's form; times are naive, in UTC.
    """

    def __init__(self, request: Request) -> None:
        from moto.cloudwatch.responses import CloudWatchResponse

        self._response = CloudWatchResponse()
        with request.rewound():
            self._response.setup_class(BackendRequest(environ_of(request)))
        self.params: dict[str, Any] = self._response.params

    def samples(self, namespace: str, name: str, dimensions: dict[str, str]) -> list[Sample]:
        """Everything measured of one metric, whose dimensions are exactly these."""
        return [
            _sample(datum)
            for datum in self._response.cloudwatch_backend.get_all_metrics()
            if (datum.namespace, datum.name) == (namespace, name)
            and {one.name: one.value for one in datum.dimensions} == dimensions
        ]

    def data(
        self, queries: list[dict[str, Any]], window: tuple[datetime, datetime], descending: bool
    ) -> list[dict[str, Any]]:
        """moto's own results of GetMetricData."""
        order = "TimestampDescending" if descending else "TimestampAscending"
        backend = self._response.cloudwatch_backend
        found: list[dict[str, Any]] = backend.get_metric_data(queries, *window, order) if queries else []
        return found

    def answer(self, output: dict[str, Any]) -> Answer:
        """The answer that carries `output`, in the protocol of the request."""
        from moto.core.responses import ActionResult

        status, headers, body = self._response.serialized(ActionResult(output))
        content = body if isinstance(body, bytes) else str(body).encode()
        return Answer(status, [(name, str(value)) for name, value in headers.items()], content)


def _sample(datum: Any) -> Sample:
    unit = datum.unit or "None"
    if hasattr(datum, "value"):
        return Sample(datum.timestamp, datum.value, 1, unit)
    value = datum.min if datum.min == datum.max else None
    return Sample(datum.timestamp, value, max(1, round(datum.sample_count)), unit)


def _create(service: Any) -> Any:
    """moto's app for one of its services, None where it has none for the request."""
    if service is None or service in _HIDDEN:
        raise NoSuchService
    app = create_backend_app(service)
    app.config["SERVICE"] = service
    return app


def services() -> list[str]:
    """Every service moto serves, by its module's name."""
    from moto.backend_index import backend_url_patterns

    return sorted({name for name, _ in backend_url_patterns} - _HIDDEN)


def _unknown(context: Context) -> NotImplementedHere:
    return NotImplementedHere(
        f"{context.service} {context.operation} is not something the local cloud can do; "
        "docs/operations.md says what it can."
    )


def _choice(environ: Environ, service: str, region: str) -> tuple[object, ...] | None:
    """What moto's choice of an app depends on, or None where only moto can tell."""
    if service in _LOOKS_CLOSER:
        return None
    if service == "dynamodb":
        return service, region, environ.get("HTTP_X_AMZ_TARGET", "").partition(".")[0]
    path = environ.get("PATH_INFO", "")
    if service == "s3":
        return service, region, path.startswith("/v20180820/")
    return service, region, service == "ses" and path.startswith("/v2/")


def _keep_form(environ: Environ) -> None:
    """moto takes an object sent as a form (what curl and urllib call any data) for fields, and loses it."""
    if (
        environ.get("CONTENT_TYPE", "")
        .lower()
        .startswith(("application/x-www-form-urlencoded", "multipart/form-data"))
    ):
        environ["CONTENT_TYPE"] = "binary/octet-stream"


def _harmless(path: str) -> str:
    """moto serves its own pages by path, to whatever service the request is signed for."""
    reserved = ("/moto-api", "/favicon.ico", "/latest/meta-data/", "/latest/api/")
    return "/" if path.startswith(reserved) else path


def _scoped(service: str, region: str) -> Environ:
    claim = f"none/20000101/{region}/{service}/aws4_request"
    scope = f"AWS4-HMAC-SHA256 Credential={claim}, SignedHeaders=, Signature="
    return {"HTTP_AUTHORIZATION": scope, "PATH_INFO": "/", "HTTP_HOST": "127.0.0.1"}


def _call(app: App, environ: Environ) -> Answer:
    """The whole answer of a WSGI application; moto makes each in memory."""
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        said[:] = [int(status.split(None, 1)[0]), headers]

    parts = app(environ, start_response)
    try:
        body = b"".join(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()
    return Answer(said[0], said[1], body, "")


def _is_page(body: bytes) -> bool:
    return body[:20].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _policies(holder: Any) -> list[Policy]:
    """The inline and attached policies of a user, group or role."""
    attached = [
        version.document
        for policy in holder.managed_policies.values()
        for version in policy.versions
        if version.version_id == policy.default_version_id
    ]
    texts = [*holder.policies.values(), *attached]
    return [read(text) if isinstance(text, str) else text for text in texts]


def _assumed(access_key: str) -> Key | None:
    for account in get_backend("sts").values():
        for backend in list(account.values()):
            for role in reversed(list(backend.assumed_roles)):
                if role.access_key_id == access_key:
                    until = role.expiration.replace(tzinfo=UTC).timestamp()
                    who = (role.arn, role.user_id, role.account_id)
                    return Key(access_key, role.secret_access_key, *who, role.session_token, until)
    return None


def _user(access_key: str) -> Key | None:
    for account in list(get_backend("iam").values()):
        for backend in list(account.values()):
            for user in list(backend.users.values()):
                for key in list(user.access_keys):
                    if key.access_key_id == access_key and key.status == "Active":
                        return Key(access_key, key.secret_access_key, user.arn, user.id, user.account_id)
    return None
