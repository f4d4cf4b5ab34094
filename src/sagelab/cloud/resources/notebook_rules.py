"""What notebook instances must satisfy beyond the service model, and what of it is not done here."""

from __future__ import annotations

from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ResourceLimitExceeded, ValidationException
from sagelab.cloud.resources import checks, vpc_rules
from sagelab.cloud.resources.call import Params
from sagelab.cloud.store import Document

# Each is a JupyterLab with its kernels on this one machine.
MAX_RUNNING = 8
REPOSITORIES = ("DefaultCodeRepository", "AdditionalCodeRepositories")
NOTED = {
    "AcceleratorTypes": "Elastic Inference is closed on AWS too (since April 2023); nothing is attached",
}


def check_create(params: Params, cloud: Cloud, region: str) -> None:
    """ValidationException: the request breaks a rule."""
    _refuse_repositories(params)
    checks.volume_key("KmsKeyId", params.get("KmsKeyId"), [])
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateNotebookInstance.html
    if params.get("DirectInternetAccess") == "Disabled" and not params.get("SubnetId"):
        raise ValidationException("DirectInternetAccess can be Disabled only if a value for SubnetId is given.")
    if params.get("SecurityGroupIds") and not params.get("SubnetId"):
        raise ValidationException("SecurityGroupIds can be given only with a SubnetId.")
    if params.get("SubnetId"):
        groups = params.get("SecurityGroupIds", [])
        vpc_rules.check_interface([params["SubnetId"]], groups, cloud.client("ec2", region))
    checks.role(params["RoleArn"], cloud)


def check_update(params: Params, document: Document, cloud: Cloud) -> None:
    """ValidationException: the change breaks a rule."""
    _refuse_repositories(params)
    if params.get("VolumeSizeInGB", document["VolumeSizeInGB"]) < document["VolumeSizeInGB"]:
        raise ValidationException(
            f"VolumeSizeInGB can only be increased: the volume of {document['NotebookInstanceArn']} has"
            f" {document['VolumeSizeInGB']} GB."
        )
    for kind in ("LifecycleConfig", "AcceleratorTypes"):
        name = "LifecycleConfigName" if kind == "LifecycleConfig" else kind
        if params.get(f"Disassociate{kind}") and params.get(name):
            raise ValidationException(f"{name} and Disassociate{kind} cannot be given together.")
    if "RoleArn" in params:
        checks.role(params["RoleArn"], cloud)


def check_limit(instance_type: str, running: int) -> None:
    """ResourceLimitExceeded: as many run already as this machine may. In AWS's words for a quota."""
    if running >= MAX_RUNNING:
        raise ResourceLimitExceeded(
            f"The account-level service limit '{instance_type} for notebook instance usage' is {MAX_RUNNING}"
            f" Instances, with current utilization of {running} Instances and a request delta of 1 Instances."
            " The local cloud counts all instance types together: stop one that you do not use."
        )


def notes(document: Document) -> tuple[str, ...]:
    """A sentence for each thing that is asked for and that this machine does not do."""
    found = checks.noted(document, NOTED)
    if document["InstanceMetadataServiceConfiguration"]["MinimumInstanceMetadataServiceVersion"] == "2":
        found.append("InstanceMetadataServiceConfiguration: there is no metadata service, of either version")
    return tuple(found)


def _refuse_repositories(params: Params) -> None:
    for name in REPOSITORIES:
        if params.get(name):
            raise ValidationException(
                f"{name}: the local cloud does not clone repositories; run git clone in a terminal of the"
                " instance, or in an OnCreate script."
            )
