"""Everything that is not SageMaker: moto, called in process. Only this package imports it.

moto is a library of test doubles, so four things are added on the way: an app is chosen once a service
instead of once a request, its crashes become errors that a client does not retry, the planes and pages
that must not be reached are not, and what a request changes is kept before it is answered (persistence/).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

# The guard refuses foreign pages, so no answer needs CORS headers; no machine runs, so 1,300 images are not kept.
os.environ |= {"MOTO_DISABLE_GLOBAL_CORS": "true", "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}

from botocore.model import OperationNotFoundError
from moto.backends import get_backend
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)

from sagelab.cloud.errors import (
    AccessDenied,
    GaveUp,
    MalformedXml,
    NotImplementedHere,
    ServiceError,
    storage_unavailable,
)
from sagelab.cloud.gateway.auth import readings
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Needed
from sagelab.cloud.gateway.auth.sources import Held
from sagelab.cloud.gateway.auth.verdict import Guarded, Rights
from sagelab.cloud.gateway.context import Context
from sagelab.cloud.gateway.http.request import CONTROL, Request
from sagelab.cloud.gateway.http.spool import Disk
from sagelab.cloud.gateway.moto import (
    checks,
    deliveries,
    encryption,
    hook,
    iam,
    key_pairs,
    key_rules,
    log_events,
    mfa,
    object_parts,
    outgoing,
    parameters,
    randomness,
    routes,
    s3,
    sagemaker,
)
from sagelab.cloud.gateway.moto.environ import Environ, S3Request, environ_of, prepare
from sagelab.cloud.gateway.moto.metrics import CloudWatchRequest, SampleIndex
from sagelab.cloud.gateway.moto.persistence.objects import as_files
from sagelab.cloud.gateway.moto.persistence.persister import Persister
from sagelab.cloud.gateway.moto.sagemaker import SageMakerAccess
from sagelab.cloud.gateway.wire.faults import Answer

App = Any  # a Flask application; its configuration says which of moto's services it is

# What the labs call first.
FIRST = ("s3", "iam", "sts", "logs", "monitoring")
_HIDDEN = frozenset(
    {"moto_api", "moto_api._internal", "instance_metadata", "sagemaker", "sagemakerruntime", "sagemakermetrics"}
)
# For these moto looks at more than the service and the region to choose an app.
_LOOKS_CLOSER = frozenset({"execute-api", "mediastore", "bedrock", "bedrock-agentcore"})

_WAITING = ("ReceiveMessage", "GetActivityTask")  # operations that wait for others
_TURNS = 256
_NO_XML = "The XML you provided was not well-formed or did not validate against our published schema"

_log = logging.getLogger("sagelab")

# The models of CloudFormation, which the first stack loads, bring jsonschema, which builds 38 parsers of foreign
# addresses where it can: two seconds for a check that nothing here needs.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type] # None: an import of it fails


class NoSuchService(Exception):
    """moto has no app for a request, or none that may be reached."""


class MotoFront:
    """moto's own dispatcher behind a cache of its choices.

    folder: where what moto holds is kept. disk: the room that S3's objects have.
    """

    def __init__(self, folder: Path, disk: Disk) -> None:
        randomness.install()
        key_pairs.install()
        log_events.install()
        s3.install()
        object_parts.install()
        outgoing.refuse()
        self._persister = Persister(folder, disk)
        self.samples = SampleIndex()
        self._dispatcher = DomainDispatcherApplication(_create)
        self._apps: dict[tuple[object, ...], App] = {}
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(_TURNS + 1)]

    def warm(self, region: str) -> None:
        """Import and build what the labs call first; it takes about a second."""
        for service in FIRST:
            self._app(_scoped(service, region), service, region)

    def close(self) -> None:
        self._persister.close()

    @contextmanager
    def acting(self, service: str, region: str, changes: bool) -> Iterator[None]:
        """For the block, act on moto's backends of a service without a request; what it changes is kept."""
        checks.hold(service)
        with self._persister.keeping(service, region, changes), hook.placed(region):
            yield

    def regions(self, service: str) -> list[str]:
        """Where moto has something of a service, kept or in memory."""
        return self._persister.regions(service)

    def answer(self, context: Context) -> Answer:
        """moto's answer.

        NotImplementedHere: it has none. GaveUp: it crashed. StorageUnavailable: the home cannot hold it.
        """
        service, region, environ = context.service, context.region, environ_of(context.request)
        if service == "s3":
            prepare(environ, context.request)
        with _crashes(context):
            lesson = sagemaker.teach(service)
            app = self._app(environ, service, region)
            moving = service == "cloudformation" and lesson.unsettled(region)
            if app.config["SERVICE"] == "s3" and service != "s3":
                raise AccessDenied("Credential should be scoped to correct service: 's3'.")
            checks.admit(app.config["SERVICE"], context.operation)
            changes, waits = moving or context.changes, context.operation in _WAITING
            keeping = self._persister.keeping(app.config["SERVICE"], region, changes, waits)
            asking = SageMakerAccess.current.asked_by(context) if lesson else nullcontext()
            judging = hook.asking(context, partial(readings.agree, context))
            whole = service != "s3" or "select" in context.request.parameters
            filing = nullcontext() if whole else as_files()
            sealing = encryption.protecting(context, environ)
            with self._turn(environ, service), asking, keeping, judging, filing, sealing, hook.placed(region):
                if moving:
                    lesson.settle(region)
                if service == "kms":
                    key_rules.check(context)
                answer = _call(app, environ)
        if answer.status >= 500 or (answer.status >= 400 and _is_page(answer.body)):
            raise _unknown(context)
        return answer

    def _turn(self, environ: Environ, service: str) -> AbstractContextManager[Any]:
        """One request at a time on one S3 object, freed by moto while another reads it, or on DynamoDB's items."""
        if service not in ("s3", "dynamodb"):
            return nullcontext()
        return self._turns[hash(environ.get("PATH_INFO")) % _TURNS if service == "s3" else _TURNS]

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

    def name(self, context: Context) -> None:
        """Find the operation of a request that names it by its method and path."""
        request = context.request
        by_path = not (context.is_ours or request.target or request.form.get("Action"))
        if by_path and (context.service != "s3" or context.is_control):
            context.named = routes.operation_of(request, context.service)

    def metrics(self, request: Request, region: str) -> CloudWatchRequest:
        """A CloudWatch request, read. GaveUp: moto cannot read it."""
        try:
            with hook.placed(region):
                return CloudWatchRequest(request)
        except Exception as crash:
            raise GaveUp(f"{request.operation} cannot be read: {type(crash).__name__}: {crash}") from None

    def takes(self, service: str, action: str, arn: str, source: str) -> bool | None:
        """Whether a resource lets a service of AWS's do something to it for a source. None: it is not there."""
        return deliveries.takes(service, action, arn, source)

    def kms_key(self, named: str, where: str) -> str:
        """The ARN of the key of KMS that an id, an alias or an ARN names. where: "REGION:ACCOUNT"."""
        return iam.kms_key(named, where)

    def sources(self, arn: str) -> Held | None:
        """The policies of a user, a group or a role with their texts, and its boundary; None where it is not."""
        return iam.sources_of(arn)

    def rights(self, key: Key) -> Rights:
        """What the policies of a key's user, role and session let it do."""
        return iam.rights_of(key)

    def tags(self, key: Key) -> dict[str, list[str]]:
        """The tags of a key's user or role, as condition keys with their values."""
        return iam.tags_of(key)

    def settled(self, needed: Needed) -> Needed:
        """What is needed, of the thing itself where an alias names it."""
        return iam.settled(needed)

    def guarded(self, needed: Needed, key: Key) -> Guarded:
        """The policy of the resource that something is needed of."""
        return iam.guarded(needed, key)

    def provide_policy(self, context: Context) -> None:
        """Make a policy that AWS manages known to moto's IAM, where one is asked for by name."""
        if context.service == "iam":
            for name in ("PolicyArn", "PermissionsBoundary"):
                iam.provide_policy(context.request.form.get(name, ""))

    def over(self, bucket: str, name: str, version: str | None) -> tuple[str, str] | None:
        """The customer's KMS key that an S3 object is under, and for what (s3_actions.py)."""
        return encryption.key_over(bucket, name, version)

    def for_new(self, request: Request) -> tuple[str, str] | None:
        """The customer's KMS key that a new S3 object will be under, and for what."""
        return encryption.key_for_new(request)

    def take_code(self, user: str, serial: str, code: str) -> None:
        """Take the code of an MFA device of a user, by its ARN. AccessDenied: it shows none such."""
        with self.acting("iam", "us-east-1", True):
            mfa.authenticate(user, serial, code)

    def resync(self, account: str, form: dict[str, str]) -> None:
        """Learn from two codes how far the clock of an MFA device is off."""
        with self.acting("iam", "us-east-1", True):
            mfa.resync(account, form)

    def object_tags(self, bucket: str, name: str, version: str | None) -> dict[str, str]:
        """The tags of an S3 object; none where it is not there."""
        return iam.object_tags(bucket, name, version)

    def role_id(self, account: str, name: str) -> str | None:
        """The unique id of an IAM role, or None where there is no such role."""
        roles = get_backend("iam")[account]["aws"].roles.values()
        return next((role.id for role in list(roles) if role.name == name), None)


def _create(service: Any) -> Any:
    """moto's app for one of its services, None where it has none for the request."""
    if service is None or service in _HIDDEN:
        raise NoSuchService
    app = create_backend_app(service)
    if service == "s3":
        app.request_class = S3Request
    app.config["SERVICE"] = service
    return app


def services() -> list[str]:
    """Every service moto serves, by its module's name."""
    from moto.backend_index import backend_url_patterns

    return sorted({name for name, _ in backend_url_patterns} - _HIDDEN)


@contextmanager
def _crashes(context: Context) -> Iterator[None]:
    """What moto raises, as the errors that a caller is told."""
    try:
        yield
    except ServiceError:
        raise
    except OSError as error:
        raise storage_unavailable(error) from None
    except (NoSuchService, NotImplementedError, OperationNotFoundError):
        raise _unknown(context) from None
    except ExpatError:
        raise MalformedXml(_NO_XML) from None
    except Exception as crash:
        if isinstance(crash.__cause__, ServiceError):
            raise crash.__cause__ from None
        parameters.check_types(context.request, context.service, context.operation)
        _log.exception("moto failed on %s %s", context.service, context.operation)
        raise GaveUp(f"{context.service} {context.operation} failed: {type(crash).__name__}: {crash}") from None


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
        return service, region, path.startswith(CONTROL)
    return service, region, service == "ses" and path.startswith("/v2/")


def _harmless(path: str) -> str:
    """moto serves its own pages by path, to whatever service the request is signed for."""
    reserved = ("/moto-api", "/favicon.ico", "/latest/meta-data/", "/latest/api/")
    return "/" if path.startswith(reserved) else path


def _scoped(service: str, region: str) -> Environ:
    claim = f"none/20000101/{region}/{service}/aws4_request"
    scope = f"AWS4-HMAC-SHA256 Credential={claim}, SignedHeaders=, Signature="
    return {"HTTP_AUTHORIZATION": scope, "PATH_INFO": "/", "HTTP_HOST": "127.0.0.1"}


def _call(app: App, environ: Environ) -> Answer:
    """The answer of a WSGI application: a whole one, as moto makes most, or the content of a large object."""
    said: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        said[:] = [int(status.split(None, 1)[0]), headers]

    parts = app(environ, start_response)
    pieces = iter(parts)
    start = list(islice(pieces, 2))
    if len(start) == 2 and app.config["SERVICE"] == "s3":
        return Answer(said[0], said[1], b"", "", _stream(start, pieces, parts))
    return Answer(said[0], said[1], b"".join(_stream(start, pieces, parts)), "")


def _stream(start: list[bytes], rest: Iterator[bytes], parts: Any) -> Generator[bytes, None, None]:
    try:
        yield from start
        yield from rest
    finally:
        if close := getattr(parts, "close", None):
            close()


def _is_page(body: bytes) -> bool:
    return body[:20].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _assumed(access_key: str) -> Key | None:
    for account in get_backend("sts").values():
        for backend in list(account.values()):
            for role in reversed(list(backend.assumed_roles)):
                if role.access_key_id == access_key:
                    until = role.expiration.replace(tzinfo=UTC).timestamp()
                    who = (role.arn, getattr(role, "holder_id", ""), role.account_id)
                    return Key(
                        access_key,
                        role.secret_access_key,
                        *who,
                        role.session_token,
                        until,
                        session_policy=role.policy or "",
                        session_policies=getattr(role, "session_policies", ()),
                        issued=getattr(role, "issued", None),
                    )
    return None


def _user(access_key: str) -> Key | None:
    for account in list(get_backend("iam").values()):
        for backend in list(account.values()):
            for user in list(backend.users.values()):
                for key in list(user.access_keys):
                    if key.access_key_id == access_key and key.status == "Active":
                        return Key(access_key, key.secret_access_key, user.arn, user.id, user.account_id)
    return None
