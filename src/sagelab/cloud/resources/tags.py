"""AddTags, ListTags, DeleteTags on any resource of the store."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from sagelab import catalog
from sagelab.cloud.errors import ResourceLimitExceeded, ValidationException
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Beside, Call, Family, Params, operation
from sagelab.cloud.store import Store

MAX_TAGS = 50
PAGE = 50


class Tags(Family):
    """Tags as the API has them: at most 50 a resource, keys that begin with `aws:` are AWS's own.

    The family of a resource is told of the tags that are added to it before they stand, and may refuse them.
    """

    @operation("AddTags")
    def add(self, call: Call) -> Params:
        arn = self._known(call)
        new = read_tags(call.params["Tags"])
        if len(self.store.tags(arn) | new) > MAX_TAGS:
            raise ResourceLimitExceeded(f"A resource can have at most {MAX_TAGS} tags.")
        kind = catalog.of_arn(arn)
        for family in self.cloud.families:
            if family.kind is kind:
                family.on_tags(arn, new)
        self.store.tag(arn, new)
        return {"Tags": write_tags(self.store.tags(arn))}

    @operation("ListTags")
    def list(self, call: Call) -> Params:
        return {"Tags": write_tags(self.store.tags(self._known(call)))}

    @operation("DeleteTags")
    def delete(self, call: Call) -> Params:
        self.store.untag(self._known(call), call.params["TagKeys"])
        return {}

    def _known(self, call: Call) -> str:
        arn: str = call.params["ResourceArn"]
        if not self.store.has(arn):
            raise ValidationException(f"Could not find resource {arn}.")
        return arn


class TagsByArn:
    """TagResource, UntagResource and ListTagsForResource, for the family of a service beside SageMaker.

    tags_page: tags of a page. too_many: the code of the error that more than 50 are.
    """

    store: Store
    tags_page: ClassVar[int]
    too_many: ClassVar[str]

    @abstractmethod
    def tagged(self, call: Call) -> str:
        """The ARN that a request names. Beside: nothing that has tags is there."""

    @operation("TagResource")
    def tag(self, call: Call) -> Params:
        arn, tags = self.tagged(call), {one["Key"]: one.get("Value", "") for one in call.params["Tags"]}
        if len(self.store.tags(arn) | tags) > MAX_TAGS:
            raise Beside(self.too_many, f"A resource has {MAX_TAGS} tags at most.")
        self.store.tag(arn, tags)
        return {}

    @operation("UntagResource")
    def untag(self, call: Call) -> Params:
        self.store.untag(self.tagged(call), call.params["TagKeys"])
        return {}

    @operation("ListTagsForResource")
    def tags(self, call: Call) -> Params:
        return listing.page(call, "Tags", write_tags(self.store.tags(self.tagged(call))), self.tags_page)


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
