"""What moto knows of Lambda's functions, as the engine runs them: moto keeps the records, and calls none.

The code of functions and layers lies in files (engine/functions/packages.py); moto's records have its digest.
What is kept is checked in function_rules.py.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from moto.backends import get_backend

from sagelab.cloud.context import FUNCTIONS
from sagelab.cloud.engine.functions.destinations import Destinations
from sagelab.cloud.engine.functions.events import Asked, Event, EventQueue, Target
from sagelab.cloud.engine.functions.function import LATEST, Function
from sagelab.cloud.engine.functions.packages import Packages
from sagelab.cloud.engine.functions.pool import Pool
from sagelab.cloud.errors import FunctionNotFound
from sagelab.cloud.gateway.auth.functions import Named
from sagelab.cloud.gateway.auth.policies import Policy
from sagelab.cloud.gateway.moto.persistence.persister import Persister

if TYPE_CHECKING:
    from sagelab.cloud.context import Cloud


@dataclass(frozen=True)
class Found:
    """A version of a function. reserved: calls at a time that its function may have; None: any.

    asked: what becomes of its events.
    """

    function: Function
    reserved: int | None
    asked: Asked


class FunctionAccess:
    """The way to the functions of this process. events: what they are to make something of by and by."""

    current: ClassVar[FunctionAccess]

    def __init__(self, cloud: Cloud) -> None:
        self.packages = Packages(cloud.home.functions)
        context_of = partial(cloud.engine_context, by=FUNCTIONS)
        self.pool = Pool(context_of, self.packages)
        self.events = EventQueue(cloud.store, self.pool, self.target, Destinations(context_of))
        FunctionAccess.current = self

    def start(self) -> None:
        """Take up what was kept when the local cloud ended, and let go of code that nobody needs."""
        self.events.resume()
        wanted = set[str]()
        for account, region in Persister.current.kept("awslambda") if Persister.current else ():
            backend = get_backend("lambda")[account][region]
            for known in backend._lambdas._functions.values():
                for record in _versions(known):
                    wanted |= {record.code_digest, *record.layer_digests}
            layers = backend._layers._layers.values()
            wanted |= {one.code_digest for layer in layers for one in layer.layer_versions.values()}
        self.packages.sweep(wanted)

    def close(self) -> None:
        """Call no function any more."""
        self.events.close()
        self.pool.close()

    def find(self, named: Named) -> Found:
        """The version that a call goes to. FunctionNotFound: there is none."""
        region, account = named.where.split(":")
        storage = get_backend("lambda")[account][region]._lambdas
        known = storage._functions.get(named.name)
        alias = storage._aliases.get(named.base, {}).get(named.qualifier)
        version = _drawn(alias) if alias else named.qualifier or LATEST
        record = known and next((one for one in _versions(known) if str(one.version) == version), None)
        if not record:
            raise FunctionNotFound(f"Function not found: {named.arn}", Type="User")
        reserved = known["latest"].reserved_concurrency if known["latest"] else None
        return Found(_function(record), None if reserved is None else int(reserved), _asked(known))

    def deliver(self, arn: str, event: dict[str, Any]) -> None:
        """Have a function make something of an event of a service's, which its policy lets (deliveries.py)."""
        self.events.add(Event(arn, json.dumps(event)))

    def target(self, arn: str) -> Target | None:
        """What an event goes to now; None where its function is gone."""
        parts = arn.split(":")
        try:
            found = self.find(Named(f"{parts[3]}:{parts[4]}", parts[6], ":".join(parts[7:])))
        except FunctionNotFound:
            return None
        return Target(found.function, found.reserved, found.asked)


def _versions(known: Any) -> list[Any]:
    return [one for one in (known["latest"], *known["versions"]) if one is not None]


def _drawn(alias: Any) -> str:
    """The version that a call of an alias goes to.

    https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
    """
    weights = (alias.routing_config or {}).get("AdditionalVersionWeights") or {}
    draw = random.random()
    for version, weight in weights.items():
        draw -= float(weight)
        if draw < 0:
            return str(version)
    return str(alias.function_version)


def _asked(known: Any) -> Asked:
    """How a function wants its events treated."""
    latest = known["latest"] or known["versions"][-1]
    config = latest.event_invoke_config[0].config if latest.event_invoke_config else {}
    told = config.get("DestinationConfig") or {}
    success, failure = ((told.get(kind) or {}).get("Destination", "") for kind in ("OnSuccess", "OnFailure"))
    return Asked(
        config.get("MaximumRetryAttempts"),
        config.get("MaximumEventAgeInSeconds"),
        success,
        failure,
        (latest.dead_letter or {}).get("TargetArn", ""),
    )


def _function(record: Any) -> Function:
    return Function(
        arn=record.function_arn,
        name=record.function_name,
        version=str(record.version),
        region=record.region,
        runtime=record.run_time,
        handler=record.handler,
        role=record.role,
        package=record.code_digest,
        layers=tuple(record.layer_digests),
        timeout=int(record.timeout),
        memory=int(record.memory_size),
        storage=int(record.ephemeral_storage),
        environment=tuple(sorted((str(name), str(value)) for name, value in record.environment_vars.items())),
        log_group=record.logging.get("LogGroup", ""),
    )


def is_there(arn: str) -> bool:
    """Whether there is the function that an ARN names, whatever its qualifier."""
    return _named(arn) is not None


def policy_of(arn: str) -> Policy | None:
    """The resource policy of the function that an ARN names, whatever its qualifier; None where it has none."""
    known = _named(arn)
    statements = [one for record in _versions(known)[:1] for one in record.policy.statements] if known else []
    return {"Version": "2012-10-17", "Statement": statements} if statements else None


def _named(arn: str) -> Any:
    parts = arn.split(":")
    return get_backend("lambda")[parts[4]][parts[3]]._lambdas._functions.get(parts[6]) if len(parts) > 6 else None
