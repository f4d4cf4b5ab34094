"""Notebook instances: Create, Describe, List, Start, Stop, Update, Delete, CreatePresignedUrl.

A status moves when the engine's instance (engine/notebooks.py) has done what it says.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.notebooks.instance import InstanceSpec, NotebookInstance, NotStarted
from sagelab.cloud.engine.notebooks.volumes import Volume
from sagelab.cloud.errors import FAILURE_REASON_LIMIT, InternalServerError, ValidationException
from sagelab.cloud.resources import lifecycle_configs, notebook_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.lifecycle_configs import LifecycleConfigs
from sagelab.cloud.resources.records import Records
from sagelab.cloud.store import Document, Missing

logger = logging.getLogger("sagelab")

STEM, CONFIG = "NotebookInstance", "NotebookInstanceLifecycleConfigName"
DEFAULTS: Params = {
    "DirectInternetAccess": "Enabled",
    "VolumeSizeInGB": 5,
    "RootAccess": "Enabled",
    "PlatformIdentifier": "notebook-al2023-v1",
    "IpAddressType": "ipv4",
    "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": "1"},
}
RENAMED = {"SecurityGroupIds": "SecurityGroups", "LifecycleConfigName": CONFIG}
SESSION = 43200  # seconds that a presigned address opens for, unless it says otherwise


@dataclass(frozen=True)
class Move:
    """A change of status that a call asks for: from where it is allowed, and to what."""

    allowed: tuple[str, ...]
    status: str


START = Move(("Stopped", "Failed"), "Pending")
STOP = Move(("InService",), "Stopping")
UPDATE = Move(("Stopped", "Failed"), "Updating")
DELETE = Move(("Stopped", "Failed"), "Deleting")


class NotebookInstances(Records):
    """The family of notebook instances of one local cloud."""

    kind = catalog.of_stem(STEM)
    needs = (LifecycleConfigs,)
    summary = (
        *(f"{STEM}{part}" for part in ("Name", "Arn", "Status")),
        *("Url", "InstanceType", "CreationTime", "LastModifiedTime", CONFIG),
    )

    def __init__(self, cloud: Cloud, configs: LifecycleConfigs) -> None:
        super().__init__(cloud)
        self.configs = configs
        self.running: dict[str, NotebookInstance] = {}
        self._closing = False
        self._recover()

    def unknown(self, _: str) -> ValidationException:
        return ValidationException("RecordNotFound")

    @operation(f"Create{STEM}")
    def create(self, call: Call) -> Params:
        arn = self.arn(call)
        if self.store.has(arn):
            raise ValidationException(f"Cannot create a duplicate Notebook Instance ({arn})")
        notebook_rules.check_create(call.params, self.cloud)
        self._check_config(call)
        notebook_rules.check_limit(call.params["InstanceType"], len(self.running))
        given = {name: value for name, value in call.params.items() if name != "Tags"}
        document = DEFAULTS | _renamed(given) | {f"{STEM}Status": "Pending"}
        self.add(call, document, "Pending")
        self._bring_up(arn)
        return {f"{STEM}Arn": arn}

    def page(self, call: Call) -> Params:
        """Filters on members that have no column are held to within a page, which may so be a short one."""
        answer = super().page(call)
        if any(
            name in call.params for name in ("DefaultCodeRepositoryContains", "AdditionalCodeRepositoryEquals")
        ):
            return {"NotebookInstances": []}  # no instance here ever has a repository
        wanted = call.params.get("NotebookInstanceLifecycleConfigNameContains", "")
        found = [item for item in answer[f"{STEM}s"] if wanted.lower() in item.get(CONFIG, "").lower()]
        return answer | {f"{STEM}s": found}

    @operation(f"Start{STEM}")
    def start(self, call: Call) -> Params:
        document = self.describe(call)
        _check(document, START)
        notebook_rules.check_limit(document["InstanceType"], len(self.running))
        self._move(call, START)
        self._bring_up(document[f"{STEM}Arn"])
        return {}

    @operation(f"Stop{STEM}")
    def stop(self, call: Call) -> Params:
        arn = self._move(call, STOP)
        self._work(arn, lambda: self._switch_off(arn))
        return {}

    @operation(f"Update{STEM}")
    def update(self, call: Call) -> Params:
        document = self.describe(call)
        _check(document, UPDATE)
        notebook_rules.check_update(call.params, document, self.cloud)
        self._check_config(call)
        arn = self._move(call, UPDATE)
        changed = _renamed({n: v for n, v in call.params.items() if not n.startswith(("Disassociate", STEM))})
        if call.params.get("DisassociateLifecycleConfig"):
            changed[CONFIG] = None
        if call.params.get("DisassociateAcceleratorTypes"):
            changed["AcceleratorTypes"] = None
        self._work(arn, lambda: self._change(arn, "Stopped", FailureReason=None, **changed))
        return {}

    def delete(self, call: Call) -> Params:
        arn = self._move(call, DELETE)
        self._work(arn, lambda: self._remove(arn))
        return {}

    @operation(f"CreatePresigned{STEM}Url")
    def presign(self, call: Call) -> Params:
        document = self.describe(call)
        instance = self.running.get(document[f"{STEM}Arn"])
        if document[f"{STEM}Status"] != "InService" or instance is None:
            raise ValidationException(
                f"Status ({document[f'{STEM}Status']}) not in ([InService]). Unable to create a presigned URL for"
                f" Notebook Instance ({document[f'{STEM}Arn']})."
            )
        return {"AuthorizedUrl": instance.presign(call.params.get("SessionExpirationDurationInSeconds", SESSION))}

    def close(self) -> None:
        """Switch every instance off: the local cloud ends."""
        self._closing = True
        for instance in list(self.running.values()):
            instance.stop()

    # What happens behind a status; each in a thread of its own

    def _bring_up(self, arn: str) -> None:
        document = self.store.get(arn)
        context = self.cloud.engine_context(arn.split(":")[3])
        instance = NotebookInstance(self._spec(document), context, lambda reason: self._lose(arn, reason))
        self.running[arn] = instance
        self._work(arn, lambda: self._boot(arn, instance))

    def _boot(self, arn: str, instance: NotebookInstance) -> None:
        try:
            instance.start()
        except BaseException:
            self.running.pop(arn, None)
            raise
        self._change(arn, "InService", Url=instance.address, FailureReason=None)

    def _lose(self, arn: str, reason: str) -> None:
        self.running.pop(arn, None)
        self._fail(arn, reason)

    def _switch_off(self, arn: str) -> None:
        instance = self.running.pop(arn, None)
        if instance:
            instance.stop()
        self._change(arn, "Stopped")

    def _remove(self, arn: str) -> None:
        self._volume(arn).remove()
        self.store.remove(arn)

    def _work(self, arn: str, act: Callable[[], None]) -> None:
        threading.Thread(target=self._guarded, args=(arn, act), daemon=True, name=f"change {arn}").start()

    def _guarded(self, arn: str, act: Callable[[], None]) -> None:
        try:
            act()
        except NotStarted as error:
            self._fail(arn, str(error))
        except Exception as error:
            logger.exception("a change of %s", arn)
            self._fail(arn, str(InternalServerError(f"The local cloud failed: {error!r}")))

    def _fail(self, arn: str, reason: str) -> None:
        if self._closing:  # what was to be is told at the next start, by _recover
            return
        self._change(arn, "Failed", FailureReason=reason[:FAILURE_REASON_LIMIT])

    def _change(self, arn: str, status: str, **facts: Any) -> None:
        """Note facts and a status; None takes a fact away."""

        def edit(document: Document) -> str:
            document |= facts | {f"{STEM}Status": status, "LastModifiedTime": datetime.now(UTC)}
            for name in [name for name, value in document.items() if value is None]:
                del document[name]
            return status

        try:
            self.store.change(arn, edit)
        except Missing:
            logger.warning("%s is gone; its change is not recorded", arn)

    def _move(self, call: Call, move: Move) -> str:
        """Take up a call's change of status, if it is allowed; the ARN."""
        arn: str = self.describe(call)[f"{STEM}Arn"]

        def edit(document: Document) -> str:
            _check(document, move)
            document |= {f"{STEM}Status": move.status, "LastModifiedTime": datetime.now(UTC)}
            return move.status

        self.store.change(arn, edit)
        return arn

    # Reading

    def _check_config(self, call: Call) -> None:
        if name := call.params.get("LifecycleConfigName"):
            self.configs.named(call, name)

    def _volume(self, arn: str) -> Volume:
        region, name = arn.split(":")[3], arn.rpartition("/")[2]
        return Volume(self.cloud.home.notebooks / region / name)

    def _spec(self, document: Document) -> InstanceSpec:
        arn: str = document[f"{STEM}Arn"]
        config: Document = {}
        if name := document.get(CONFIG):
            config = self.configs.find(
                arn.replace(f"{self.kind.arn}/{document[f'{STEM}Name']}", f"{self.configs.kind.arn}/{name}")
            )
        return InstanceSpec(
            name=document[f"{STEM}Name"],
            arn=arn,
            instance_type=document["InstanceType"],
            role=document["RoleArn"],
            volume=self._volume(arn),
            defaults=self.cloud.home.sdk_defaults,
            scripts=lifecycle_configs.scripts(config),
            config=config.get("NotebookInstanceLifecycleConfigArn", ""),
            isolated=document["DirectInternetAccess"] == "Disabled",
            root=document["RootAccess"] == "Enabled",
            port=int(document.get("Url", ":0").rpartition(":")[2]),
            notes=notebook_rules.notes(document),
        )

    def _recover(self) -> None:
        """Instances of before the local cloud ended: nothing of them runs, their volumes are there."""
        for arn, _ in self.store.with_status(self.kind.arn, "Pending", "InService", "Updating", "Stopping"):
            self._change(arn, "Stopped")
        for arn, _ in self.store.with_status(self.kind.arn, "Deleting"):
            self._remove(arn)


def _renamed(params: Params) -> Params:
    return {RENAMED.get(name, name): value for name, value in params.items()}


def _check(document: Document, move: Move) -> None:
    """ValidationException, in AWS's words: the status does not allow the move."""
    status = document[f"{STEM}Status"]
    if status not in move.allowed:
        raise ValidationException(
            f"Status ({status}) not in ([{', '.join(move.allowed)}]). Unable to transition to ({move.status}) for"
            f" Notebook Instance ({document[f'{STEM}Arn']})."
        )
