"""CloudFormation's templates: what stands in one that no stack can make, and what refers to what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import yaml
from moto.cloudformation import models, parsing, responses
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.utils import yaml_tag_constructor

from sagelab.cloud.gateway.moto.services import type_refusal
from sagelab.cloud.gateway.moto.stack_resources import PREFIX

_REFERENCE = re.compile(r"\$\{([^!.}]+)")
_IN_SETS = "AWS::SageMaker resources in stack sets are not something the local cloud can do."
_NO_TRANSFORM = "A transform is not something the local cloud can do: give the template as it comes out of it."
_ALIASES = "Template error: YAML aliases are not allowed in CloudFormation templates"
_NO_TEMPLATE = "Template format error: unsupported structure."
_TOO_LONG = "Template may not exceed 1000000 bytes in size."
_LONGEST = 1_000_000
_NOTE = "AWS::CDK::Metadata"  # says which tool wrote the template, and makes nothing

Template = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML's own types and CloudFormation's short forms; moto's loader would call any function of Python's.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValidationError(message=_ALIASES)
        return super().compose_node(parent, index)


_Loader.add_multi_constructor("!", lambda loader, name, node: yaml_tag_constructor(loader, f"!{name}", node))


def load(text: str | bytes, **_: Any) -> Any:
    """What a template's text says, in YAML or JSON. ValidationError: it is none, or too long."""
    if len(text) > _LONGEST:
        raise ValidationError(message=_TOO_LONG)
    try:
        return yaml.load(text, _Loader)
    except (yaml.scanner.ScannerError, yaml.parser.ParserError):
        raise  # moto then reads it as JSON
    except (yaml.YAMLError, RecursionError):
        raise ValidationError(message=_NO_TEMPLATE) from None


def parse(text: str | bytes) -> Template:
    """A template without what makes nothing. ValidationError: it is none."""
    try:
        template = load(text)
    except yaml.YAMLError:
        template = _parse_json(text)
    if not isinstance(template, dict) or not isinstance(template.get("Resources") or {}, dict):
        raise ValidationError(message=_NO_TEMPLATE)
    resources = template.get("Resources") or {}
    if not all(isinstance(resource, dict) for resource in resources.values()):
        raise ValidationError(message=_NO_TEMPLATE)
    for name in [name for name, resource in resources.items() if resource.get("Type") == _NOTE]:
        del resources[name]
    return template


def _parse_json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValidationError(message=_NO_TEMPLATE) from None


def read_safely() -> None:
    """From now on moto reads templates with this module's loader, wherever it does."""
    for module in (models, responses):
        module.yaml = SimpleNamespace(load=load, Loader=_Loader, add_multi_constructor=lambda *_: None)


def check(template: Template) -> None:
    """ValidationError: something stands in a template that no stack can make; moto would leave it out unsaid."""
    if "Transform" in template or '"Fn::Transform"' in json.dumps(template, default=str):
        raise ValidationError(message=_NO_TRANSFORM)
    kinds = sorted({str(resource.get("Type")) for resource in (template.get("Resources") or {}).values()})
    for kind in kinds:
        made = parsing.get_model_map().get(kind)
        if why := type_refusal(kind, made.__module__.split(".")[1] if made else None):
            raise ValidationError(message=f"{kind} is not something the local cloud can do. {why}")
    if unknown := [kind for kind in kinds if kind not in parsing.get_model_map()]:
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
