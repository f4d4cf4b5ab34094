"""CloudFormation's stacks with SageMaker's resources in them: children of moto's classes.

A stack is complete when its resources are, and not before: what takes time is looked at again with each request to
CloudFormation. One whose resources fail is rolled back, with AWS's reasons in its events. What else of SageMaker
stands in a template is refused, before anything is made.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
"""

from __future__ import annotations

import logging
from typing import Any, cast

from moto.cloudformation import models, parsing, responses, urls
from moto.cloudformation.exceptions import CloudFormationError, ValidationError
from moto.core.exceptions import AWSError, ServiceException
from moto.core.responses import ActionResult
from werkzeug.exceptions import HTTPException

from sagelab.cloud.errors import ServiceError
from sagelab.cloud.gateway.moto import stack_rights
from sagelab.cloud.gateway.moto.sagemaker import SageMakerAccess
from sagelab.cloud.gateway.moto.stack_resources import CLASSES, PREFIX, TYPES, ResourceFailed, StackResource
from sagelab.cloud.gateway.moto.templates import (
    Template,
    check,
    check_set,
    ordered,
    parse,
    read_safely,
    references,
)
from sagelab.cloud.home import ACCOUNT

_WITHOUT_OUTPUTS = ("CREATE_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK", "DELETE")
_MOVING = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
_TYPE_CHANGED = (
    "Update of resource type is not permitted. The new template modifies resource type of the following"
    " resources: "
)
# How the models of moto's services, and what they are held to, refuse something.
_REFUSALS = (HTTPException, AWSError, ServiceException, ServiceError)

_log = logging.getLogger("sagelab")


def _words(error: Any) -> str:
    return str(getattr(error, "message", error))


class ResourceMap(parsing.ResourceMap):  # type: ignore[misc]
    """The resources of a stack by their logical ids."""

    closed = False  # nothing is made any more: moto makes a resource when it is first looked at

    def __getitem__(self, key: str) -> Any:
        if self.closed and key not in self._parsed_resources and key in self._resource_json_map:
            return None
        try:
            return super().__getitem__(key)
        except CloudFormationError:  # of the template
            raise
        except _REFUSALS as error:
            raise ResourceFailed(_words(error), key, self._resource_json_map[key]["Type"]) from None

    def delete(self) -> None:
        super().delete()
        self.closed = True

    def build_resource_diff(self, other_template: Template, parameters: Any = None) -> dict[str, list[str]]:
        """What refers to a resource of SageMaker's that changes may change with it, and is changed after it."""
        found: dict[str, list[str]] = super().build_resource_diff(other_template, parameters)
        old, new = self._resource_json_map, other_template["Resources"]
        changed = [name for name in found["Modify"] if old[name]["Type"] != new[name]["Type"]]
        if changed:
            raise ValidationError(message=f"{_TYPE_CHANGED}[{', '.join(changed)}]")
        ours = [name for name in ordered(new) if name in old and new[name]["Type"] in TYPES]
        modified = set(found["Modify"])
        for name in ours:
            if modified.intersection(references(new[name])) & set(ours):
                modified.add(name)
        found["Modify"] = [name for name in found["Modify"] if name not in ours]
        found["Modify"] += [name for name in ours if name in modified]
        return found


class Stack(models.Stack):  # type: ignore[misc]
    """One stack.

    retired: resources that others have replaced; they go when the update is complete.
    on_failure: what becomes of a stack that cannot be made: ROLLBACK, DELETE or DO_NOTHING.
    """

    role_arn: str | None
    tags: dict[str, str]
    status_reason: str | None = None
    on_failure = "ROLLBACK"

    def __init__(self, *args: Any, **options: Any) -> None:
        self.retired: list[StackResource] = []
        super().__init__(*args, **options)
        asked = SageMakerAccess.current.asked
        default = "DO_NOTHING" if asked.get("DisableRollback", "").lower() == "true" else "ROLLBACK"
        self.on_failure = asked.get("OnFailure") or default
        self.disable_rollback = self.on_failure == "DO_NOTHING"

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"retired": []} | state)

    @property
    def stack_resources(self) -> list[Any]:
        return [resource for resource in self.resource_map.values() if resource is not None]

    @property
    def outputs(self) -> Any:
        return None if self.status.startswith(_WITHOUT_OUTPUTS) else super().outputs

    @property
    def exports(self) -> list[Any]:
        return [] if self.status.startswith(("ROLLBACK", "DELETE")) else super().exports

    @staticmethod
    def parse_template(template: Any) -> Template:
        return parse(template)

    def _parse_template(self) -> None:
        template = self.parse_template(self.template)
        check(template)
        self.template_dict = template

    def is_created(self) -> bool:
        """As a resource of another stack. ResourceFailed: it was not made."""
        self.settle()
        if self.status.endswith(("FAILED", "ROLLBACK_COMPLETE")):
            reason = f"Embedded stack {self.stack_id} was not successfully created: {self.status_reason}"
            raise ResourceFailed(reason, getattr(self, "logical_resource_id", ""), self.cloudformation_type())
        return not self.status.endswith("IN_PROGRESS")

    def replace_template(self, template: str, parameters: Any) -> None:
        """Make what a change set of a new stack says."""
        self.template, self.parameters = template, parameters or {}
        self._parse_template()
        self.resource_map = self._create_resource_map()
        self.output_map = self._create_output_map()

    def update(self, template: str, role_arn: Any = None, parameters: Any = None, tags: Any = None) -> None:
        """ValidationError: the update as a whole is refused. A resource that fails leaves it UPDATE_FAILED."""
        wanted = self.parse_template(template)
        check(wanted)
        for each in (wanted, self.template_dict):  # what goes is deleted with the same rights
            stack_rights.check(each, role_arn or self.role_arn)
        self.resource_map.build_resource_diff(wanted, parameters)
        self.role_arn = role_arn or self.role_arn
        self.tags = self.tags if tags is None else tags
        self.status, self.status_reason = "UPDATE_IN_PROGRESS", None
        self._add_stack_event("UPDATE_IN_PROGRESS", resource_status_reason="User Initiated")
        self.template, self.template_dict = template, wanted
        try:
            self.resource_map.update(wanted, parameters)
        except ResourceFailed as failed:
            self._end("UPDATE_FAILED", failed)
            return
        except _REFUSALS as error:
            self._end("UPDATE_FAILED", ResourceFailed(_words(error)))
            return
        self.parameters = parameters or self.parameters
        self.output_map = self._create_output_map()
        self.settle()

    def settle(self) -> None:
        """Complete what is in progress, or let it fail, as far as its resources have come."""
        if self.status not in _MOVING:
            return
        verb = self.status.removesuffix("_IN_PROGRESS")
        try:
            if not self.resource_map.creation_complete():
                return
            while self.retired:
                self.retired[-1].delete(client=SageMakerAccess.current.own(self.region_name))
                self.retired.pop()
        except ResourceFailed as failed:
            self.roll_back(failed) if verb == "CREATE" else self._end("UPDATE_FAILED", failed)
        else:
            self.status = f"{verb}_COMPLETE"
            self._add_stack_event(self.status)

    def roll_back(self, failed: ResourceFailed) -> None:
        """A resource failed: delete what was made before it, unless the stack is to stay as it is."""
        if self.on_failure == "DO_NOTHING":
            self.resource_map.closed = True
            self._end("CREATE_FAILED", failed)
            return
        self._note(failed, "CREATE_FAILED")
        reason = f"The following resource(s) failed to create: [{failed.logical_id}]. Rollback requested by user."
        self.status, self.status_reason = "ROLLBACK_IN_PROGRESS", reason
        self._add_stack_event(self.status, resource_status_reason=reason)
        try:
            self.undo()
        except ResourceFailed as stays:
            self._end("ROLLBACK_FAILED", stays)
            return
        self.status = "ROLLBACK_COMPLETE"
        self._add_stack_event(self.status)
        if self.on_failure == "DELETE":
            models.cloudformation_backends[self.account_id][self.region_name].delete_stack(self.stack_id)

    def undo(self) -> None:
        """Delete all that it made. ResourceFailed: something stays."""
        made = [one for one in self.resource_map._parsed_resources.values() if isinstance(one, StackResource)]
        for resource in made[::-1]:
            resource.delete(client=SageMakerAccess.current.own(self.region_name))
        self.resource_map.delete()
        exports = self.cross_stack_resources
        for name in [name for name, one in exports.items() if one.exporting_stack_id == self.stack_id]:
            del exports[name]

    def delete(self) -> None:
        self._add_stack_event("DELETE_IN_PROGRESS", resource_status_reason="User Initiated")
        try:
            self.resource_map.delete()
        except ResourceFailed as failed:
            self._end("DELETE_FAILED", failed)
            raise
        self._add_stack_event("DELETE_COMPLETE")
        self.status = "DELETE_COMPLETE"

    def _end(self, status: str, failed: ResourceFailed) -> None:
        self._note(failed, status)
        verb = {"CREATE": "create", "UPDATE": "update"}.get(status.partition("_")[0], "delete")
        self.status = status
        self.status_reason = f"The following resource(s) failed to {verb}: [{failed.logical_id}]."
        self._add_stack_event(status, resource_status_reason=self.status_reason)

    def _note(self, failed: ResourceFailed, status: str) -> None:
        names = (failed.logical_id, failed.arn, failed.resource_type)
        self.events.append(models.Event(self.stack_id, self.name, *names, status, str(failed), None))


class ChangeSet(models.ChangeSet):  # type: ignore[misc]
    def _parse_template(self) -> None:
        super()._parse_template()
        check(self.template_dict)


class Backend(models.CloudFormationBackend):  # type: ignore[misc]
    """CloudFormation in one region."""

    _url_module = urls

    def create_stack(self, name: str, template: str, parameters: Any, **options: Any) -> Stack:
        before, wanted = set(self.stacks), parse(template or "{}")
        check(wanted)
        stack_rights.check(wanted, options.get("role_arn"))
        try:
            return cast(Stack, super().create_stack(name, template, parameters, **options))
        except Exception as error:
            stack = next((found for key, found in self.stacks.items() if key not in before), None)
            if stack is not None and isinstance(error, ResourceFailed):
                stack.roll_back(error)
                return cast(Stack, stack)
            if stack is not None:  # refused as a whole
                stack.undo()
                del self.stacks[stack.stack_id]
            raise

    def create_change_set(self, stack_name: str, change_set_name: str, template: str, **options: Any) -> Any:
        check(parse(template or "{}"))  # before there is a stack to review
        return super().create_change_set(stack_name, change_set_name, template, **options)

    def execute_change_set(self, change_set_name: str, stack_name: str | None = None) -> None:
        """ValidationError: there is no such change set, or what it says is refused as a whole."""
        change_set = next(
            (one for one in self.change_sets.values() if _is(one, change_set_name, stack_name)), None
        )
        if change_set is None:
            raise ValidationError(message=f"ChangeSet [{change_set_name}] does not exist")
        stack = self.stacks[change_set.stack_id]
        stack_rights.check(parse(change_set.template), stack.role_arn)
        change_set.execution_status = "EXECUTE_COMPLETE"
        if change_set.change_set_type != "CREATE":
            stack.update(change_set.template, parameters=change_set.parameters)
            return
        stack.cross_stack_resources = self.exports
        stack.replace_template(change_set.template, change_set.parameters)
        stack._add_stack_event("CREATE_IN_PROGRESS", resource_status_reason="User Initiated")
        try:
            stack.create_resources()
        except ResourceFailed as failed:
            stack.roll_back(failed)
        self.exports |= {export.name: export for export in stack.exports}

    def delete_stack(self, name_or_stack_id: str) -> None:
        found = [one for one in self.stacks.values() if name_or_stack_id in (one.name, one.stack_id)]
        for stack in found:
            stack_rights.check(stack.template_dict, stack.role_arn)
        try:
            super().delete_stack(name_or_stack_id)
        except ResourceFailed:
            self.stacks |= {stack.stack_id: stack for stack in found}

    def create_stack_set(self, name: str, template: str, *args: Any, **options: Any) -> Any:
        check_set(parse(template or "{}"))
        return super().create_stack_set(name, template, *args, **options)

    def update_stack_set(self, stackset_name: str, template: str, *args: Any, **options: Any) -> Any:
        check_set(parse(template or "{}"))
        return super().update_stack_set(stackset_name, template, *args, **options)

    def validate_template(self, template: str) -> list[Any]:
        check(parse(template))
        found: list[Any] = super().validate_template(template)
        return found


class ResourceOfStack(responses.StackResourceDTO):  # type: ignore[misc]
    """A resource of a stack as it is described: those of a stack in progress are not all as far as it is."""

    def __init__(self, stack: Stack, resource: Any) -> None:
        super().__init__(stack, resource)
        if stack.status in _MOVING and _is_created(resource):
            self.resource_status = stack.status.replace("IN_PROGRESS", "COMPLETE")


def _is_created(resource: Any) -> bool:
    try:
        return bool(resource.is_created())
    except ResourceFailed:
        return False


def _list_stack_resources(self: Any) -> ActionResult:
    """moto's own says of each resource that it is complete."""
    stack, resources = self.cloudformation_backend.list_stack_resources(self._get_param("StackName"))
    rows = [ResourceOfStack(stack, resource) for resource in resources]
    for row in rows:
        row.last_updated_timestamp = stack.creation_time
    return ActionResult({"StackResourceSummaries": rows})


def _is(change_set: Any, name: str, stack: str | None) -> bool:
    """Whether a change set is meant by its name, or by its ARN, of a stack that may be named too."""
    named = name in (change_set.change_set_id, change_set.change_set_name)
    return named and stack in (None, change_set.stack_name, change_set.stack_id)


def unsettled(region: str) -> bool:
    """Whether a stack of a region is in progress."""
    return any(stack.status in _MOVING for stack in _stacks(region))


def settle(region: str) -> None:
    """Look at what the stacks of a region wait for."""
    for stack in _stacks(region):
        try:
            stack.settle()
        except Exception:
            _log.exception("the stack %s", stack.stack_id)


def _stacks(region: str) -> list[Stack]:
    found = models.cloudformation_backends[ACCOUNT][region].stacks.values()
    return [stack for stack in found if isinstance(stack, Stack)]


def _install() -> None:
    """From now on moto's CloudFormation is this one, and none of its stacks makes anything in moto's SageMaker."""
    read_safely()
    models.Stack, models.ChangeSet, models.ResourceMap = Stack, ChangeSet, ResourceMap
    models.cloudformation_backends.backend = Backend
    responses.StackResourceDTO = ResourceOfStack
    responses.CloudFormationResponse.list_stack_resources = _list_stack_resources
    known = parsing.get_model_list()
    others = [
        one for one in known if one is not StackResource and not one.cloudformation_type().startswith(PREFIX)
    ]
    known[:] = [*others, *CLASSES]
    parsing.get_model_map.cache_clear()
    parsing.get_name_type_map.cache_clear()


_install()
