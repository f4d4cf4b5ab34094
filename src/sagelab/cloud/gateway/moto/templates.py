"""CloudFormation's templates: what of SageMaker stands in one, and what refers to what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from moto.cloudformation.exceptions import ValidationError

from sagelab.cloud.gateway.moto.stack_resources import PREFIX, TYPES

_REFERENCE = re.compile(r"\$\{([^!.}]+)")
_IN_SETS = "AWS::SageMaker resources in stack sets are not something the local cloud can do."

Template = dict[str, Any]


def check(template: Template) -> None:
    """ValidationError: something of SageMaker stands in a template that no stack can make."""
    kinds = {str(resource.get("Type")) for resource in (template.get("Resources") or {}).values()}
    if unknown := sorted(kind for kind in kinds if kind.startswith(PREFIX) and kind not in TYPES):
        raise ValidationError(
            message=f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]"
        )


def check_set(template: Template) -> None:
    """ValidationError: something of SageMaker stands in the template of a stack set."""
    resources = template.get("Resources") or {}
    if any(str(resource.get("Type")).startswith(PREFIX) for resource in resources.values()):
        raise ValidationError(message=_IN_SETS)


def references(resource: Any) -> Iterator[str]:
    """The logical ids that a resource refers to."""
    if isinstance(resource, list):
        for each in resource:
            yield from references(each)
    elif isinstance(resource, dict):
        for key, value in resource.items():
            if key == "Ref":
                yield value
            elif key == "Fn::GetAtt":
                yield value[0] if isinstance(value, list) else value.partition(".")[0]
            else:
                yield from _REFERENCE.findall(json.dumps(value)) if key == "Fn::Sub" else ()
                yield from references(value)


def ordered(resources: Template) -> list[str]:
    """Logical ids, each after those that it refers to."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in resources and name not in seen:
            seen.add(name)
            for needed in references(resources[name]):
                visit(needed)
            order.append(name)

    for name in resources:
        visit(name)
    return order
