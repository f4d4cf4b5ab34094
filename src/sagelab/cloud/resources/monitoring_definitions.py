"""The job definitions of Model Monitor's four types: Create, Describe, List, Delete.

A definition runs nothing: a monitoring schedule names it.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from sagelab import catalog
from sagelab.cloud.errors import ResourceInUse, ResourceNotFound, ServiceError, ValidationException
from sagelab.cloud.resources import checks, listing, monitoring_rules
from sagelab.cloud.resources.call import Call, Params, verb
from sagelab.cloud.resources.records import Records
from sagelab.cloud.store import Document

DEFAULT_RUNTIME = {"MaxRuntimeInSeconds": 3600}


class MonitoringDefinitions(Records):
    """The definitions of one type of monitoring. word: that its members begin with."""

    word: ClassVar[str]
    summary = ("JobDefinitionName", "JobDefinitionArn", "CreationTime")

    @verb("Create")
    def create(self, call: Call) -> Params:
        document = {name: value for name, value in call.params.items() if name != "Tags"}
        document = {"StoppingCondition": DEFAULT_RUNTIME} | document
        monitoring_rules.check_job(self.job(document), self.cloud)
        self.check(document)
        try:
            return {self.kind.arn_member: self.add(call, document)}
        except ValidationException as error:
            raise ResourceInUse(error.message) from None

    @abstractmethod
    def check(self, document: Document) -> None:
        """ValidationException: a definition breaks a rule of its type."""

    def job(self, document: Document) -> Params:
        """A definition in the form of MonitoringJobDefinition, with what its type has beside."""
        application, source = document[f"{self.word}AppSpecification"], document[f"{self.word}JobInput"]
        found = {
            "BaselineConfig": document.get(f"{self.word}BaselineConfig", {}),
            "MonitoringInputs": [source],
            "MonitoringOutputConfig": document[f"{self.word}JobOutputConfig"],
            "MonitoringResources": document["JobResources"],
            "MonitoringAppSpecification": application,
            "Environment": application.get("Environment", {}),
            "ProblemType": application.get("ProblemType", ""),
        }
        kept = ("RoleArn", "StoppingCondition", "NetworkConfig")
        return found | {name: document[name] for name in kept if name in document}

    def page(self, call: Call) -> Params:
        found = list(self.store.documents(self.kind.arn, call.region))
        rows = [self._row(each) for each in found]
        return listing.filtered(call, self.kind.listed, rows, "MonitoringJobDefinitionName")

    def _row(self, document: Document) -> Params:
        source = document[f"{self.word}JobInput"]["EndpointInput"]
        row = {f"Monitoring{name}": document[name] for name in self.summary[:2]}
        return row | {"CreationTime": document["CreationTime"], "EndpointName": source["EndpointName"]}

    def unknown(self, arn: str) -> ServiceError:
        return ResourceNotFound(f'Could not find {self.kind.noun} "{arn}".')


class DataQualityJobDefinitions(MonitoringDefinitions):
    """Those of the quality of data."""

    kind = catalog.of_stem("DataQualityJobDefinition")
    word = "DataQuality"

    def check(self, document: Document) -> None:
        """It has no rules beside those of all."""


class ModelQualityJobDefinitions(MonitoringDefinitions):
    """Those of the quality of models, which need labels."""

    kind = catalog.of_stem("ModelQualityJobDefinition")
    word = "ModelQuality"

    def check(self, document: Document) -> None:
        source = document["ModelQualityJobInput"]
        if "ProblemType" not in document["ModelQualityAppSpecification"]:
            raise checks.missing("modelQualityAppSpecification.problemType")
        if not {"InferenceAttribute", "ProbabilityAttribute"} & set(source["EndpointInput"]):
            raise ValidationException("EndpointInput: InferenceAttribute or ProbabilityAttribute is needed.")
        _check_labels(source, "modelQualityJobInput")

    def job(self, document: Document) -> Params:
        return super().job(document) | _labels(document["ModelQualityJobInput"])


class ModelBiasJobDefinitions(MonitoringDefinitions):
    """Those of the bias of models, which need labels and what Clarify is to analyze."""

    kind = catalog.of_stem("ModelBiasJobDefinition")
    word = "ModelBias"

    def check(self, document: Document) -> None:
        checks.location("ConfigUri", document["ModelBiasAppSpecification"]["ConfigUri"])
        _check_labels(document["ModelBiasJobInput"], "modelBiasJobInput")

    def job(self, document: Document) -> Params:
        return super().job(document) | _labels(document["ModelBiasJobInput"])


class ModelExplainabilityJobDefinitions(MonitoringDefinitions):
    """Those of what a model's answers come from."""

    kind = catalog.of_stem("ModelExplainabilityJobDefinition")
    word = "ModelExplainability"

    def check(self, document: Document) -> None:
        checks.location("ConfigUri", document["ModelExplainabilityAppSpecification"]["ConfigUri"])


def _check_labels(source: Params, where: str) -> None:
    """ValidationException: the place of a definition's labels is none. where: its input, in AWS's words."""
    if "S3Uri" not in source["GroundTruthS3Input"]:
        raise checks.missing(f"{where}.groundTruthS3Input.s3Uri")
    checks.location("GroundTruthS3Input: S3Uri", source["GroundTruthS3Input"]["S3Uri"])


def _labels(source: Params) -> Params:
    return {"GroundTruthS3Input": source["GroundTruthS3Input"]}
