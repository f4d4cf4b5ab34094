"""AddTags, ListTags, DeleteTags on any resource of the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ResourceLimitExceeded, ValidationException
from sagelab.cloud.resources.call import Call, Handler, Params

MAX_TAGS = 50
PAGE = 50

Listener = Callable[[str, dict[str, str]], None]


class Tags:
    """Tags as the API has them: at most 50 a resource, keys that begin with `aws:` are AWS's own.

    listeners: told of every resource (ARN) and the tags that are added to it, before they stand; one that raises
    refuses them.
    """

    def __init__(self, cloud: Cloud, *listeners: Listener) -> None:
        self.store, self.listeners = cloud.store, listeners

    def operations(self) -> Mapping[str, Handler]:
        return {"AddTags": self.add, "ListTags": self.list, "DeleteTags": self.delete}

    def add(self, call: Call) -> Params:
        arn = self._known(call)
        new = read_tags(call.params["Tags"])
        if len(self.store.tags(arn) | new) > MAX_TAGS:
            raise ResourceLimitExceeded(f"A resource can have at most {MAX_TAGS} tags.")
        for listener in self.listeners:
            listener(arn, new)
        self.store.tag(arn, new)
        return {"Tags": write_tags(self.store.tags(arn))}

    def list(self, call: Call) -> Params:
        return {"Tags": write_tags(self.store.tags(self._known(call)))}

    def delete(self, call: Call) -> Params:
        self.store.untag(self._known(call), call.params["TagKeys"])
        return {}

    def _known(self, call: Call) -> str:
        arn: str = call.params["ResourceArn"]
        if not self.store.has(arn):
            raise ValidationException(f"Could not find resource {arn}.")
        return arn


def read_tags(tags: list[dict[str, str]]) -> dict[str, str]:
    """[{"Key", "Value"}] -> {key: value}. ValidationException: a key twice, or one of AWS's own."""
    found = {tag["Key"]: tag["Value"] for tag in tags}
    if len(found) < len(tags):
        raise ValidationException("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.lower().startswith("aws:") for key in found):
        raise ValidationException("aws: prefixed tag key names are not allowed for external use.")
    return found


def write_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
