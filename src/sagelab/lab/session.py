"""Where AWS is: the local cloud on this machine, or the user's own account. Nothing else in a notebook asks.

SAGELAB_TARGET=local   the default: the local cloud of SAGELAB_HOME, started when it does not run
SAGELAB_TARGET=aws     AWS, with the credentials that boto3 finds; SAGELAB_ROLE names the execution role when
                       the caller is none (a laptop, an IAM user); before anything that costs, it asks
                       (spending.py)
"""

from __future__ import annotations

import html
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

from sagelab.catalog import Kind
from sagelab.lab import calls, cleanup, guide, spending

if TYPE_CHECKING:
    from sagemaker.core.resources import Endpoint, Model
    from sagemaker.train import ModelTrainer

TARGETS = ("local", "aws")
NAME = re.compile(r"[a-z0-9](-?[a-z0-9]){0,39}")
TAG = "sagelab:lab"
NAME_LIMIT = 63  # of what SageMaker names
_numbers = itertools.count(1)


class ConnectError(Exception):
    """There is no AWS to talk to, local or real; the text says what to do."""


@dataclass(frozen=True, repr=False)
class Lab:
    """A lab's place in AWS.

    name: also the key prefix of everything it puts into S3 and the value of its tag.
    role: ARN of the execution role of its jobs. bucket: the account's default SageMaker bucket.
    url: the local cloud's address; None on AWS. started: when connect() returned it, UTC.
    """

    name: str
    target: str
    session: boto3.Session
    region: str
    account: str
    role: str
    bucket: str
    url: str | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _clients: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def local(self) -> bool:
        """Whether this is the local cloud."""
        return self.target == "local"

    @property
    def prefix(self) -> str:
        """The key prefix in the bucket under which the lab keeps everything."""
        return self.name

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags that mark a resource as this lab's, in the API's form."""
        return [{"Key": TAG, "Value": self.name}]

    def uri(self, *parts: str) -> str:
        """The S3 URI of something of the lab's: uri("training") is s3://<bucket>/<prefix>/training."""
        return "/".join((f"s3://{self.bucket}/{self.prefix}", *parts))

    def client(self, service: str) -> Any:
        """A boto3 client of the lab's session, made once a service."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service)
        return self._clients[service]

    def fresh_name(self, what: str) -> str:
        """A name that nothing has yet, so that a cell can run again: the lab's, what it names, the time."""
        ending = f"-{what}-{datetime.now(UTC):%y%m%d-%H%M%S}-{next(_numbers)}"
        return self.name[: NAME_LIMIT - len(ending)].rstrip("-") + ending

    def image(self, instance_type: str, scope: str = "training") -> str:
        """The address of AWS's TensorFlow image for an instance type. scope: "training" or "inference"."""
        return calls.image(self, instance_type, scope)

    def trainer(
        self,
        script: str,
        hyperparameters: Mapping[str, Any],
        instance_type: str = "ml.p3.2xlarge",
        metrics: Mapping[str, str] = calls.METRICS,
        **more: Any,
    ) -> ModelTrainer:
        """A ModelTrainer for jobs of this lab, shown as one would write it; nothing runs yet.

        script: "folder/script.py"; the whole folder goes with it. metrics: name -> regular expression, in the
        order in which the log has them. more: what ModelTrainer takes besides, or instead of what stands here.
        """
        return calls.trainer(self, script, hyperparameters, instance_type, metrics, **more)

    def train(self, trainer: ModelTrainer, channels: Mapping[str, Any]) -> str:
        """Start a training job and return its name at once. channels: name -> S3 URI, or a source of the SDK's."""
        return calls.train(trainer, channels)

    def model(self, archive: str, image: str | None = None, instance_type: str = "ml.c5.large") -> Model:
        """Register a model under a fresh name, and show the call. archive: the S3 URI of its model.tar.gz.

        image: of the container that serves it; by default TensorFlow's for `instance_type`.
        """
        return calls.model(self, archive, image or self.image(instance_type, "inference"))

    def chain(self, **containers: Sequence[Any]) -> Model:
        """Register a model of several containers in a row under a fresh name, and show the call.

        containers: host name = (image, S3 URI of its archive, its environment), in their order.
        """
        return calls.chain(self, containers)

    def deploy(
        self,
        models: Model | Mapping[str, Model] | Sequence[Any],
        instance_type: str = "ml.c5.large",
        count: int = 1,
        endpoint: Endpoint | None = None,
    ) -> Endpoint:
        """Put models behind a new endpoint, or move `endpoint` to them, and show the calls; wait for neither.

        models: one; name of a variant -> its model; or production variants as the SDK has them. count: instances
        of each variant.
        """
        return calls.deploy(self, calls.variants(models, instance_type, count), endpoint)

    def __repr__(self) -> str:
        rows = self._rows()
        width = max(len(label) for label, _ in rows)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in rows)

    def _repr_html_(self) -> str:
        rows = [f"<tr><th>{label}</th><td>{html.escape(value)}</td></tr>" for label, value in self._rows()]
        return f"<table style='text-align: left'>{''.join(rows)}</table>"

    def _rows(self) -> list[tuple[str, str]]:
        target = "the local cloud on this machine" if self.local else "AWS"
        return [
            ("lab", self.name),
            ("target", target),
            ("region", self.region),
            ("role", self.role),
            ("data", f"s3://{self.bucket}/{self.prefix}/"),
        ]


def connect(lab: str = "lab", tls: bool | None = None) -> Lab:
    """Connect to AWS for the lab of this name, as SAGELAB_TARGET says; make its bucket if there is none.

    Says what another run of the lab has left. lab: lower-case letters, digits and single hyphens, 40 at most.
    tls: whether to speak TLS with the local cloud; by default as this process's environment does. On AWS all do.
    ConnectError: it cannot, and why.
    """
    if not NAME.fullmatch(lab):
        raise ConnectError(
            f"A lab's name is made of lower-case letters, digits and hyphens, 40 at most; {lab!r} is not."
        )
    target = os.environ.get("SAGELAB_TARGET", "local").lower()
    if target not in TARGETS:
        raise ConnectError(f"SAGELAB_TARGET is {target!r}; it should be local or aws.")
    url = _start_local(tls) if target == "local" else None
    if target == "aws":
        _refuse_local()
        spending.watch(spending.SpendGuard([{"Key": TAG, "Value": lab}], _describe))
    guide.install()
    try:
        found = find(lab, target, url)
        _tell_of_another_run(found)
        return found
    except NoRegionError:
        raise ConnectError("AWS needs a region: set AWS_DEFAULT_REGION, for example us-east-1.") from None
    except NoCredentialsError:
        raise ConnectError("AWS needs credentials: run `aws configure`, or unset SAGELAB_TARGET.") from None
    except (ClientError, BotoCoreError) as error:
        raise ConnectError(f"No connection to {'the local cloud' if url else 'AWS'}: {error}") from error


def _tell_of_another_run(lab: Lab) -> None:
    """Say what is there of the lab before it began, as far as this caller may list it."""
    left: list[str] = []
    with suppress(ClientError):
        left += [f"{kind} {name}" for kind, name, _ in cleanup.running(lab)]
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        print(
            f"Another run of {lab.name} has left {left[0]}{more}. If it is at work in another window, wait for "
            "its end; else `from sagelab.lab import cleanup; cleanup.clean(lab)` removes it."
        )


def _start_local(tls: bool | None) -> str:
    """Start the local cloud if it does not run, and point this process and its children at it."""
    if "SAGELAB_INSTANCE" in os.environ:  # a notebook instance of a local cloud, which points here at it
        return os.environ["AWS_ENDPOINT_URL"]
    from sagelab.cloud import control
    from sagelab.cloud.errors import ControlError
    from sagelab.cloud.home import Home
    from sagelab.redirect import install

    home = Home()
    try:
        control.up(home)
    except ControlError as error:
        raise ConnectError(f"The local cloud does not start; `sagelab doctor` looks why. {error}") from error
    for name in control.foreign(os.environ):
        del os.environ[name]
    os.environ.update(control.environment(home, tls))
    install()
    return os.environ["AWS_ENDPOINT_URL"]


def _describe(kind: Kind, name: str) -> dict[str, Any]:
    describe = getattr(boto3.client("sagemaker"), xform_name(kind.operation("Describe")))
    found: dict[str, Any] = describe(**{kind.name_member: name})
    return found


def _refuse_local() -> None:
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1"):
        raise ConnectError(
            f"SAGELAB_TARGET is aws, but AWS_ENDPOINT_URL still points at {endpoint}: start from a fresh "
            "shell or a restarted kernel."
        )


def find(name: str, target: str, url: str | None) -> Lab:
    """The lab as this process's credentials see it; makes its bucket if there is none."""
    boto3.setup_default_session()
    session = boto3.Session()
    identity = session.client("sts").get_caller_identity()
    region, account = session.region_name, identity["Account"]
    if not region:
        raise NoRegionError
    lab = Lab(
        name=name,
        target=target,
        session=session,
        region=region,
        account=account,
        role=_role(session, identity["Arn"], target),
        bucket=f"sagemaker-{region}-{account}",
        url=url,
    )
    _make_bucket(lab)
    return lab


def _role(session: boto3.Session, caller: str, target: str) -> str:
    """The execution role: SAGELAB_ROLE on AWS, else the role that the caller has assumed, as in Studio."""
    named = os.environ.get("SAGELAB_ROLE") if target == "aws" else None
    if named and named.startswith("arn:"):
        return named
    assumed = re.fullmatch(
        r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<name>[^/]+)/.*", caller
    )
    if not named and not assumed:
        raise ConnectError(
            f"You are {caller}, which is no role that a job could take: set SAGELAB_ROLE to the name or ARN "
            "of a SageMaker execution role."
        )
    name = named or str(assumed and assumed["name"])
    try:
        return str(session.client("iam").get_role(RoleName=name)["Role"]["Arn"])
    except ClientError as error:
        raise ConnectError(
            f"The role {name} cannot be read ({error}): set SAGELAB_ROLE to the ARN of a SageMaker execution role."
        ) from error


def _make_bucket(lab: Lab) -> None:
    """Make the default bucket as the SDKs do, and refuse one of that name that someone else owns."""
    s3 = lab.client("s3")
    try:
        s3.head_bucket(Bucket=lab.bucket, ExpectedBucketOwner=lab.account)
        return
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in ("404", "NoSuchBucket"):
            raise ConnectError(
                f"The bucket {lab.bucket} is not yours to use ({code}): ask for access to it in account "
                f"{lab.account}."
            ) from error
    # us-east-1 is the one region that refuses its own name as a location constraint.
    place = {} if lab.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": lab.region}}
    s3.create_bucket(Bucket=lab.bucket, **place)
