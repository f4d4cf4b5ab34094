"""Rules of AWS's that moto does not hold: what it would take all the same is refused in AWS's words.

Each check is given the arguments of a method of moto's, by name (checks.py).
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from moto.core.exceptions import JsonRESTError

from sagelab.cloud.engine.hosting.zones import Zones
from sagelab.cloud.errors import NotImplementedHere
from sagelab.cloud.gateway.auth.conditions import ANY, like

Asked = dict[str, Any]

_INVITES = (
    "An invitation is not something the local cloud can send. MessageAction SUPPRESS makes the user without one;"
    " AdminSetUserPassword gives it a password."
)
_NO_CHALLENGE = (
    "Sign-in by {} is not something the local cloud can do. Sign in with a password (USER_PASSWORD_AUTH)."
)
_NAME = re.compile(r"[\.\-_A-Za-z0-9]{1,64}")
_NO_PREFIX = (
    "1 validation error detected: Value '{}' at 'namePrefix' failed to satisfy constraint:"
    " Member must satisfy regular expression pattern: {}"
)


class Availability:
    """The zones of the local cloud that this process serves; the gateway says which."""

    current: ClassVar[Zones] = Zones()


def tell_zones(asked: Asked) -> None:
    """A zone that is lost is unavailable to EC2 as well."""
    backend = asked["self"]
    for zone in backend.zones.get(backend.region_name, []):
        zone.state = "unavailable" if zone.name in Availability.current.down else "available"


class _Exactly:
    """A backend of CloudWatch with the data alone that have exactly these dimensions."""

    def __init__(self, backend: Any, dimensions: list[dict[str, str]]) -> None:
        self._backend, self._wanted = backend, {(one["Name"], one["Value"]) for one in dimensions}

    def get_all_metrics(self) -> list[Any]:
        data = self._backend.get_all_metrics()
        return [one for one in data if {(each.name, each.value) for each in one.dimensions} == self._wanted]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def match_dimensions(asked: Asked) -> None:
    """Data of CloudWatch that have more dimensions than are asked for are another metric's."""
    if asked.get("dimensions"):
        asked["self"] = _Exactly(asked["self"], asked["dimensions"])


def check_sign_in(asked: Asked) -> None:
    """A sign-in to Cognito by which the password is looked at."""
    if asked["auth_flow"] in ("USER_SRP_AUTH", "CUSTOM_AUTH"):
        raise NotImplementedHere(_NO_CHALLENGE.format(asked["auth_flow"]))


def name_group(asked: Asked) -> None:
    """A log group that is named by its identifier is that one: moto takes the last that there is."""
    if asked.get("log_group_id") and not asked.get("log_group_name"):
        backend = asked["self"]
        own = f"arn:aws:logs:{backend.region_name}:{backend.account_id}:log-group:"
        asked["log_group_name"] = asked["log_group_id"].removeprefix(own).removesuffix(":*")


def match_origin(asked: Asked) -> None:
    """Wildcards in the origins that a bucket allows, in linear time: moto makes a regular expression of them."""
    wanted = [
        [ANY if part == "*" else part for part in re.split(r"(\*)", one)] for one in asked["allowed_origins"]
    ]
    fits = any(_fits(one, asked["origin_header"]) for one in wanted)
    asked["allowed_origins"] = ["*"] if fits else []


def check_prefix(asked: Asked) -> None:
    """The prefix of a rule's name has nothing special in it: moto makes a regular expression of it, too."""
    prefix = asked["self"]._get_param("NamePrefix")
    if prefix and not _NAME.fullmatch(str(prefix)):
        raise JsonRESTError("ValidationException", _NO_PREFIX.format(str(prefix)[:100], _NAME.pattern))


def _fits(wanted: list[str], text: str) -> bool:
    return like([one for part in wanted for one in ([part] if part == ANY else part)], text)


def forget_sent(asked: Asked) -> None:
    """A topic keeps its last notification alone: moto keeps all of them, in what is saved too."""
    asked["self"].sent_notifications.clear()


def complete_export(asked: Asked) -> None:
    """An export of DynamoDB's needs no prefix."""
    asked["self"].body.setdefault("S3Prefix", "")


def check_new_user(asked: Asked) -> None:
    """A user of Cognito's whom nobody is told of."""
    if asked.get("message_action") != "SUPPRESS":
        raise NotImplementedHere(_INVITES)
