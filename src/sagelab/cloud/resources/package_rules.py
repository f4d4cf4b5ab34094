"""What model packages must satisfy beyond the service model, and what of them is not done here."""

from __future__ import annotations

from collections.abc import Iterator

from sagelab.cloud.context import Cloud
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import checks
from sagelab.cloud.resources.call import Params
from sagelab.cloud.store import Document

REFUSED = {
    "ValidationSpecification": "validation jobs of a package",
    "SourceAlgorithmSpecification": "algorithms, of which packages are made",
    "CertifyForMarketplace": "AWS Marketplace",
    "SecurityConfig": "encryption of a package",
    "ManagedStorageType": "storage that it manages itself",
}
CONTAINER_REFUSED = {
    "ProductId": "products of AWS Marketplace",
    "AdditionalModelDataSources": "additional model data",
    "AdditionalS3DataSource": "additional model data",
    "BaseModel": "models of a hub",
}
UNVERSIONED_NEEDS = ("SupportedTransformInstanceTypes", "SupportedRealtimeInferenceInstanceTypes")
MAX_PROPERTIES = 50
OF_DATA = ("Image", "ModelDataUrl", "ModelDataSource")
FROM_PACKAGE = (*OF_DATA, "ContainerHostname")  # of a package's container, in a model's


def check(package: Params, cloud: Cloud) -> None:
    """ValidationException: a CreateModelPackage request breaks a rule."""
    checks.refused(package, REFUSED)
    grouped, named = "ModelPackageGroupName" in package, "ModelPackageName" in package
    if grouped == named:
        raise ValidationException(
            "Either ModelPackageGroupName, for a version of a model, or ModelPackageName must be provided."
        )
    if grouped and package.get("Tags"):
        raise ValidationException("Tags cannot be given to a version of a model: it has the tags of its group.")
    if not grouped:
        _check_unversioned(package)
    for where, specification in _specifications(package):
        check_specification(where, specification, cloud)
    for name in ("ModelMetrics", "DriftCheckBaselines"):
        _check_metrics(name, package.get(name))


def _check_unversioned(package: Params) -> None:
    if package.get("ModelApprovalStatus"):
        raise ValidationException("ModelApprovalStatus is for versions of a model, in a ModelPackageGroupName.")
    specification = package.get("InferenceSpecification")
    if not specification:
        raise checks.missing("inferenceSpecification")
    for name in UNVERSIONED_NEEDS:
        if not specification.get(name):
            raise ValidationException(f"InferenceSpecification.{name} is required for a package of no group.")


def _specifications(package: Params) -> Iterator[tuple[str, Params]]:
    if "InferenceSpecification" in package:
        yield "InferenceSpecification", package["InferenceSpecification"]
    for name in ("AdditionalInferenceSpecifications", "AdditionalInferenceSpecificationsToAdd"):
        for one in package.get(name, []):
            yield f"{name}: {one['Name']}", one


def check_specification(where: str, specification: Params, cloud: Cloud) -> None:
    """The data of every container is there. Whether an image runs here is asked where it is to run."""
    for container in specification["Containers"]:
        checks.refused(container, CONTAINER_REFUSED, f"{where}: ")
        if not container.get("Image"):
            raise ValidationException(f"{where}: a container needs an Image.")
        source = container.get("ModelDataSource", {}).get("S3DataSource", {})
        if uri := container.get("ModelDataUrl") or source.get("S3Uri"):
            place = checks.location(f"{where}: model data", uri)
            if not checks.has_objects(cloud.client("s3"), place, source.get("S3DataType") == "S3Prefix"):
                raise ValidationException(f"Could not find model data at {uri}.")


def _check_metrics(where: str, value: object) -> None:
    """Every S3Uri in it is one."""
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name == "S3Uri":
            checks.location(where, inner)
        else:
            _check_metrics(f"{where}.{name}", inner)


def check_update(wanted: Params, package: Document, cloud: Cloud) -> None:
    """ValidationException: an UpdateModelPackage request breaks a rule."""
    if "ModelPackageGroupName" not in package and (wanted.keys() & {"ModelApprovalStatus", "ApprovalDescription"}):
        raise ValidationException(f"{package['ModelPackageArn']} is no version of a model, and has no approval.")
    for where, specification in _specifications(wanted):
        check_specification(where, specification, cloud)
    names = [one["Name"] for one in package.get("AdditionalInferenceSpecifications", [])]
    names += [one["Name"] for one in wanted.get("AdditionalInferenceSpecificationsToAdd", [])]
    checks.unique("Name", names, "AdditionalInferenceSpecifications")
    edit_properties(dict(package), wanted)


def edit_properties(package: Document, wanted: Params) -> None:
    """Change a package's CustomerMetadataProperties. ValidationException: there would be more than 50."""
    removed = wanted.get("CustomerMetadataPropertiesToRemove", [])
    before = package.get("CustomerMetadataProperties", {})
    kept = {name: value for name, value in before.items() if name not in removed}
    kept |= wanted.get("CustomerMetadataProperties", {})
    if len(kept) > MAX_PROPERTIES:
        raise ValidationException(f"A package can have at most {MAX_PROPERTIES} CustomerMetadataProperties.")
    if kept or "CustomerMetadataProperties" in package:
        package["CustomerMetadataProperties"] = kept


def containers(package: Document, wanted: Params) -> list[Params]:
    """What a model's container that names a package runs. ValidationException: it may not be deployed.

    What the model's container says of the environment is for each of them.
    """
    arn = package["ModelPackageArn"]
    if "ModelPackageGroupName" in package and package["ModelApprovalStatus"] != "Approved":
        raise ValidationException(
            f"Model package {arn} cannot be deployed: its ModelApprovalStatus is"
            f" {package['ModelApprovalStatus']}, not Approved."
        )
    if given := [name for name in OF_DATA if wanted.get(name)]:
        raise ValidationException(f"Give a container either a ModelPackageName or {given[0]}.")
    found: list[Params] = _chosen(package, wanted.get("InferenceSpecificationName"))["Containers"]
    return [_container(one, wanted.get("Environment", {})) for one in found]


def _container(packed: Params, environment: dict[str, str]) -> Params:
    """A package's container as one of a model."""
    found = {name: packed[name] for name in FROM_PACKAGE if name in packed}
    if found.get("ModelDataUrl"):
        found.pop("ModelDataSource", None)
    environment = packed.get("Environment", {}) | environment
    return found | ({"Environment": environment} if environment else {})


def _chosen(package: Document, name: str | None) -> Params:
    """The specification of a package that a container asks for."""
    if name is not None:
        for one in package.get("AdditionalInferenceSpecifications", []):
            if one["Name"] == name:
                chosen: Params = one
                return chosen
        raise ValidationException(f"{package['ModelPackageArn']} has no InferenceSpecification {name}.")
    if "InferenceSpecification" not in package:
        raise ValidationException(f"{package['ModelPackageArn']} has no InferenceSpecification to be deployed.")
    usual: Params = package["InferenceSpecification"]
    return usual
