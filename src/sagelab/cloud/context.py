"""What every family of resources is given: the local cloud it belongs to."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from botocore.loaders import create_loader

from sagelab.cloud import clock, tls, zones
from sagelab.cloud.alarms.alarms import Alarms
from sagelab.cloud.engine.filesystems.shares import Shares
from sagelab.cloud.engine.vpc import records, sources
from sagelab.cloud.spice import Spice
from sagelab.cloud.trail import marks
from sagelab.cloud.trail.journal import Journal
from sagelab.cloud.trail.marks import Mark

if TYPE_CHECKING:
    from botocore.credentials import RefreshableCredentials

    from sagelab.cloud.engine.context import EngineContext
    from sagelab.cloud.engine.sandbox.launcher import Launcher
    from sagelab.cloud.engine.vpc.sources import Source
    from sagelab.cloud.home import Home
    from sagelab.cloud.resources.call import Family
    from sagelab.cloud.store import Store

SERVICE, STACKS, FUNCTIONS = "sagemaker.amazonaws.com", "cloudformation.amazonaws.com", "lambda.amazonaws.com"
EVENTS, SCHEDULER, STATES = "events.amazonaws.com", "scheduler.amazonaws.com", "states.amazonaws.com"
BUILDS, DELIVERY = "codebuild.amazonaws.com", "codepipeline.amazonaws.com"
GLUE, FIREHOSE, LOGS = "glue.amazonaws.com", "firehose.amazonaws.com", "logs.amazonaws.com"
EMR, EC2, LAKE = "elasticmapreduce.amazonaws.com", "ec2.amazonaws.com", "lakeformation.amazonaws.com"
REDSHIFT, DMS, SERVERLESS = "redshift.amazonaws.com", "dms.amazonaws.com", "emr-serverless.amazonaws.com"
SCALING, TRAILS = "sagemaker.application-autoscaling.amazonaws.com", "cloudtrail.amazonaws.com"
MAKERS_OF_ROLES = ("iam", "cloudformation")
OUT_OF_DATE = ("RequestTimeTooSkewed", "InvalidSignatureException", "ExpiredToken", "ExpiredTokenException")
RETRIES = 3
INSIDE = "sagelab-inside"  # the header
LONGEST_CALL = 600  # seconds that the local cloud waits for a function
CLIENTS = 128  # that are kept for those who ask again; each has connections


class Recent(OrderedDict[object, Any]):
    """Those that were asked for last: so many, the others are forgotten."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def get(self, key: object, default: Any = None) -> Any:
        if key in self:
            self.move_to_end(key)
        return super().get(key, default)

    def __setitem__(self, key: object, value: Any) -> None:
        super().__setitem__(key, value)
        while len(self) > self._most:
            self.popitem(last=False)


class Cloud:
    """One running local cloud: its home, its store, its own front door and its launcher of processes."""

    def __init__(self, home: Home, store: Store, launcher: Launcher, url: str, region: str) -> None:
        self.home, self.store, self.launcher = home, store, launcher
        self.url, self.region = url, region
        self.account = home.account
        self.clock, self.zones, self.shares = clock.read(home), zones.read(home), Shares(home.filesystems)
        self.spice = Spice(home.path / "spice")
        self.families: list[Family] = []  # of resources; `resources.families` fills it
        # Keys of this process alone, by which services of AWS's that it is take on the roles they are given.
        self.service_keys = {
            name: (f"ASIASERVICE{secrets.token_hex(4).upper()}", secrets.token_urlsafe(30))
            for name in (
                SERVICE,
                STACKS,
                FUNCTIONS,
                EVENTS,
                SCHEDULER,
                STATES,
                BUILDS,
                DELIVERY,
                SCALING,
                TRAILS,
                GLUE,
                FIREHOSE,
                LOGS,
                EMR,
                EC2,
                LAKE,
                REDSHIFT,
                SERVERLESS,
                DMS,
            )
        }
        # What the local cloud asks itself is marked as such; every call is in the journal.
        self.marks, self.journal = marks.Marks(), Journal(home.path / "trail.db")
        # Comes with what this process asks its own front door, as a service of AWS's asks another.
        self.inside = secrets.token_urlsafe(24)
        self.alarms = Alarms(self)
        ec2 = records.EC2(partial(self.client, "ec2"))
        self.sources = sources.Sources(ec2)
        self._listeners: list[Callable[[str, str], None]] = [ec2.on_change]
        # Puts an event of a service of AWS's on the default bus of a region; EventBridge's, once that is there.
        self.put_event: Callable[[dict[str, Any], str], None] = lambda _event, _region: None
        # Tells a workflow of Glue's, by its ARN, of an event's id; whether it waits for one.
        self.notify_workflow: Callable[[str, str], bool] = lambda _workflow, _event: False
        # Keys with the rights of an access key, good for so many seconds at least; the front door lends them.
        self.lend: Callable[[str, float], tuple[str, str, str | None]]
        self._models = create_loader()
        self._clients: dict[object, Any] = {}
        self._clients_with, self._clients_as, self._roles = Recent(CLIENTS), Recent(CLIENTS), Recent(CLIENTS)
        self._told_of_clients: list[tuple[str, Callable[[Any], None]]] = []
        self._roles_keys: WeakSet[RefreshableCredentials] = WeakSet()
        self._ended: dict[str, float] = {}  # access keys of hosts that are gone -> until when they would be good
        self._lock = threading.Lock()

    def end_key(self, access_key: str, until: float) -> None:
        """Answer to an access key no more. until: epoch seconds; it expires then by itself."""
        with self._lock:
            self._ended = {key: end for key, end in self._ended.items() if end > time.time()} | {access_key: until}

    def has_ended(self, access_key: str) -> bool:
        """Whether `end_key` was called for it."""
        return access_key in self._ended

    def listen(self, listener: Callable[[str, str], None]) -> None:
        """Call `listener` after a request changed something in another service than SageMaker.

        It is given the service and the name of what changed: a bucket of S3, else "". It must not take long.
        """
        self._listeners.append(listener)

    def tell(self, service: str, name: str) -> None:
        """A request changed something."""
        if service in MAKERS_OF_ROLES:
            self._renew()
        for listener in self._listeners:
            listener(service, name)

    def console(self, page: str) -> str:
        """The address of a page of the console: who has not logged in there sees nothing of it."""
        return f"http://127.0.0.1:{self.home.last_port('console')}/{page}"

    def client(self, service: str, region: str | None = None, by: str = SERVICE) -> Any:
        """A boto3 client to this local cloud's own front door, made once; of STS, that of a service of AWS's.

        region: by default the local cloud's. by: that service; "" where it is the user who asks.
        """
        if service == "sts":
            return self.assuming(by, region)
        key, place = (service, region or self.region, bool(by)), {"region_name": region or self.region}
        with self._lock:
            if key not in self._clients:
                session = self._session(mark=Mark(by) if by else None)
                made = session.client(service, endpoint_url=self.url, **place, **_options(service, by))
                self._clients[key] = made
            return self._clients[key]

    def assuming(self, name: str, region: str | None = None) -> Any:
        """A client of STS that takes on roles as a service of AWS's, where they trust it. name: a key's."""
        return self.client_with((*self.service_keys[name], None), "sts", region or self.region)

    def client_with(
        self, keys: tuple[str, str, str | None], service: str, region: str, mark: Mark | None = None
    ) -> Any:
        """A boto3 client to the front door that signs with somebody's keys: (id, secret, session token).

        It sends what it is given: the front door alone says what is wrong with it. mark: for whom it asks.
        """
        from botocore.config import Config

        key = (keys, service, region, mark)
        with self._lock:
            if (client := self._clients_with.get(key)) is None:
                options = {"region_name": region, "config": Config(parameter_validation=False)}
                client = self._session(keys, mark).client(service, endpoint_url=self.url, **options)
                self._clients_with[key] = client
            return client

    def client_as(
        self, role: str, service: str, region: str | None = None, by: str = SERVICE, source: Source | None = None
    ) -> Any:
        """A boto3 client that acts with a role's rights, as SageMaker does when it moves a job's data.

        It renews its keys itself, however long it is used and whatever becomes of the role. region: by default the
        local cloud's. by: the service that takes on the role. source: from where in a VPC its requests to S3 come.
        botocore's ClientError: it may not.
        """
        key, source = (role, service, region or self.region, by), source if service == "s3" else None
        known: dict[object, Any] = self._clients_as if source is None else source.clients
        with self._lock:
            client = known.get(key)
        if client is None:
            place = {"endpoint_url": self.url, "region_name": key[2]}
            client = self._acting(role, key[2], by).client(service, **place, **_options(service, by))
            if source:
                client.meta.events.register("before-send.s3", partial(_mark, sources.HEADER, source.word))
            with self._lock:
                known[key] = client
                told = [act for wanted, act in self._told_of_clients if wanted == service]
            for act in told:
                act(client)
        return client

    def tell_of_clients(self, service: str, act: Callable[[Any], None]) -> None:
        """Call `act` with each client of a service that acts as a role: those that are there, and new ones."""
        with self._lock:
            self._told_of_clients.append((service, act))
            clients = list(self._clients_as.values())
        there = [client for client in clients if client.meta.service_model.service_name == service]
        for client in there:
            act(client)

    def _acting(self, role: str, region: str, by: str) -> Any:
        """A session of boto3 with the rights of a role, made once."""
        with self._lock:
            session = self._roles.get((role, region, by))
        if session is None:
            session = self._renewing(role, region, by)
            with self._lock:
                self._roles[role, region, by] = session
        return session

    def _renewing(self, role: str, region: str, by: str) -> Any:
        from botocore.credentials import RefreshableCredentials

        def renew() -> dict[str, str]:
            session = "SageMaker" if by == SERVICE else by.partition(".")[0]
            # https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html: a trust may ask for it.
            more = {"ExternalId": self.account} if by == FIREHOSE else {}
            asked = {"RoleArn": role, "RoleSessionName": session, **more}
            keys = self.assuming(by, region).assume_role(**asked)["Credentials"]
            return {
                "access_key": keys["AccessKeyId"],
                "secret_key": keys["SecretAccessKey"],
                "token": keys["SessionToken"],
                "expiry_time": keys["Expiration"].isoformat(),
            }

        session = self._session(mark=Mark(by))
        keys = RefreshableCredentials.create_from_metadata(renew(), renew, "assume-role")
        # The way that botocore's own providers take; its sessions have no public one.
        session._session._credentials = keys
        with self._lock:
            self._roles_keys.add(keys)
        return session

    def _renew(self) -> None:
        """Let every client of a role take it on anew: it may be another role by the same name."""
        with self._lock:
            for keys in list(self._roles_keys):
                keys._expiry_time = datetime.now(UTC)

    def engine_context(self, region: str, by: str = SERVICE) -> EngineContext:
        """What the engine needs to run something in a region. by: the service of AWS's that runs it."""
        from sagelab.cloud.engine.context import EngineContext, machine_memory

        return EngineContext(
            self.launcher,
            partial(self.client, region=region, by=by),
            partial(self.client_as, region=region, by=by),
            self.url,
            region,
            machine_memory(),
            self.end_key,
            self.clock,
            self.shares,
            self.zones,
            tls.of_hosts(self.home, os.environ),
            self.sources,
        )

    def _session(self, keys: tuple[str, str, str | None] | None = None, mark: Mark | None = None) -> Any:
        import boto3

        own = self.home.credentials()
        session = boto3.Session(*(keys or (own.access_key_id, own.secret_access_key)), region_name=self.region)
        session.events.register("needs-retry", _ask_again)
        if mark is not None:
            session.events.register("before-sign", partial(_sign_for, self.marks.write(mark)))
        session.events.register("before-send", partial(_mark, INSIDE, self.inside))
        # All of them read AWS's models once: parsing them is most of what a client costs.
        session._session.register_component("data_loader", self._models)
        return session


def _options(service: str, by: str) -> dict[str, Any]:
    """A function has minutes to answer, and is not called once more because it takes them.

    A state machine sends what its definition says: the front door alone says what is wrong with it.
    """
    from botocore.config import Config

    plain = {"parameter_validation": False} if by == STATES else {}
    waits = {"read_timeout": LONGEST_CALL, "retries": {"total_max_attempts": 1}} if service == "lambda" else {}
    return {"config": Config(**plain, **waits)} if plain or waits else {}


def _sign_for(mark: str, request: Any, **_: Any) -> None:
    del request.headers[marks.HEADER]  # of the attempt before
    request.headers[marks.HEADER] = mark


def _mark(header: str, word: str, request: Any, **_: Any) -> None:
    """Let the front door know its own process: nobody else has the word for it."""
    request.headers[header] = word


def _ask_again(response: tuple[Any, dict[str, Any]] | None, attempts: int, **_: Any) -> int | None:
    """0 seconds, for a request that was signed before the machine's clock jumped and read after it; else None."""
    code = response[1].get("Error", {}).get("Code") if response else None
    return 0 if code in OUT_OF_DATE and attempts <= RETRIES else None
