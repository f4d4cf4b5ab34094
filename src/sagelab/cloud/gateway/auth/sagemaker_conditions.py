"""The condition keys of SageMaker: which of them a call has, and their values.

A call has the keys that AWS lists for its action, and of those the ones that its request says something about:
what it leaves out has no value, whatever the default is, so that Null tells the difference.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sagelab import catalog
from sagelab.catalog import Document
from sagelab.cloud.gateway.auth.needed import Context

KeyArn = Callable[[str], str]  # what names a key of KMS -> its ARN

# Condition key -> the paths of its values in a request.
PATHS = {
    "AcceleratorTypes": ("AcceleratorTypes[]", "ProductionVariants[].AcceleratorType"),
    "CustomerMetadataPropertiesToRemove": ("CustomerMetadataPropertiesToRemove[]",),
    "DirectInternetAccess": ("DirectInternetAccess",),
    "EnableRemoteDebug": ("RemoteDebugConfig.EnableRemoteDebug",),
    "FileSystemAccessMode": ("InputDataConfig[].DataSource.FileSystemDataSource.FileSystemAccessMode",),
    "FileSystemDirectoryPath": ("InputDataConfig[].DataSource.FileSystemDataSource.DirectoryPath",),
    "FileSystemId": ("InputDataConfig[].DataSource.FileSystemDataSource.FileSystemId",),
    "FileSystemType": ("InputDataConfig[].DataSource.FileSystemDataSource.FileSystemType",),
    "InstanceTypes": (
        "InstanceType",
        "ProductionVariants[].InstanceType",
        "ShadowProductionVariants[].InstanceType",
        "ResourceConfig.InstanceType",
        "ResourceConfig.InstanceGroups[].InstanceType",
        "HyperParameterTuningResourceConfig.InstanceType",
        "HyperParameterTuningResourceConfig.InstanceConfigs[].InstanceType",
        "ProcessingResources.ClusterConfig.InstanceType",
        "MonitoringResources.ClusterConfig.InstanceType",
        "JobResources.ClusterConfig.InstanceType",
        "TransformResources.InstanceType",
    ),
    "InterContainerTrafficEncryption": (
        "EnableInterContainerTrafficEncryption",
        "NetworkConfig.EnableInterContainerTrafficEncryption",
    ),
    "KeepAlivePeriod": ("ResourceConfig.KeepAlivePeriodInSeconds",),
    "MaxRuntimeInSeconds": ("StoppingCondition.MaxRuntimeInSeconds",),
    "MinimumInstanceMetadataServiceVersion": (
        "InstanceMetadataServiceConfiguration.MinimumInstanceMetadataServiceVersion",
    ),
    "ModelApprovalStatus": ("ModelApprovalStatus",),
    "ModelArn": ("ModelName", "ProductionVariants[].ModelName", "ShadowProductionVariants[].ModelName"),
    "ModelLifeCycle:Stage": ("ModelLifeCycle.Stage",),
    "ModelLifeCycle:StageStatus": ("ModelLifeCycle.StageStatus",),
    "NetworkIsolation": ("EnableNetworkIsolation", "NetworkConfig.EnableNetworkIsolation"),
    "OutputKmsKey": (
        "OutputDataConfig.KmsKeyId",
        "ProcessingOutputConfig.KmsKeyId",
        "MonitoringOutputConfig.KmsKeyId",
        "DataQualityJobOutputConfig.KmsKeyId",
        "ModelQualityJobOutputConfig.KmsKeyId",
        "TransformOutput.KmsKeyId",
    ),
    "PipelineVersionId": ("PipelineVersionId",),
    "RootAccess": ("RootAccess",),
    "ServerlessMaxConcurrency": ("ProductionVariants[].ServerlessConfig.MaxConcurrency",),
    "ServerlessMemorySize": ("ProductionVariants[].ServerlessConfig.MemorySizeInMB",),
    "TargetContainerHostname": ("TargetContainerHostname",),
    "TargetModel": ("TargetModel",),
    "VolumeKmsKey": (
        "KmsKeyId",
        "ResourceConfig.VolumeKmsKeyId",
        "HyperParameterTuningResourceConfig.VolumeKmsKeyId",
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId",
        "MonitoringResources.ClusterConfig.VolumeKmsKeyId",
        "JobResources.ClusterConfig.VolumeKmsKeyId",
        "TransformResources.VolumeKmsKeyId",
    ),
    "VpcSecurityGroupIds": (
        "SecurityGroupIds[]",
        "VpcConfig.SecurityGroupIds[]",
        "NetworkConfig.VpcConfig.SecurityGroupIds[]",
    ),
    "VpcSubnets": ("SubnetId", "VpcConfig.Subnets[]", "NetworkConfig.VpcConfig.Subnets[]"),
}
# Where those paths begin: what starts jobs of others has their settings further inside.
_BEGINNINGS = {
    "CreateHyperParameterTuningJob": ("TrainingJobDefinition.", "TrainingJobDefinitions[]."),
    "CreateMonitoringSchedule": ("MonitoringScheduleConfig.MonitoringJobDefinition.",),
    "UpdateMonitoringSchedule": ("MonitoringScheduleConfig.MonitoringJobDefinition.",),
}
_VPC = ("NetworkIsolation", "VpcSecurityGroupIds", "VpcSubnets")
_JOB = (
    *_VPC,
    "InstanceTypes",
    "InterContainerTrafficEncryption",
    "MaxRuntimeInSeconds",
    "OutputKmsKey",
    "VolumeKmsKey",
)
_FILES = ("FileSystemAccessMode", "FileSystemDirectoryPath", "FileSystemId", "FileSystemType")
_PACKAGE = ("ModelApprovalStatus", "ModelLifeCycle:Stage", "ModelLifeCycle:StageStatus")
_INSTANCE = ("AcceleratorTypes", "InstanceTypes", "MinimumInstanceMetadataServiceVersion", "RootAccess")
# Operation -> the condition keys that its action has.
KEYS: dict[str, tuple[str, ...]] = {
    "CreateDataQualityJobDefinition": _JOB,
    "CreateEndpointConfig": (
        *(*_VPC, "AcceleratorTypes", "InstanceTypes", "ModelArn", "VolumeKmsKey"),
        *("ServerlessMaxConcurrency", "ServerlessMemorySize"),
    ),
    "CreateHyperParameterTuningJob": (*_JOB, *_FILES),
    "CreateModel": _VPC,
    "CreateModelPackage": _PACKAGE,
    "CreateModelQualityJobDefinition": _JOB,
    "CreateMonitoringSchedule": _JOB,
    "CreateNotebookInstance": (
        *_INSTANCE,
        *("DirectInternetAccess", "VolumeKmsKey", "VpcSecurityGroupIds", "VpcSubnets"),
    ),
    "CreateProcessingJob": _JOB,
    "CreateTrainingJob": (*_JOB, *_FILES, "EnableRemoteDebug", "KeepAlivePeriod"),
    "CreateTransformJob": ("InstanceTypes", "ModelArn", "OutputKmsKey", "VolumeKmsKey"),
    "DescribePipeline": ("PipelineVersionId",),
    "InvokeEndpoint": ("TargetContainerHostname", "TargetModel"),
    "StartPipelineExecution": ("PipelineVersionId",),
    "UpdateModelPackage": (*_PACKAGE, "CustomerMetadataPropertiesToRemove"),
    "UpdateMonitoringSchedule": _JOB,
    "UpdateNotebookInstance": _INSTANCE,
    "UpdateTrainingJob": ("EnableRemoteDebug", "InstanceTypes", "KeepAlivePeriod"),
}


def of_request(operation: str, params: Document, where: str, key_arn: KeyArn) -> Context:
    """The condition keys that a call has values for, but for tags. where: "REGION:ACCOUNT"."""
    found = {} if operation in KEYS else _rented(operation, params)
    for key in KEYS.get(operation, ()):
        if values := [_as_known(key, value, where, key_arn) for value in _values(operation, key, params)]:
            found[f"sagemaker:{key.lower()}"] = list(dict.fromkeys(values))
    return found | _pairs(operation, params)


def _rented(operation: str, params: Document) -> Context:
    """Of a kind that AWS's list does not have: the instances that it takes, as its row says."""
    kind = catalog.of_operation(operation)
    types = {str(place["InstanceType"]) for use in (kind.uses if kind else ()) for place in use.places(params)}
    return {"sagemaker:instancetypes": sorted(types)} if types else {}


def _values(operation: str, key: str, params: Document) -> Iterator[Any]:
    for start in _BEGINNINGS.get(operation, ("",)):
        for path in PATHS[key]:
            yield from catalog.read(params, f"{start}{path}")


def _as_known(key: str, value: Any, where: str, key_arn: KeyArn) -> str:
    """A value as policies name it: what a request may name in several ways has its ARN."""
    if key.endswith("KmsKey"):
        return key_arn(str(value))
    if key == "ModelArn":
        return catalog.of_stem("Model").arn_of(str(value), where)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pairs(operation: str, params: Document) -> Context:
    """Keys that have a part of the request in their name."""
    if operation == "Search":
        asked = [one for one in catalog.read(params, "VisibilityConditions[]") if isinstance(one, dict)]
        return {
            f"sagemaker:searchvisibilitycondition/{str(one.get('Key')).lower()}": [str(one.get("Value"))]
            for one in asked
        }
    properties = params.get("CustomerMetadataProperties")
    if operation not in ("CreateModelPackage", "UpdateModelPackage") or not isinstance(properties, dict):
        return {}
    return {f"sagemaker:customermetadataproperties/{key.lower()}": [str(properties[key])] for key in properties}
