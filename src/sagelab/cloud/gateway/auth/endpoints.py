"""The policy of an endpoint of a VPC, which what comes by it must be allowed by too, and what is known of it then.

https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagelab.cloud.gateway.auth import policies, verdict
from sagelab.cloud.gateway.auth.guard import Key
from sagelab.cloud.gateway.auth.needed import Context, Needed
from sagelab.cloud.gateway.auth.verdict import Verdict

if TYPE_CHECKING:
    from sagelab.cloud.gateway.origins import Origin

KIND = "VPC endpoint policy"
KMS = "kms"


def place(known: Context, origin: Origin) -> Context:
    """The condition keys of a request, with where it comes from.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-network-properties
    """
    if not origin.endpoint:
        return known | {"aws:sourceip": [origin.address]}
    private = {"aws:sourcevpce": [origin.endpoint], "aws:sourcevpc": [origin.vpc]}
    others = {name: value for name, value in known.items() if name != "aws:sourceip"}
    return others | private | {"aws:vpcsourceip": [origin.address]}


def refusal(origin: Origin, key: Key, service: str, needed: Needed, context: Context) -> Verdict | None:
    """How the policy of the endpoint refuses what a request needs; None where it does not, or there is none.

    service: that is asked. What it asks KMS for itself does not come by the endpoint.
    """
    onward = service != KMS and needed.action.startswith(f"{KMS}:")
    if onward or not origin.endpoint or not origin.way.policy:
        return None
    policy = policies.read(origin.way.policy)
    of_caller = [verdict.about(policy, kind, key) for kind in ("denies", "names")]
    effect = policies.evaluate(of_caller, needed.action, needed.resource, context).effect
    return None if effect == "allowed" else Verdict(effect, KIND)
