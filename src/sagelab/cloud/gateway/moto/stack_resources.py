"""SageMaker's resources in CloudFormation's stacks.

A property of a template is the member of the Create call that has its name; Ref is the ARN, Fn::GetAtt the name.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_SageMaker.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import Shape
from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.cloudformation.models import cloudformation_backends
from moto.core.common_models import CloudFormationModel

from sagelab import catalog
from sagelab.catalog import Kind
from sagelab.cloud.gateway.moto.sagemaker import SageMakerAccess

Properties = dict[str, Any]

PREFIX = "AWS::SageMaker::"
LONGEST_NAME = 63
UNIQUE = 13  # characters at the end of a name that moto makes: a hyphen and 12 at random
_SERVES, _STATUS = "InService", "NotebookInstanceStatus"
_UNSTABLE = "The resource did not stabilize."
_CUSTOM_NAME = (
    "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {} and update"
    " the stack again."
)
# Properties that only say how an endpoint that is there is to be changed.
_OF_UPDATES = ("ExcludeRetainedVariantProperties", "RetainAllVariantProperties", "RetainDeploymentConfig")
_JSON = {"structure": "JSONObject", "map": "JSONObject", "list": "JSONArray", "integer": "Integer"}
_JSON |= {"long": "Integer", "float": "Number", "double": "Number", "boolean": "Boolean", "string": "String"}


class ResourceFailed(Exception):
    """A resource of a stack could not be made, changed or deleted; `str()` is the reason in the stack's events."""

    def __init__(self, reason: str, logical_id: str = "", resource_type: str = "", arn: str = "") -> None:
        super().__init__(reason)
        self.logical_id, self.resource_type, self.arn = logical_id, resource_type, arn


class _Unfit(Exception):
    """A property that its kind does not have, or that has another type."""


class StackResource(CloudFormationModel):  # type: ignore[misc]
    """One resource that a stack made.

    arn: its physical id. properties: as they were asked for, without references.
    kind: its row of the catalog. mutable: the properties that change without a replacement, as AWS documents them.
    """

    kind: ClassVar[Kind]
    mutable: ClassVar[frozenset[str]] = frozenset({"Tags"})
    logical_resource_id = ""

    def __init__(self, stack_id: str, name: str, arn: str, properties: Properties) -> None:
        self.stack_id, self.name, self.arn, self.properties = stack_id, name, arn, properties

    @property
    def physical_resource_id(self) -> str:
        return self.arn

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @classmethod
    def cloudformation_name_type(cls) -> str:
        return cls.kind.name_member

    @classmethod
    def cloudformation_type(cls) -> str:
        return PREFIX + cls.kind.stem

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == cls.kind.name_member

    def get_cfn_attribute(self, attribute_name: str) -> str:
        if not self.has_cfn_attr(attribute_name):
            raise UnformattedGetAttTemplateException
        return self.name

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **about: Any
    ) -> StackResource:
        """ResourceFailed: SageMaker refuses it."""
        stack = cloudformation_backends[account_id][region_name].get_stack(about["StackId"])
        properties = cloudformation_json["Properties"]
        name = properties.get(cls.kind.name_member) or _shortened(resource_name)
        wanted = {name: value for name, value in properties.items() if name not in _OF_UPDATES}
        wanted |= {cls.kind.name_member: name, "Tags": _tags(stack.tags, properties)}
        with cls._failing(about["LogicalId"]):
            made = cls._call(SageMakerAccess.current.client(region_name, stack.role_arn), "Create", wanted)
        return cls(about["StackId"], name, made[cls.kind.arn_member], properties)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> StackResource:
        """Changed where it stands, or replaced: the old one goes when the stack is updated.

        ResourceFailed: SageMaker refuses it, or it has a name of its own and would have to be replaced.
        """
        old, wanted = original_resource, cloudformation_json["Properties"]
        changed = {n for n in wanted.keys() | old.properties.keys() if wanted.get(n) != old.properties.get(n)}
        stack = cloudformation_backends[account_id][region_name].get_stack(old.stack_id)
        if changed <= cls.mutable:
            with cls._failing(old.logical_resource_id, old.arn):
                old.change(SageMakerAccess.current.client(region_name, stack.role_arn), changed, wanted)
            old.properties = wanted
            return old  # type: ignore[no-any-return]
        if wanted.get(cls.kind.name_member) == old.name:
            raise old.failed(_CUSTOM_NAME.format(old.name))
        about = {"LogicalId": old.logical_resource_id, "StackId": old.stack_id}
        new = cls.create_from_cloudformation_json(
            new_resource_name, cloudformation_json, account_id, region_name, **about
        )
        stack.retired.append(old)
        return new

    def change(self, client: Any, changed: set[str], wanted: Properties) -> None:
        """Give it other values of mutable properties."""
        if changed - {"Tags"}:
            self.change_settings(client, {name: wanted.get(name, []) for name in changed - {"Tags"}})
        if "Tags" in changed:
            old, new = ({tag["Key"] for tag in one.get("Tags", [])} for one in (self.properties, wanted))
            if old - new:
                client.delete_tags(ResourceArn=self.arn, TagKeys=sorted(old - new))
            if new:
                client.add_tags(ResourceArn=self.arn, Tags=_tags({}, wanted))

    def change_settings(self, client: Any, settings: Properties) -> None:
        """The Update call of its kind."""
        self._call(client, "Update", settings | {self.kind.name_member: self.name})

    def is_created(self) -> bool:
        """Whether it is what was asked for. ResourceFailed: it will not be."""
        document = SageMakerAccess.current.look(self.arn)
        if document is None:
            raise self.failed("The resource was deleted before it was stable.")
        if document.get(self.kind.status_member) == "Failed":
            raise self.failed(document.get("FailureReason") or _UNSTABLE)
        return not self.kind.running or document[self.kind.status_member] == _SERVES

    def delete(self, _account_id: str = "", _region_name: str = "", *, client: Any = None) -> None:
        """Delete it, and wait until it is gone. ResourceFailed: SageMaker refuses, or it takes too long."""
        if SageMakerAccess.current.look(self.arn) is None:
            return
        with self._failing(self.logical_resource_id, self.arn):
            acting = client or SageMakerAccess.current.client(self.region)
            if not SageMakerAccess.current.wait(lambda: self._is_gone(acting)):
                raise self.failed(_UNSTABLE)

    def _is_gone(self, client: Any) -> bool:
        """Whether it is; if not, the next step to it is taken, where there is one."""
        document = SageMakerAccess.current.look(self.arn)
        if document is None:
            return True
        status = document.get(self.kind.status_member)
        rests = not self.kind.running or status in self.kind.ended
        if status == _SERVES and "Stop" in self.kind.verbs:
            self._call(client, "Stop", {self.kind.name_member: self.name})
        elif status != "Deleting" and (rests or status == _SERVES):
            self._call(client, "Delete", {self.kind.name_member: self.name})
        return False

    @classmethod
    def _call(cls, client: Any, verb: str, properties: Properties) -> Any:
        """One operation on the kind, with what a template says of it."""
        operation = cls.kind.operation(verb)
        shape = client.meta.service_model.operation_model(operation).input_shape
        return getattr(client, xform_name(operation))(**_value(shape, properties, "#"))

    def failed(self, reason: str) -> ResourceFailed:
        return ResourceFailed(reason, self.logical_resource_id, self.cloudformation_type(), self.arn)

    @classmethod
    @contextmanager
    def _failing(cls, logical_id: str, arn: str = "") -> Iterator[None]:
        """What SageMaker refuses, or what is no property, as the reason that CloudFormation gives."""
        try:
            yield
        except ClientError as error:
            raise ResourceFailed(_reason(error), logical_id, cls.cloudformation_type(), arn) from None
        except _Unfit as error:
            reason = f"Properties validation failed for resource {logical_id} with message: {error}"
            raise ResourceFailed(reason, logical_id, cls.cloudformation_type(), arn) from None


class Model(StackResource):
    kind = catalog.of_stem("Model")


class EndpointConfig(StackResource):
    kind = catalog.of_stem("EndpointConfig")


class Endpoint(StackResource):
    kind = catalog.of_stem("Endpoint")
    mutable = frozenset({"EndpointConfigName", "DeploymentConfig", *_OF_UPDATES, "Tags"})

    def change_settings(self, client: Any, settings: Properties) -> None:
        config = {"EndpointConfigName": self.properties["EndpointConfigName"]}
        super().change_settings(client, config | {name: value for name, value in settings.items() if value != []})

    def is_created(self) -> bool:
        """An update that failed leaves an endpoint in service, with the configuration of before."""
        ready = super().is_created()
        document = SageMakerAccess.current.look(self.arn) or {}
        if ready and document.get("EndpointConfigName") != self.properties["EndpointConfigName"]:
            raise self.failed(document.get("FailureReason") or _UNSTABLE)
        return ready


class NotebookInstanceLifecycleConfig(StackResource):
    kind = catalog.of_stem("NotebookInstanceLifecycleConfig")
    mutable = frozenset({"OnCreate", "OnStart", "Tags"})


class NotebookInstance(StackResource):
    kind = catalog.of_stem("NotebookInstance")
    mutable = frozenset({"InstanceType", "LifecycleConfigName", "RoleArn", "RootAccess", "VolumeSizeInGB", "Tags"})

    def change_settings(self, client: Any, settings: Properties) -> None:
        """It is stopped for the time of the change."""
        named = {self.kind.name_member: self.name}
        if settings.get("LifecycleConfigName") == []:
            settings = settings | {"DisassociateLifecycleConfig": True}
        self._call(client, "Stop", named)
        self._rest()
        super().change_settings(client, {name: value for name, value in settings.items() if value != []})
        self._rest()
        self._call(client, "Start", named)

    def _rest(self) -> None:
        if not SageMakerAccess.current.wait(
            lambda: (SageMakerAccess.current.look(self.arn) or {}).get(_STATUS) == "Stopped"
        ):
            raise self.failed(_UNSTABLE)


CLASSES = (Model, EndpointConfig, Endpoint, NotebookInstanceLifecycleConfig, NotebookInstance)
TYPES = {each.cloudformation_type(): each for each in CLASSES}


def _tags(of_stack: dict[str, str], properties: Properties) -> list[Properties]:
    """The tags of a resource: its stack's, and its own before those."""
    own = {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}
    return [{"Key": key, "Value": value} for key, value in (of_stack | own).items()]


def _shortened(name: str) -> str:
    """A name that moto made for a resource without one, in SageMaker's 63 characters."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - UNIQUE].rstrip("-") + name[-UNIQUE:]


def _reason(error: ClientError) -> str:
    """An error of SageMaker's as CloudFormation writes it down."""
    about, meta = error.response["Error"], error.response["ResponseMetadata"]
    return (
        f"{about['Message']} (Service: AmazonSageMaker; Status Code: {meta['HTTPStatusCode']};"
        f" Error Code: {about['Code']}; Request ID: {meta.get('RequestId', '')}; Proxy: null)"
    )


def _value(shape: Shape, value: Any, path: str) -> Any:
    """A template's value in the form of the API's shape: a template may write numbers and truth values as text."""
    kind = shape.type_name
    try:
        if kind == "structure":
            for name in value.keys() - shape.members.keys():
                raise _Unfit(f"{path}: extraneous key [{name}] is not permitted")
            return {name: _value(shape.members[name], each, f"{path}/{name}") for name, each in value.items()}
        if kind == "map":
            return {str(name): _value(shape.value, each, f"{path}/{name}") for name, each in value.items()}
        if kind == "list" and isinstance(value, list):
            return [_value(shape.member, each, f"{path}/{at}") for at, each in enumerate(value)]
        if kind in _SCALARS:
            return _SCALARS[kind](_text(value))
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise _Unfit(f"{path}: expected type: {_JSON[kind]}, found: {_FOUND.get(type(value), 'Null')}")


def _text(value: Any) -> str:
    """TypeError: it is none of a template's scalars."""
    if not isinstance(value, (str, bool, int, float)):
        raise TypeError
    return str(value).lower() if isinstance(value, bool) else str(value)


_TRUTH = {"true": True, "false": False}
_SCALARS: dict[str, Callable[[str], Any]] = {"string": str, "boolean": lambda text: _TRUTH[text.lower()]}
_SCALARS |= {"integer": int, "long": int, "float": float, "double": float}
_FOUND = {dict: "JSONObject", list: "JSONArray", bool: "Boolean", int: "Integer", float: "Number", str: "String"}
