"""SageMaker Projects: what the built-in template makes, made and removed; and the portfolio that it is in."""

from __future__ import annotations

import logging
import secrets
import string
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from sagelab import catalog
from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.projects import template
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources.call import Call, Params, operation, verb
from sagelab.cloud.resources.records import Records
from sagelab.cloud.resources.tags import read_tags
from sagelab.cloud.store import Change, Document, Missing

LETTERS = string.ascii_lowercase + string.digits

log = logging.getLogger("sagelab")


class Projects(Records):
    """The family of SageMaker projects."""

    kind = catalog.of_stem("Project")
    summary = ("ProjectName", "ProjectDescription", "ProjectArn", "ProjectId", "CreationTime", "ProjectStatus")

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._decided: dict[str, str] = {}  # model packages -> their last approval or rejection
        self.store.listen(self._on_change)
        for _, project in self.store.with_status(self.kind.arn, *self.kind.running):
            status = project["ProjectStatus"].replace("InProgress", "Failed")
            self._end(project["ProjectArn"], status, "The local cloud ended meanwhile.")

    @verb("Create")
    def create(self, call: Call) -> Params:
        _check(call.params)
        read_tags(call.params.get("Tags", []))
        key = "p-" + "".join(secrets.choice(LETTERS) for _ in range(12))
        document = {name: value for name, value in call.params.items() if name != "Tags"} | {
            "ProjectId": key,
            "ProjectStatus": "CreateInProgress",
            "CreatedBy": {"IamIdentity": {"Arn": call.caller}},
            "ServiceCatalogProvisionedProductDetails": {"ProvisionedProductId": f"pp-{key[2:]}"},
        }
        arn = self.add(call, document, "CreateInProgress")
        self._act(arn, self._project(_where(call), document).make, "CreateCompleted", "CreateFailed")
        return {"ProjectArn": arn, "ProjectId": key}

    @verb("Update")
    def update(self, call: Call) -> Params:
        """Its description; the template has one version, and no parameters."""
        details = call.params.get("ServiceCatalogProvisioningUpdateDetails", {})
        given = details.get("ProvisioningArtifactId", template.ARTIFACT)
        if call.params.get("TemplateProvidersToUpdate") or details.get("ProvisioningParameters"):
            raise ValidationException("The template of a project has no parameters here.")
        if given != template.ARTIFACT:
            raise ValidationException(f"ProvisioningArtifact {given} not found.")
        arn = self.arn(call)
        self.find(arn)
        self.store.tag(arn, read_tags(call.params.get("Tags", [])))

        def edit(document: Document) -> str:
            if "ProjectDescription" in call.params:
                document["ProjectDescription"] = call.params["ProjectDescription"]
            document["LastModifiedTime"] = datetime.now(UTC)
            return str(document["ProjectStatus"])

        self.store.change(arn, edit)
        return {"ProjectArn": arn}

    @verb("Delete")
    def delete(self, call: Call) -> Params:
        """What the template made goes, but for the bucket; then the project does."""
        arn = self.arn(call)
        document = self.find(arn)
        if document["ProjectStatus"] in self.kind.running:
            raise ValidationException(f"The project is in status {document['ProjectStatus']}.")
        self._end(arn, "DeleteInProgress")
        work = partial(self._remove, arn, self._project(_where(call), document))
        self._act(arn, work, "DeleteCompleted", "DeleteFailed")
        return {}

    @operation("EnableSagemakerServicecatalogPortfolio")
    def enable(self, _: Call) -> Params:
        self.cloud.home.set("projects", {"portfolio": True})
        return {}

    @operation("DisableSagemakerServicecatalogPortfolio")
    def disable(self, _: Call) -> Params:
        self.cloud.home.set("projects", {"portfolio": False})
        return {}

    @operation("GetSagemakerServicecatalogPortfolioStatus")
    def portfolio(self, _: Call) -> Params:
        enabled = self.cloud.home.settings().get("projects", {}).get("portfolio", False)
        return {"Status": "Enabled" if enabled else "Disabled"}

    def _on_change(self, change: Change) -> None:
        """The approval of a project's model, or its rejection, starts the deployment."""
        if change.kind == "model-package" and change.status is not None and change.arn.count("/") == 2:
            threading.Thread(target=self._decide, args=(change.arn,), name=change.arn, daemon=True).start()

    def _decide(self, arn: str) -> None:
        try:
            decision = str(self.store.get(arn).get("ModelApprovalStatus", ""))
        except Missing:
            return
        before, self._decided[arn] = self._decided.get(arn), decision
        if decision == before or decision not in ("Approved", "Rejected"):
            return
        region, group = arn.split(":")[3], arn.split("/")[1]
        for document in list(self.store.documents(self.kind.arn, region)):
            project = self._project(f"{region}:{self.cloud.account}", document)
            if project.group == group and document["ProjectStatus"] not in self.kind.running:
                try:
                    project.deploy()
                except Exception:
                    log.exception("the deployment of %s was not started", arn)

    def _project(self, where: str, document: Document) -> template.Project:
        client = partial(self.cloud.client, region=where.partition(":")[0])
        return template.Project(document["ProjectName"], document["ProjectId"], where, client)

    def _remove(self, arn: str, project: template.Project) -> None:
        project.remove()
        self.store.remove(arn)

    def _act(self, arn: str, work: Callable[[], None], done: str, failed: str) -> None:
        """Do what takes a while in a thread of its own; how it ends is the project's status."""

        def run() -> None:
            try:
                work()
            except Exception as error:
                log.exception("project %s", arn)
                self._end(arn, failed, template.explain(error))
            else:
                self._end(arn, done)

        threading.Thread(target=run, name=f"project {arn}", daemon=True).start()

    def _end(self, arn: str, status: str, message: str = "") -> None:
        def edit(document: Document) -> str:
            document |= {"ProjectStatus": status, "LastModifiedTime": datetime.now(UTC)}
            details = document["ServiceCatalogProvisionedProductDetails"]
            details.pop("ProvisionedProductStatusMessage", None)
            if message:
                details["ProvisionedProductStatusMessage"] = message[:1000]
            return status

        try:
            self.store.change(arn, edit)
        except Missing:
            log.info("%s is gone", arn)


def _where(call: Call) -> str:
    return f"{call.region}:{call.account}"


def _check(asked: Params) -> None:
    """ValidationException: it is not a project of the built-in template."""
    if asked.get("TemplateProviders"):
        raise ValidationException("TemplateProviders is not something the local cloud can do: use its product.")
    details = asked.get("ServiceCatalogProvisioningDetails")
    if details is None:
        raise ValidationException("ServiceCatalogProvisioningDetails is required.")
    if details["ProductId"] != template.PRODUCT:
        raise ValidationException(
            f"Product {details['ProductId']} not found. {template.PRODUCT} ({template.NAME}) is here."
        )
    if details.get("ProvisioningArtifactId", template.ARTIFACT) != template.ARTIFACT:
        raise ValidationException(f"ProvisioningArtifact {details['ProvisioningArtifactId']} not found.")
    if details.get("PathId", template.PATH) != template.PATH:
        raise ValidationException(f"Launch path {details['PathId']} not found.")
    own = ("SageMakerProjectName", "SageMakerProjectId")
    if unknown := [each for each in details.get("ProvisioningParameters", []) if each.get("Key") not in own]:
        raise ValidationException(f"The template has no parameter {unknown[0].get('Key')}.")
