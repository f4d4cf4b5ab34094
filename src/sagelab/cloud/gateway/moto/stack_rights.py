"""Who may make what of other services in a stack: moto makes it without asking anybody.

CloudFormation acts with the rights of who asks, or of the stack's role. Which calls a resource would need is not
known here, so that whoever makes one must be allowed everything of its service.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from moto.cloudformation.exceptions import ValidationError

from sagelab.cloud.errors import AccessDenied
from sagelab.cloud.gateway.auth import verdict
from sagelab.cloud.gateway.moto import iam
from sagelab.cloud.gateway.moto.sagemaker import SageMakerAccess

# The name of a service in a type -> in actions, where that is not the name in small letters.
_SERVICES = {
    "ApplicationAutoScaling": "application-autoscaling",
    "EFS": "elasticfilesystem",
    "ElasticLoadBalancing": "elasticloadbalancing",
    "ElasticLoadBalancingV2": "elasticloadbalancing",
    "StepFunctions": "states",
}
_OWN = ("SageMaker", "CloudFormation")  # the front door asks for these


def check(template: dict[str, Any], role: str | None) -> None:
    """AccessDenied: a template has a resource of a service that not all of is allowed. role: the stack's, or None.

    ValidationError: CloudFormation cannot take the role on.
    """
    access = SageMakerAccess.current
    try:
        key = access.holder(role)
    except ClientError:
        raise ValidationError(message=f"Role {role} is invalid or cannot be assumed") from None
    rights = iam.rights_of(key)
    for kind in sorted({str(resource.get("Type")) for resource in (template.get("Resources") or {}).values()}):
        family = kind.split("::")[1] if kind.count("::") > 1 else kind
        service = _SERVICES.get(family, family.lower())
        if family not in _OWN and not verdict.may_all(rights, service):
            raise AccessDenied(
                f"User: {key.arn} is not authorized to perform: {service}:* on resource: *, which {kind} needs"
                f" here, because no identity-based policy allows the {service}:* action"
            )
