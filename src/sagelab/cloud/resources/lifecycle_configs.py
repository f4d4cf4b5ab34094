"""Lifecycle configurations of notebook instances: Create, Describe, List, Update, Delete.

A configuration is two shell scripts, base64 each: OnCreate runs once, OnStart at every start.
https://docs.aws.amazon.com/sagemaker/latest/dg/notebook-lifecycle-config.html
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

from sagelab import catalog
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.records import Records
from sagelab.cloud.store import Document

STEM = "NotebookInstanceLifecycleConfig"
NOUN = "Notebook Instance Lifecycle Config"
HOOKS = ("OnCreate", "OnStart")


class LifecycleConfigs(Records):
    """The family of lifecycle configurations of one local cloud."""

    kind = catalog.of_stem(STEM)
    summary = (f"{STEM}Name", f"{STEM}Arn", "CreationTime", "LastModifiedTime")

    @operation(f"Create{STEM}")
    def create(self, call: Call) -> Params:
        arn = self.arn(call)
        if self.store.has(arn):
            raise _trouble("create", arn, "already exists")
        return {f"{STEM}Arn": self.add(call, _document(call.params))}

    @operation(f"Update{STEM}")
    def update(self, call: Call) -> Params:
        """Instances take the new scripts at their next start; a script that is not given stays as it is."""
        arn, changed = self.describe(call)[f"{STEM}Arn"], _document(call.params)

        def edit(document: Document) -> None:
            document |= changed | {"LastModifiedTime": datetime.now(UTC)}

        self.store.change(arn, edit)
        return {}

    def delete(self, call: Call) -> Params:
        name, arn = call.params[f"{STEM}Name"], self.arn(call)
        if not self.store.has(arn):
            raise _trouble("delete", f"'{arn}'", "does not exist")
        for instance in self.store.documents("notebook-instance", call.region):
            if instance.get(f"{STEM}Name") == name:
                raise _trouble("delete", f"'{arn}'", f"is in use by {instance['NotebookInstanceArn']}")
        return super().delete(call)

    def unknown(self, arn: str) -> ValidationException:
        return _trouble("describe", f"'{arn}'", "does not exist")


def scripts(config: Document) -> dict[str, bytes]:
    """Hook -> shell script, of those that a configuration has."""
    return {hook: _decode(hook, config[hook][0]) for hook in HOOKS if config.get(hook)}


def _document(params: Params) -> Document:
    scripts(params)
    return {name: params[name] for name in (f"{STEM}Name", *HOOKS) if name in params}


def _decode(hook: str, item: Params) -> bytes:
    try:
        return base64.b64decode("".join(item.get("Content", "").split()), validate=True)
    except binascii.Error:
        raise ValidationException(f"{hook}: the Content of a script must be a base64-encoded string.") from None


def _trouble(act: str, arn: str, why: str) -> ValidationException:
    return ValidationException(f"Unable to {act} {NOUN} {arn}. (Details: {NOUN} {why}.)")
