"""What EC2 takes as an endpoint of a VPC, which moto keeps as it comes. Each check is given a method's arguments.

A policy that is kept is read with every request that comes by the endpoint, so it must be readable.
"""

from __future__ import annotations

import json
from typing import Any

from sagelab.cloud.gateway.moto.bucket_policy_form import find_fault

Asked = dict[str, Any]


def complete(asked: Asked) -> None:
    """An endpoint is a gateway where nothing else is said, and needs no route table.

    EC2ClientError: its policy is none, or its private DNS name needs the VPC's DNS:
    https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html
    """
    kind = asked["endpoint_type"] = asked.get("endpoint_type") or "Gateway"
    asked["route_table_ids"] = asked.get("route_table_ids") or []
    if asked.get("policy_document"):
        asked["policy_document"] = _read(asked["policy_document"])
    if kind == "Interface" and asked.get("private_dns_enabled"):
        vpc = asked["self"].get_vpc(asked["vpc_id"])
        if not (vpc.enable_dns_support and vpc.enable_dns_hostnames):
            raise _refusal(
                "InvalidParameter",
                "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to"
                f" true for {vpc.id}",
            )


def check_policy(asked: Asked) -> None:
    """EC2ClientError: the new policy of an endpoint is none."""
    if asked.get("policy_doc"):
        asked["policy_doc"] = _read(asked["policy_doc"])


def _read(policy: Any) -> str:
    """A policy as text; of a stack it is an object."""
    text = policy if isinstance(policy, str) else json.dumps(policy)
    if fault := find_fault(text.encode()):
        raise _refusal("InvalidPolicyDocument", fault)
    return text


def _refusal(code: str, message: str) -> Exception:
    from moto.ec2.exceptions import EC2ClientError  # it loads all of EC2

    refusal: Exception = EC2ClientError(code, message)
    return refusal
