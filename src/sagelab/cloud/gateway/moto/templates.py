"""CloudFormation's templates: what stands in one that no stack can make, and what refers to what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError

from sagelab.cloud.gateway.moto.services import type_refusal
from sagelab.cloud.gateway.moto.stack_resources import PREFIX

_REFERENCE = re.compile(r"\$\{([^!.}]+)")
_IN_SETS = "AWS::SageMaker resources in stack sets are not something the local cloud can do."
_NOTE = "AWS::CDK::Metadata"  # says which tool wrote the template, and makes nothing

Template = dict[str, Any]


def check(template: Template) -> None:
    """ValidationError: something stands in a template that no stack can make; moto would leave it out unsaid."""
    kinds = sorted({str(resource.get("Type")) for resource in (template.get("Resources") or {}).values()})
    for kind in kinds:
        made = parsing.get_model_map().get(kind)
        if why := type_refusal(kind, made.__module__.split(".")[1] if made else None):
            raise ValidationError(message=f"{kind} is not something the local cloud can do. {why}")
    if unknown := [kind for kind in kinds if kind not in parsing.get_model_map() and kind != _NOTE]:
        raise ValidationError(
            message=f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]"
        )


def check_set(template: Template) -> None:
    """ValidationError: something of SageMaker, or that no stack can make, stands in a stack set's template."""
    resources = template.get("Resources") or {}
    if any(str(resource.get("Type")).startswith(PREFIX) for resource in resources.values()):
        raise ValidationError(message=_IN_SETS)
    check(template)


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
