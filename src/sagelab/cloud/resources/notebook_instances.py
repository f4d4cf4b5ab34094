"""Notebook instances: Create, Describe, List, Start, Stop, Update, Delete, CreatePresignedUrl.

A status moves when the engine's instance (engine/notebooks) has done what it says.
"""

from __future__ import annotations

from typing import ClassVar

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.notebooks.instance import InstanceSpec, NotebookInstance
from sagelab.cloud.engine.notebooks.volumes import Volume
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import lifecycle_configs, notebook_rules
from sagelab.cloud.resources.call import Call, Params, operation
from sagelab.cloud.resources.lifecycle_configs import LifecycleConfigs
from sagelab.cloud.resources.states import Act, Move, Stateful
from sagelab.cloud.store import Document

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
RESTING = ("Stopped", "Failed")
SESSION = 43200  # seconds that a presigned address opens for, unless it says otherwise


class NotebookInstances(Stateful[NotebookInstance]):
    """The family of notebook instances of one local cloud."""

    kind = catalog.of_stem(STEM)
    needs = (LifecycleConfigs,)
    summary = (
        *(f"{STEM}{part}" for part in ("Name", "Arn", "Status")),
        *("Url", "InstanceType", "CreationTime", "LastModifiedTime", CONFIG),
    )
    moves: ClassVar = {
        "Create": Move((), "Pending"),
        "Start": Move(RESTING, "Pending"),
        "Stop": Move(("InService",), "Stopping"),
        "Update": Move(RESTING, "Updating"),
        "Delete": Move(RESTING, "Deleting"),
    }

    def __init__(self, cloud: Cloud, configs: LifecycleConfigs) -> None:
        self.configs = configs
        super().__init__(cloud)

    def unknown(self, _: str) -> ValidationException:
        return ValidationException("RecordNotFound")

    @operation(f"Create{STEM}")
    def create(self, call: Call) -> Params:
        arn = self.arn(call)
        if self.store.has(arn):
            raise ValidationException(f"Cannot create a duplicate Notebook Instance ({arn})")
        notebook_rules.check_create(call.params, self.cloud, call.region)
        self._check_config(call)
        self._check_limit(call.params["InstanceType"])
        given = {name: value for name, value in call.params.items() if name != "Tags"}
        return {f"{STEM}Arn": self.begin(call, DEFAULTS | _renamed(given), self._bring_up)}

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
        def plan(document: Document) -> tuple[Params, Act]:
            self._check_limit(document["InstanceType"])
            return {}, self._bring_up

        self.move(call, "Start", plan)
        return {}

    @operation(f"Stop{STEM}")
    def stop(self, call: Call) -> Params:
        self.move(call, "Stop", lambda _: ({}, self._switch_off))
        return {}

    @operation(f"Update{STEM}")
    def update(self, call: Call) -> Params:
        changed = _renamed({n: v for n, v in call.params.items() if not n.startswith(("Disassociate", STEM))})
        if call.params.get("DisassociateLifecycleConfig"):
            changed[CONFIG] = None
        if call.params.get("DisassociateAcceleratorTypes"):
            changed["AcceleratorTypes"] = None

        def plan(document: Document) -> tuple[Params, Act]:
            notebook_rules.check_update(call.params, document, self.cloud)
            self._check_config(call)
            return {}, lambda arn: self.change(arn, "Stopped", FailureReason=None, **changed)

        self.move(call, "Update", plan)
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

    def remove(self, arn: str) -> None:
        self._volume(arn).remove()
        super().remove(arn)

    def recover(self, arn: str, document: Document) -> None:  # noqa: ARG002 - whatever it was
        """Nothing of an instance runs any more, and its volume is there."""
        self.change(arn, "Stopped")

    def refusal(self, document: Document, move: Move) -> ValidationException:
        return ValidationException(
            f"Status ({document[f'{STEM}Status']}) not in ([{', '.join(move.allowed)}]). Unable to transition to"
            f" ({move.status}) for Notebook Instance ({document[f'{STEM}Arn']})."
        )

    # What happens behind a status; each in a thread of its own

    def _bring_up(self, arn: str) -> None:
        def lost(reason: str) -> None:
            if self.running.get(arn) is instance:
                self.fail(arn, reason)

        context = self.cloud.engine_context(arn.split(":")[3])
        instance = self.running[arn] = NotebookInstance(self._spec(self.store.get(arn)), context, lost)
        instance.start()
        self.change(arn, "InService", Url=instance.address, FailureReason=None)

    def _switch_off(self, arn: str) -> None:
        self.end(arn)
        self.change(arn, "Stopped")

    # Reading

    def _check_limit(self, instance_type: str) -> None:
        notebook_rules.check_limit(
            instance_type, len(self.store.with_status(self.kind.arn, "Pending", "InService"))
        )

    def _check_config(self, call: Call) -> None:
        if name := call.params.get("LifecycleConfigName"):
            self.configs.named(call, name)

    def _volume(self, arn: str) -> Volume:
        region, name = arn.split(":")[3], arn.rpartition("/")[2]
        folder = self.cloud.home.notebooks / region / name
        return Volume(folder, self.store.get(arn).get("KmsKeyId"), arn)

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
            vpc=_vpc(document),
            root=document["RootAccess"] == "Enabled",
            port=int(document.get("Url", ":0").rpartition(":")[2]),
            notes=notebook_rules.notes(document),
        )


def _vpc(document: Document) -> Params | None:
    """Where in a VPC all that goes in and out goes; without DirectInternetAccess it does."""
    if document["DirectInternetAccess"] != "Disabled":
        return None
    return {"Subnets": [document["SubnetId"]], "SecurityGroupIds": document.get("SecurityGroups", [])}


def _renamed(params: Params) -> Params:
    return {RENAMED.get(name, name): value for name, value in params.items()}
