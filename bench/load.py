"""Many clients that change things in every plane, and remember all that was acknowledged.

What was acknowledged must be there for ever after. Of what was under way when the local cloud was killed nothing
is known: it may be there whole or not at all.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions
from place import Place

BUCKET, VERSIONED, GROUP = "load-objects", "load-versions", "/load/lines"
ROLE = "arn:aws:iam::123456789012:role/SageMakerLabRole"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.20.0-cpu"
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sagemaker.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)
PART = 5 << 20
ANYTHING = object()

Name = tuple[str, ...]
_GONE = (
    "NoSuchKey",
    "404",
    "NoSuchEntity",
    "NotFoundException",
    "ResourceNotFoundException",
    "NoSuchTagSet",
    "NoSuchVersion",
    "ValidationException",
)


class Clients:
    """One boto3 client of each service; they are safe to share between threads."""

    def __init__(self, place: Place) -> None:
        services = ("s3", "iam", "logs", "kms", "sagemaker", "cloudwatch")
        self.s3, self.iam, self.logs, self.kms, self.sagemaker, self.cloudwatch = map(place.client, services)

    def prepare(self) -> None:
        """Make what all workers share."""
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.create_bucket(Bucket=VERSIONED)
        self.s3.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
        self.s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=b"a model")
        self.logs.create_log_group(logGroupName=GROUP)


@dataclass
class Worker:
    """One client's work. known: name -> what was acknowledged (None: gone); trying: what is under way.

    recent: the names it has worked on since it last settled.
    """

    number: int
    random: random.Random
    known: dict[Name, Any] = field(default_factory=dict)
    trying: tuple[Name, Any] | None = None
    recent: set[Name] = field(default_factory=set)
    done: int = 0
    errors: list[str] = field(default_factory=list)
    began: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self, clients: Clients, stop: threading.Event) -> None:
        """Work until `stop`; an error before it is kept in `errors`."""
        actions: list[Callable[[Clients], None]] = [self.put, self.put, self.overwrite, self.delete, self.copy]
        actions += [self.upload, self.version, self.tag, self.role, self.say, self.key, self.model, self.measure]
        while not stop.is_set():
            try:
                self.random.choice(actions)(clients)
                self.trying = None
                self.done += 1
            except Exception as error:  # whatever a broken connection looks like to botocore
                if not stop.is_set():
                    self.errors.append(f"{type(error).__name__}: {error}")
                return

    def put(self, clients: Clients) -> None:
        self._put(clients, self._new("object"))

    def overwrite(self, clients: Clients) -> None:
        self._put(clients, self._some("object") or self._new("object"))

    def delete(self, clients: Clients) -> None:
        if name := self._some("object"):
            self._try(name, None)
            clients.s3.delete_object(Bucket=BUCKET, Key=name[1])
            self._keep(name, None)
            self.known.pop(("tags", name[1]), None)

    def copy(self, clients: Clients) -> None:
        if source := self._some("object"):
            content, _, metadata = self.known[source]
            name = self._new("object")
            fact = (content, f'"{content}"', metadata)
            self._try(name, fact)
            clients.s3.copy_object(Bucket=BUCKET, Key=name[1], CopySource=f"{BUCKET}/{source[1]}")
            self._keep(name, fact)

    def upload(self, clients: Clients) -> None:
        """A multipart upload; one in four has two parts."""
        parts = [self._content(PART), self._content(100)] if self.random.random() < 0.25 else [self._content(5000)]
        sums = [hashlib.md5(part) for part in parts]
        etag = f'"{hashlib.md5(b"".join(one.digest() for one in sums)).hexdigest()}-{len(parts)}"'
        name, where = self._new("object"), {"Bucket": BUCKET}
        self._try(name, fact := (hashlib.md5(b"".join(parts)).hexdigest(), etag, {"parts": str(len(parts))}))
        where |= {"Key": name[1]}
        where |= {"UploadId": clients.s3.create_multipart_upload(**where, Metadata=fact[2])["UploadId"]}
        sent = [
            {"PartNumber": n, "ETag": clients.s3.upload_part(**where, PartNumber=n, Body=part)["ETag"]}
            for n, part in enumerate(parts, 1)
        ]
        clients.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": sent})
        self._keep(name, fact)

    def version(self, clients: Clients) -> None:
        content, key = self._content(300), f"{self.number}-{self.random.randrange(3)}"
        made = clients.s3.put_object(Bucket=VERSIONED, Key=key, Body=content)
        self._keep(("version", key, made["VersionId"]), (hashlib.md5(content).hexdigest(), made["ETag"]))

    def tag(self, clients: Clients) -> None:
        if name := self._some("object"):
            tags = [{"Key": "n", "Value": str(next(self._numbers))}]
            self._try(("tags", name[1]), tags)
            clients.s3.put_object_tagging(Bucket=BUCKET, Key=name[1], Tagging={"TagSet": tags})
            self._keep(("tags", name[1]), tags)

    def role(self, clients: Clients) -> None:
        name = self._new("role")
        self._try(name, ANYTHING)
        made = clients.iam.create_role(RoleName=name[1], AssumeRolePolicyDocument=TRUST)["Role"]
        self._keep(name, (made["RoleId"], made["Arn"], made["CreateDate"]))

    def say(self, clients: Clients) -> None:
        """A line in a stream of the worker's own."""
        name = ("stream", f"worker-{self.number}")
        if name not in self.known:
            self._try(name, ANYTHING)
            clients.logs.create_log_stream(logGroupName=GROUP, logStreamName=name[1])
            self._keep(name, ())
        line = f"line {next(self._numbers)}"
        self._try(name, (*self.known[name], line))
        event = {"timestamp": self.began + len(self.known[name]), "message": line}
        clients.logs.put_log_events(logGroupName=GROUP, logStreamName=name[1], logEvents=[event])
        self._keep(name, (*self.known[name], line))

    def key(self, clients: Clients) -> None:
        made = clients.kms.create_key(Description=f"of worker {self.number}")["KeyMetadata"]
        self._keep(("key", made["KeyId"]), (made["Arn"], made["CreationDate"], made["Description"]))

    def model(self, clients: Clients) -> None:
        name = self._new("model")
        self._try(name, ANYTHING)
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/model.tar.gz"}
        request = {"ModelName": name[1], "PrimaryContainer": container, "ExecutionRoleArn": ROLE}
        self._keep(name, clients.sagemaker.create_model(**request)["ModelArn"])

    def measure(self, clients: Clients) -> None:
        name = self._new("metric")
        self._try(name, 1)
        datum = {"MetricName": name[1], "Value": 1.0}
        clients.cloudwatch.put_metric_data(Namespace="load", MetricData=[datum])
        self._keep(name, 1)

    def lost(self, clients: Clients, names: set[Name] | None = None) -> list[str]:
        """What was acknowledged and is not as it was, in words. names: where to look, by default everywhere."""
        found = []
        for name, fact in self.known.items():
            if names is not None and name not in names:
                continue
            now = look(clients, name)
            if now == fact or (self.trying and self.trying[0] == name and self.trying[1] in (ANYTHING, now)):
                continue
            if self.trying and name == ("tags", self.trying[0][1]):
                continue  # an object that is overwritten or deleted takes its tags with it
            found.append(f"{name}: acknowledged {fact}, found {now}")
        return found

    def settle(self, clients: Clients) -> None:
        """Take what was under way for known, as it is now."""
        if self.trying is not None:
            names = {self.trying[0], ("tags", self.trying[0][1])}
            self.known.update({name: look(clients, name) for name in names if name in self.known})
            if (now := look(clients, self.trying[0])) is not None:
                self.known[self.trying[0]] = now
            self.trying = None
        self.recent = set()

    def _put(self, clients: Clients, name: Name) -> None:
        content = self._content(self.random.choice((10, 3000, 200_000)))
        digest, metadata = hashlib.md5(content).hexdigest(), {"n": str(next(self._numbers))}
        fact = (digest, f'"{digest}"', metadata)
        self._try(name, fact)
        clients.s3.put_object(Bucket=BUCKET, Key=name[1], Body=content, Metadata=metadata)
        self._keep(name, fact)
        self.known.pop(("tags", name[1]), None)

    def _try(self, name: Name, fact: Any) -> None:
        self.trying = (name, fact)
        self.recent.add(name)

    def _keep(self, name: Name, fact: Any) -> None:
        self.known[name] = fact
        self.recent.add(name)

    def _new(self, kind: str) -> Name:
        return kind, f"{kind}-{self.number}-{next(self._numbers)}"

    def _some(self, kind: str) -> Name | None:
        names = [name for name, fact in self.known.items() if name[0] == kind and fact is not None]
        return self.random.choice(names) if names else None

    def _content(self, size: int) -> bytes:
        return self.random.randbytes(16) * (size // 16 + 1)


def look(clients: Clients, name: Name) -> Any:
    """What is there under a name now; None: nothing."""
    try:
        return _LOOKS[name[0]](clients, *name[1:])
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise


def _object(clients: Clients, key: str) -> Any:
    found = clients.s3.get_object(Bucket=BUCKET, Key=key)
    return hashlib.md5(found["Body"].read()).hexdigest(), found["ETag"], found["Metadata"]


def _version(clients: Clients, key: str, version: str) -> Any:
    found = clients.s3.get_object(Bucket=VERSIONED, Key=key, VersionId=version)
    return hashlib.md5(found["Body"].read()).hexdigest(), found["ETag"]


def _tags(clients: Clients, key: str) -> Any:
    return clients.s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]


def _role(clients: Clients, name: str) -> Any:
    found = clients.iam.get_role(RoleName=name)["Role"]
    return found["RoleId"], found["Arn"], found["CreateDate"]


def _stream(clients: Clients, name: str) -> Any:
    events = clients.logs.get_log_events(logGroupName=GROUP, logStreamName=name, startFromHead=True)["events"]
    return tuple(event["message"] for event in events)


def _key(clients: Clients, key: str) -> Any:
    found = clients.kms.describe_key(KeyId=key)["KeyMetadata"]
    return found["Arn"], found["CreationDate"], found["Description"]


def _model(clients: Clients, name: str) -> Any:
    return clients.sagemaker.describe_model(ModelName=name)["ModelArn"]


def _metric(clients: Clients, name: str) -> Any:
    return len(clients.cloudwatch.list_metrics(Namespace="load", MetricName=name)["Metrics"])


_LOOKS: dict[str, Callable[..., Any]] = {
    "object": _object,
    "version": _version,
    "tags": _tags,
    "role": _role,
    "stream": _stream,
    "key": _key,
    "model": _model,
    "metric": _metric,
}
