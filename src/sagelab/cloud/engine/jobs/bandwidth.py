"""The bandwidth of an instance's network: what EC2 has on record of its type.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkCardInfo.html
"""

from __future__ import annotations

from typing import Any

import botocore.exceptions


def baseline(instance_type: str, ec2: Any) -> int | None:
    """Bits a second that an instance of the type sends for good, and gets; of all its network cards together.

    A type of "up to 10 Gigabit" has a baseline, too, over which it comes for minutes only. ec2: a client. None:
    EC2 has no number of the type.
    """
    try:
        found = ec2.describe_instance_types(InstanceTypes=[instance_type.removeprefix("ml.")])
    except botocore.exceptions.ClientError:
        return None
    cards = found["InstanceTypes"][0].get("NetworkInfo", {}).get("NetworkCards", [])
    return round(sum(card.get("BaselineBandwidthInGbps", 0) for card in cards) * 1e9) or None


def describe(instance_type: str, rate: int | None, *, limited: bool) -> str:
    """What a log says of the network between hosts. limited: this machine can hold them to a bandwidth."""
    if rate and limited:
        return f"between the hosts go {rate / 1e9:g} Gbit/s at most, the baseline of {instance_type}"
    why = "this machine cannot do that" if rate else "EC2 has no number of it"
    return f"the bandwidth of {instance_type} is not set: {why}"
