"""The zones of availability of one local cloud: which of them are down, kept in the home, changed from a shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagelab.cloud.engine.hosting.zones import Zones, is_zone, of_region
from sagelab.cloud.errors import ControlError, ValidationException
from sagelab.cloud.home import DEFAULT_REGION, Home

AREA = "zones"


def read(home: Home) -> Zones:
    """The zones of a home as they were set last."""
    return Zones(home.settings().get(AREA, {}).get("down", []))


def keep(home: Home, zones: Zones) -> None:
    """Let them be so after a restart."""
    home.set(AREA, {"down": sorted(zones.down)})


def put_on(home: Home, zones: Zones, params: Mapping[str, Any]) -> dict[str, Any]:
    """The local cloud's own operation SetZone. ValidationException: there is no such zone."""
    name = str(params.get("Name"))
    if not is_zone(name):
        raise ValidationException(f"There is no zone {name}.")
    lost = 0
    if params.get("Up"):
        zones.regain(name)
    else:
        lost = zones.lose(name)
    keep(home, zones)
    return {"Lost": lost}


def describe(zones: Zones, _params: Mapping[str, Any]) -> dict[str, Any]:
    """The local cloud's own operation DescribeZones: those that are down, and how many servers stand in each."""
    return {"Down": sorted(zones.down), "Servers": dict(zones.standing())}


def set_zone(home: Home, name: str, up: bool) -> int:
    """Take a zone away, or give it back; how many servers were killed. ControlError: there is no such zone."""
    from sagelab.cloud.control import ask

    if not is_zone(name):
        known = ", ".join(of_region(DEFAULT_REGION))
        raise ControlError(f"There is no zone {name}; those of {DEFAULT_REGION} are {known}.")
    if home.server() is not None:
        return int(ask(home, "SetZone", {"Name": name, "Up": up})["Lost"])
    put_on(home, read(home), {"Name": name, "Up": up})
    return 0


def show(home: Home) -> list[tuple[str, bool, int]]:
    """(name, whether it is up, how many servers stand there) of the usual region's zones and of those in use."""
    from sagelab.cloud.control import ask

    found = ask(home, "DescribeZones") if home.server() is not None else describe(read(home), {})
    return _rows(found, DEFAULT_REGION)


def spread(zones: Zones, region: str) -> list[tuple[str, bool, int]]:
    """The same of zones that are at hand, and of a region."""
    return _rows(describe(zones, {}), region)


def _rows(found: Mapping[str, Any], region: str) -> list[tuple[str, bool, int]]:
    servers, down = found["Servers"], found["Down"]
    names = sorted({*of_region(region), *servers, *down})
    return [(name, name not in down, servers.get(name, 0)) for name in names]
