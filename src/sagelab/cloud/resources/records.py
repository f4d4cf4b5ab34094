"""Records: what every kind of resource that is a document under a name has in common.

A family whose resources are such documents is a child of Records, takes Describe, List and Delete from it as far
as they fit, and adds what its resource does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from sagelab.catalog import Kind
from sagelab.cloud.errors import ServiceError, ValidationException
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call, Family, Params, verb
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Resource

TIMES = ("CreationTime", "LastModifiedTime")
OWN = "Own"  # the member of a document whose facts are the local cloud's own: no answer tells them


class Records(Family):
    """The resources of one kind in the store. summary: the members of a List's rows, where a document has them."""

    kind: ClassVar[Kind]
    summary: ClassVar[tuple[str, ...]]

    def arn(self, call: Call) -> str:
        """The ARN of the resource that a call names."""
        return self.arn_of(call, call.params[self.kind.name_member])

    def arn_of(self, call: Call, name: str) -> str:
        """The ARN of a resource of this kind where a call is addressed."""
        return self.kind.arn_of(name, f"{call.region}:{call.account}")

    def add(self, call: Call, document: Document, status: str = "") -> str:
        """Keep what a Create call makes, with its tags, ARN and times; the ARN. ValidationException: it exists."""
        name, arn, now = call.params[self.kind.name_member], self.arn(call), datetime.now(UTC)
        facts = {self.kind.arn_member: arn} | {time: now for time in TIMES if time in self.summary}
        resource = Resource(arn, self.kind.arn, call.region, name, status, document | facts)
        try:
            self.store.add(resource, read_tags(call.params.get("Tags", [])))
        except Exists:
            raise ValidationException(f'Cannot create already existing {self.kind.noun} "{arn}".') from None
        return arn

    def find(self, arn: str) -> Document:
        """The document under an ARN. ValidationException: there is none, or it is of another kind."""
        try:
            found = self.store.get(arn)
        except Missing:
            raise self.unknown(arn) from None
        if self.kind.arn_member not in found:
            raise self.unknown(arn)
        return found

    def named(self, call: Call, name: str) -> Document:
        """The document of a resource by its name, where a call is addressed. ValidationException: none."""
        return self.find(self.arn_of(call, name))

    @verb("Describe")
    def describe(self, call: Call) -> Params:
        return told(self.find(self.arn(call)))

    @verb("List")
    def page(self, call: Call) -> Params:
        found, more = self.store.page(listing.read_query(call, self.kind))
        return {self.kind.listed: [self.row(one) for one in found], "NextToken": listing.write_token(more)}

    def row(self, document: Document) -> Params:
        """A document as a List shows it."""
        return {name: document[name] for name in self.summary if name in document}

    @verb("Delete")
    def delete(self, call: Call) -> Params:
        """What was made of the resource goes on without it, as on AWS."""
        arn = self.arn(call)
        try:
            self.store.remove(arn)
        except Missing:
            raise self.unknown(arn) from None
        return {}

    def unknown(self, arn: str) -> ServiceError:
        """AWS's words for a resource that is not there."""
        return ValidationException(f'Could not find {self.kind.noun} "{arn}".')


def told(document: Document) -> Params:
    """A document without what is the local cloud's own."""
    return {name: value for name, value in document.items() if name != OWN}
