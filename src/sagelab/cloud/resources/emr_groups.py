"""Instance groups and fleets of EMR: as they are asked for, as they are kept, as they are told.

Either becomes what the engine has: groups of one role, type and market. A fleet is two of them at the most.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sagelab import prices
from sagelab.cloud.resources import emr_rules
from sagelab.cloud.resources.call import Params

SPOT, ON_DEMAND = "SPOT", "ON_DEMAND"
# EMR's normalized hours of an instance:
# https://docs.aws.amazon.com/emr/latest/APIReference/API_Cluster.html
UNITS = {"large": 4, "xlarge": 8}
LIVE = ("PROVISIONING", "BOOTSTRAPPING", "RUNNING")


def of_request(instances: Params) -> list[Params]:
    """The groups of a new cluster. Beside: they cannot be."""
    if groups := instances.get("InstanceGroups"):
        found = groups
    else:
        count, kind = instances.get("InstanceCount", 1), instances["MasterInstanceType"]
        found = [{"InstanceRole": "MASTER", "InstanceType": kind, "InstanceCount": 1}]
        if count > 1:
            slave = instances.get("SlaveInstanceType") or kind
            found.append({"InstanceRole": "CORE", "InstanceType": slave, "InstanceCount": count - 1})
    emr_rules.check_groups(found)
    return [made(group) for group in found]


def made(group: Params) -> Params:
    """A group as it is kept."""
    market, bid = group.get("Market", ON_DEMAND), group.get("BidPrice")
    return {
        "Id": f"ig-{secrets.token_hex(7).upper()[:13]}",
        "Name": group.get("Name", ""),
        "Role": group["InstanceRole"],
        "Market": market,
        "Type": group["InstanceType"],
        "Requested": group["InstanceCount"],
        "Fulfilled": market != SPOT or fulfilled(group["InstanceType"], bid),
        "CreationDateTime": datetime.now(UTC),
        **({"BidPrice": bid} if bid else {}),
    }


def fulfilled(kind: str, bid: str | None) -> bool:
    """Whether a bid gets capacity: without one, the price on demand is the limit."""
    price = spot_price(kind)
    return bid is None or price is None or float(bid) >= price


def spot_price(kind: str) -> float | None:
    """Dollars an hour of EC2; None: the table does not have it."""
    price = prices.hourly(kind, "ec2")
    return None if price is None else price * prices.spot_share(f"ml.{kind}")


def units(kind: str) -> int:
    size = kind.rpartition(".")[2]
    times = size.removesuffix("xlarge")
    return 8 * int(times) if times.isdecimal() and times else UNITS.get(size, 4)


def hours(instances: list[Params], now: datetime) -> int:
    """Normalized, of all that a cluster has had."""
    total = 0
    for one in instances:
        line = one["Status"]["Timeline"]
        if "ReadyDateTime" in line:
            seconds = ((line.get("EndDateTime") or now) - line["ReadyDateTime"]).total_seconds()
            total += math.ceil(max(1.0, seconds) / 3600) * units(one["InstanceType"])
    return total


def told_group(group: Params, cluster: Params) -> Params:
    """As ListInstanceGroups has it."""
    running = [one for one in _in(group, cluster) if one["Status"]["State"] == "RUNNING"]
    line = {"CreationDateTime": group["CreationDateTime"]}
    ready = [one["Status"]["Timeline"]["ReadyDateTime"] for one in running]
    line |= {"ReadyDateTime": min(ready)} if ready else {}
    state, reason = _state(group, cluster, len(running))
    line |= {"EndDateTime": cluster["Status"]["Timeline"]["EndDateTime"]} if state == "TERMINATED" else {}
    return {
        "Id": group["Id"],
        "Name": group["Name"],
        "Market": group["Market"],
        "InstanceGroupType": group["Role"],
        "InstanceType": group["Type"],
        "RequestedInstanceCount": group["Requested"],
        "RunningInstanceCount": len(running),
        "Status": {"State": state, "StateChangeReason": reason, "Timeline": line},
        "Configurations": [],
        "EbsBlockDevices": [],
        "ShrinkPolicy": {},
        **({"BidPrice": group["BidPrice"]} if "BidPrice" in group else {}),
    }


def _state(group: Params, cluster: Params, running: int) -> tuple[str, Params]:
    state = cluster["Status"]["State"]
    if state.startswith("TERMINATED"):
        return "TERMINATED", {"Code": "CLUSTER_TERMINATED", "Message": "Job flow terminated"}
    if running == group["Requested"]:
        return "RUNNING", {"Message": ""}
    if not cluster["Status"]["Timeline"].get("ReadyDateTime"):
        return "PROVISIONING", {"Message": ""}
    return "RESIZING", {"Message": "Resize in progress" if group["Fulfilled"] else "Spot bid is not fulfilled"}


def _in(group: Params, cluster: Params) -> Iterator[Params]:
    return (one for one in cluster["Own"]["Instances"] if one["InstanceGroupId"] == group["Id"])


# Fleets


def fleets_of_request(fleets: list[Params]) -> tuple[list[Params], list[Params]]:
    """(fleets as they are kept, their groups). Beside: they cannot be."""
    kept = [made_fleet(fleet) for fleet in fleets]
    groups = [group for fleet in kept for group in groups_of(fleet)]
    roles = [fleet["InstanceFleetType"] for fleet in kept]
    if roles.count("MASTER") != 1 or any(roles.count(role) > 1 for role in roles):
        raise emr_rules.invalid(
            "Instance fleets must have exactly one master, and at most one core and task fleet."
        )
    if sum(group["Requested"] for group in groups if group["Role"] == "MASTER") != 1:
        raise emr_rules.invalid("The target capacity of a master instance fleet must be 1.")
    return kept, groups


def made_fleet(fleet: Params) -> Params:
    """A fleet as it is kept. Beside: it has no instance type."""
    if not fleet.get("InstanceTypeConfigs"):
        raise emr_rules.invalid("InstanceTypeConfigs is required for an instance fleet.")
    for member in ("LaunchSpecifications", "ResizeSpecifications"):
        if fleet.get(member):
            raise emr_rules.absent(f"{member} of an instance fleet")
    key = f"if-{secrets.token_hex(7).upper()[:13]}"
    return fleet | {"Id": key, "CreationDateTime": datetime.now(UTC)}


def groups_of(fleet: Params) -> Iterator[Params]:
    """What a fleet's targets come to: of the first of its types, by the weight of that."""
    kind = fleet["InstanceTypeConfigs"][0]
    for market, member in ((ON_DEMAND, "TargetOnDemandCapacity"), (SPOT, "TargetSpotCapacity")):
        count = math.ceil(fleet.get(member, 0) / (kind.get("WeightedCapacity") or 1))
        asked = {
            "InstanceRole": fleet["InstanceFleetType"],
            "InstanceType": kind["InstanceType"],
            "InstanceCount": count,
            "Market": market,
            "Name": fleet.get("Name", ""),
        }
        bid = {"BidPrice": kind["BidPrice"]} if market == SPOT and kind.get("BidPrice") else {}
        yield made(asked | bid) | {"Id": f"{fleet['Id']}/{market}"}


def told_fleet(fleet: Params, cluster: Params) -> Params:
    """As ListInstanceFleets has it."""
    groups = {
        one["Id"].rpartition("/")[2]: one for one in cluster["Own"]["Groups"] if one["Id"].startswith(fleet["Id"])
    }
    told = {market: told_group(group, cluster) for market, group in groups.items()}
    kind = fleet["InstanceTypeConfigs"][0]
    weight = kind.get("WeightedCapacity") or 1
    states = {one["Status"]["State"] for one in told.values()}
    state = next((one for one in ("PROVISIONING", "RESIZING") if one in states), states.pop())
    return {
        "Id": fleet["Id"],
        "Name": fleet.get("Name", ""),
        "InstanceFleetType": fleet["InstanceFleetType"],
        "Status": {"State": state, "Timeline": {"CreationDateTime": fleet["CreationDateTime"]}},
        "TargetOnDemandCapacity": fleet.get("TargetOnDemandCapacity", 0),
        "TargetSpotCapacity": fleet.get("TargetSpotCapacity", 0),
        "ProvisionedOnDemandCapacity": told[ON_DEMAND]["RunningInstanceCount"] * weight,
        "ProvisionedSpotCapacity": told[SPOT]["RunningInstanceCount"] * weight,
        "InstanceTypeSpecifications": [
            {name: one[name] for name in ("InstanceType", "WeightedCapacity", "BidPrice") if name in one}
            for one in fleet["InstanceTypeConfigs"]
        ],
    }


def told_instance(one: Params) -> Params:
    """As ListInstances has it."""
    found: dict[str, Any] = {name: value for name, value in one.items() if name not in ("Slot", "Phase", "Role")}
    group = found["InstanceGroupId"]
    if group.startswith("if-"):
        del found["InstanceGroupId"]
        found["InstanceFleetId"] = group.partition("/")[0]
    return found
