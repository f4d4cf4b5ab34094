"""The bandwidth of an instance's network: what EC2 has on record of its type.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkCardInfo.html
"""

from __future__ import annotations

from functools import lru_cache

TABLE = "ec2/resources/instance_types.json"  # of moto: what DescribeInstanceTypes said when its release was made


@lru_cache(64)
def baseline(instance_type: str) -> int | None:
    """Bits a second that an instance of the type sends for good, and gets; of all its network cards together.

    A type of "up to 10 Gigabit" has a baseline, too, over which it comes for minutes. None: EC2 has no number.
    """
    from moto.utilities.utils import load_resource  # EC2 itself takes a second to load, and this a tenth of that

    kind = load_resource(TABLE).get(instance_type.removeprefix("ml."), {})
    cards = kind.get("NetworkInfo", {}).get("NetworkCards", [])
    return round(sum(card.get("BaselineBandwidthInGbps", 0) for card in cards) * 1e9) or None


def describe(instance_type: str, rate: int | None, *, limited: bool) -> str:
    """What a log says of the network between hosts. limited: this machine can hold them to a bandwidth."""
    if rate and limited:
        return f"between the hosts go {rate / 1e9:g} Gbit/s at most, the baseline of {instance_type}"
    why = "this machine cannot do that" if rate else "EC2 has no number of it"
    return f"the bandwidth of {instance_type} is not set: {why}"
