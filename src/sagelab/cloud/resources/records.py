"""Records: what every kind of resource that is a document under a name has in common.

A family of resources holds the Records of its kind, takes Describe, List and Delete from them as far as they
fit, and adds what its resource does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import listing
from sagelab.cloud.resources.call import Call, Handler, Params
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Document, Exists, Missing, Resource, Store

TIMES = ("CreationTime", "LastModifiedTime")


@dataclass(frozen=True)
class Records:
    """The resources of one kind in the store.

    kind: as in an ARN, "endpoint-config". stem: as in the API's names, "EndpointConfig", of which it makes
    EndpointConfigName, EndpointConfigArn and DescribeEndpointConfig. noun: in messages. summary: the members of
    an entry of a List, as far as a document has them. listed: the member of a List's answer, if not the stem's
    plural.
    """

    store: Store
    kind: str
    stem: str
    noun: str
    summary: tuple[str, ...]
    listed: str | None = None

    def operations(self) -> Mapping[str, Handler]:
        """Describe, List and Delete, as they are for a resource that only is."""
        return {
            f"Describe{self.stem}": self.describe,
            f"List{self.stem}s": self.page,
            f"Delete{self.stem}": self.delete,
        }

    def arn(self, call: Call) -> str:
        """The ARN of the resource that a call names."""
        return call.arn(self.kind, call.params[f"{self.stem}Name"])

    def add(self, call: Call, document: Document, status: str = "") -> str:
        """Keep what a Create call makes, with its tags, ARN and times; the ARN. ValidationException: it exists."""
        name, arn, now = call.params[f"{self.stem}Name"], self.arn(call), datetime.now(UTC)
        facts = {f"{self.stem}Arn": arn} | {time: now for time in TIMES if time in self.summary}
        resource = Resource(arn, self.kind, call.region, name, status, document | facts)
        try:
            self.store.add(resource, read_tags(call.params.get("Tags", [])))
        except Exists:
            raise ValidationException(f'Cannot create already existing {self.noun} "{arn}".') from None
        return arn

    def find(self, arn: str) -> Document:
        """The document under an ARN. ValidationException: there is none."""
        try:
            return self.store.get(arn)
        except Missing:
            raise self._unknown(arn) from None

    def describe(self, call: Call) -> Params:
        return self.find(self.arn(call))

    def page(self, call: Call) -> Params:
        found, more = self.store.page(listing.read_query(call, self.kind))
        summaries = [{name: one[name] for name in self.summary if name in one} for one in found]
        return {self.listed or f"{self.stem}s": summaries, "NextToken": listing.write_token(more)}

    def delete(self, call: Call) -> Params:
        """What was made of the resource goes on without it, as on AWS."""
        arn = self.arn(call)
        try:
            self.store.remove(arn)
        except Missing:
            raise self._unknown(arn) from None
        return {}

    def _unknown(self, arn: str) -> ValidationException:
        return ValidationException(f'Could not find {self.noun} "{arn}".')
