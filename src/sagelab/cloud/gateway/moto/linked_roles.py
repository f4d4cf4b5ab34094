"""Service-linked roles that a service here acts with: under AWS's name, and with AWS's policy, which moto has not.

https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-service-linked-roles.html
"""

from __future__ import annotations

import json
from typing import Any

from sagelab.cloud.context import SCALING
from sagelab.cloud.gateway.moto import deliveries, iam

# Service -> (the name of its role, its policy).
ROLES = {
    SCALING: (
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
        "AWSApplicationAutoscalingSageMakerEndpointPolicy",
    )
}
_POLICIES = "arn:aws:iam::aws:policy/aws-service-role/"


def make(asked: dict[str, Any]) -> None:
    """The role of a service that is here; moto makes any other."""
    service, backend = str(asked["service_name"]), asked["self"]
    if service not in ROLES:
        return
    name, policy = ROLES[service]
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    role = backend.create_role(
        name,
        json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        f"/aws-service-role/{service}/",
        permissions_boundary=None,
        description=asked["description"] or "",
        tags=[],
        max_session_duration="3600",
        linked_service=service,
    )
    iam.provide_policy(_POLICIES + policy)
    backend.attach_role_policy(_POLICIES + policy, name)
    raise deliveries.Answered(role)
