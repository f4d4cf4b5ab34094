"""What a recommendations job is to try, from its request and what that names: a model, a package, an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.compilation import targets
from sagelab.cloud.engine.images import neo
from sagelab.cloud.engine.recommender import plan
from sagelab.cloud.engine.recommender.plan import Benchmark, Plan, Source
from sagelab.cloud.engine.recommender.samples import Payload
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import checks, hosting_rules, package_rules, recommendation_rules
from sagelab.cloud.resources.call import Params
from sagelab.cloud.resources.endpoint_configs import EndpointConfigs
from sagelab.cloud.resources.endpoints import Endpoints
from sagelab.cloud.resources.model_packages import ModelPackages
from sagelab.cloud.resources.models import Models, containers_of, has_many, is_direct
from sagelab.cloud.store import Document

NOTED = {
    "VpcConfig": "the endpoints run on this machine's network, not in the VPC",
}
ARCHIVE = ".tar.gz"


@dataclass(frozen=True)
class Found:
    """The families in which what a request names is looked for. where: "REGION:ACCOUNT"."""

    cloud: Cloud
    models: Models
    packages: ModelPackages
    endpoints: Endpoints
    configs: EndpointConfigs
    where: str


def read(job: Document, found: Found) -> Plan:
    """What a job is to try. ServiceError: what it names is not there, or cannot be tried."""
    config = job["InputConfig"]
    package = _package(config, found)
    wanted = _described(config, package)
    limit = config.get("ResourceLimit", {}).get("MaxNumberOfTests", plan.MOST_TESTS)
    sources, tests, notes = _tests(job, wanted, found, package)
    if tests[limit:]:
        notes.append(f"MaxNumberOfTests ({limit}): not tried are {'; '.join(map(str, tests[limit:]))}")
    notes += checks.noted(config, NOTED)
    if wanted.get("NearestModelName"):
        notes.append("NearestModelName: AWS's own benchmarks of known models are not here; all is measured")
    return Plan(
        job=job["JobName"],
        role=job["RoleArn"],
        sources=sources,
        tests=tuple(tests[:limit]),
        pattern=config.get("TrafficPattern", plan.DEFAULT_PATTERN),
        limits=plan.limits_of(job.get("StoppingConditions", {})),
        payload=_payload(wanted, job["RoleArn"], found.cloud),
        duration=config.get("JobDurationInSeconds", plan.DEFAULT_DURATION),
        key=config.get("VolumeKmsKeyId"),
        notes=tuple(notes),
    )


def _package(config: Params, found: Found) -> Document | None:
    """The version of a model that a request names."""
    arn = config.get("ModelPackageVersionArn")
    if arn is None:
        return None
    package = found.packages.find(arn)
    if "ModelPackageVersion" not in package:
        raise ValidationException(f"{arn} is no version of a model: ModelPackageVersionArn names one.")
    return package


def _described(config: Params, package: Document | None) -> Params:
    """ContainerConfig with what the package says where that is silent; Domain and Framework are there."""
    given: Params = config.get("ContainerConfig", {})
    if package is None:
        return {**given, **given.get("PayloadConfig", {})}
    specification: Params = package.get("InferenceSpecification", {})
    first: Params = next(iter(specification.get("Containers", [])), {})
    known = {
        "Domain": package.get("Domain"),
        "Task": package.get("Task"),
        "SamplePayloadUrl": package.get("SamplePayloadUrl"),
        "Framework": first.get("Framework"),
        "NearestModelName": first.get("NearestModelName"),
        "DataInputConfig": first.get("ModelInput", {}).get("DataInputConfig"),
        "SupportedContentTypes": specification.get("SupportedContentTypes"),
        "SupportedResponseMIMETypes": specification.get("SupportedResponseMIMETypes"),
        "SupportedInstanceTypes": specification.get("SupportedRealtimeInferenceInstanceTypes"),
    }
    wanted = {name: value for name, value in known.items() if value}
    wanted |= {**given, **given.get("PayloadConfig", {})}
    for name in ("Domain", "Framework"):
        if not wanted.get(name):
            raise ValidationException(
                f"Specify {name} in the Model Package version {package['ModelPackageVersion']}. {name} is a"
                " mandatory parameter for the job."
            )
    return wanted


def _payload(wanted: Params, role: str, cloud: Cloud) -> Payload:
    url, types = wanted.get("SamplePayloadUrl"), wanted.get("SupportedContentTypes")
    if not url:
        raise ValidationException(
            "Specify SamplePayloadUrl: without a sample there is nothing to send to a model."
        )
    if not types:
        raise ValidationException(
            "Specify SupportedContentTypes: the first of them is what the samples are sent as."
        )
    place = checks.location("SamplePayloadUrl", url)
    if not url.endswith(ARCHIVE):
        raise ValidationException(f"SamplePayloadUrl must point to one {ARCHIVE} archive, which {url} does not.")
    if not checks.has_objects(cloud.client("s3"), place, prefix=False):
        raise ValidationException(
            f'Could not find the sample payload at {url}. Please ensure that it exists and that the role "{role}"'
            ' has "s3:GetObject" permissions.'
        )
    return Payload(url, types[0], next(iter(wanted.get("SupportedResponseMIMETypes", [])), "*/*"))


# The tests


def _tests(
    job: Document, wanted: Params, found: Found, package: Document | None
) -> tuple[dict[str | None, Source], list[Benchmark], list[str]]:
    """What is tried, in order, of which models, and what there is to say of the choice."""
    config = job["InputConfig"]
    tests = [_existing(each["EndpointName"], found) for each in config.get("Endpoints", [])]
    sources: dict[str | None, Source] = {}
    notes: list[str] = []
    for given in config.get("EndpointConfigurations", []):
        name = given.get("InferenceSpecificationName")
        sources[name] = sources.get(name) or _source(config, name, found, package)
        ranges = given.get("EnvironmentParameterRanges", {}).get("CategoricalParameterRanges", [])
        tests += [
            Benchmark(plan.new_endpoint(), _setting(given), chosen, name) for chosen in plan.combinations(ranges)
        ]
    if job["JobType"] == "Default" and not config.get("EndpointConfigurations"):
        source = _source(config, None, found, package)
        output = job.get("OutputConfig", {}).get("CompiledOutputConfig", {}).get("S3OutputUri")
        source = replace(
            source, framework=wanted.get("Framework"), shape=wanted.get("DataInputConfig"), output=output
        )
        sources[None] = source
        tests += _own_choice(job["JobName"], wanted, source, notes)
    return sources, tests, notes


def _setting(given: Params) -> Params:
    """What an endpoint configuration runs on: an InstanceType, or a ServerlessConfig."""
    return {member: given[member] for member in ("InstanceType", "ServerlessConfig") if member in given}


def _existing(name: str, found: Found) -> Benchmark:
    """A test of an endpoint that is there.

    https://docs.aws.amazon.com/sagemaker/latest/dg/inference-recommender-existing-endpoint.html
    """
    document = found.endpoints.find(found.endpoints.kind.arn_of(name, found.where))
    if document["EndpointStatus"] != "InService":
        raise ValidationException(f"Endpoint {name} is {document['EndpointStatus']}, not InService.")
    config = found.configs.find(found.configs.kind.arn_of(document["EndpointConfigName"], found.where))
    variants = [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]
    if len(variants) > 1:
        raise ValidationException(f"Endpoint {name} has {len(variants)} variants; a job compares one with one.")
    if "AsyncInferenceConfig" in document or "InstanceType" not in variants[0]:
        raise ValidationException(f"Endpoint {name}: only real-time endpoints are compared.")
    scaling = found.cloud.client("application-autoscaling", found.where.split(":")[0])
    resource = f"endpoint/{name}/variant/{variants[0]['VariantName']}"
    targets_of = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[resource])
    if targets_of["ScalableTargets"]:
        raise ValidationException(f"Endpoint {name} enables autoscaling; a job compares no such endpoint.")
    return Benchmark(name, {"InstanceType": variants[0]["InstanceType"]}, existing=True)


def _source(config: Params, specification: str | None, found: Found, package: Document | None) -> Source:
    """The model that is tried, by the specification of a package, or by its name."""
    if package is not None:
        # A version need not be approved to be tried.
        approved = package | {"ModelApprovalStatus": "Approved"}
        served = package_rules.containers(approved, {"InferenceSpecificationName": specification})
        return Source(tuple(served), artifact=_artifact(served))
    if specification is not None:
        raise ValidationException("InferenceSpecificationName is for a ModelPackageVersionArn.")
    name = config["ModelName"]
    model = found.models.find(found.models.kind.arn_of(name, found.where))
    if has_many(model) or is_direct(model):
        raise ValidationException(f"Model {name}: a request says which of many it is for, and a sample does not.")
    served = [_plain(each) for each in containers_of(model)]
    return Source(tuple(served), name, model.get("EnableNetworkIsolation", False), _artifact(served))


def _plain(container: Params) -> Params:
    """A container as a request gives it: with its data named once."""
    twice = ("ModelDataSource",) if container.get("ModelDataUrl") else ()
    return {name: value for name, value in container.items() if name not in ("Mode", *twice)}


def _artifact(containers: list[Params]) -> str | None:
    """The archive of a model of one container; None where there is none."""
    source = hosting_rules.data_source(containers[0]) if len(containers) == 1 else None
    return str(source["S3Uri"]) if source and source["CompressionType"] == "Gzip" else None


def _own_choice(job: str, wanted: Params, source: Source, notes: list[str]) -> list[Benchmark]:
    """The tests of a Default job: a few types, one with the model compiled where it can be; serverless ones."""
    kind = wanted.get("SupportedEndpointType")
    alone = len(source.containers) == 1 and not source.isolated
    if kind == "Serverless" and not alone:
        raise ValidationException("SupportedEndpointType Serverless: not for several or isolated containers.")
    sleeping = [_serverless(memory) for memory in plan.USUAL_MEMORIES] if alone else []
    if kind == "Serverless":
        return sleeping
    awake = _own_types(job, wanted, source, notes)
    return awake if kind == "RealTime" else [*awake, *sleeping[:1]][: plan.DEFAULT_TESTS]


def _serverless(memory: int) -> Benchmark:
    wanted = {"MemorySizeInMB": memory, "MaxConcurrency": plan.CONCURRENCY}
    return Benchmark(plan.new_endpoint(), {"ServerlessConfig": wanted})


def _own_types(job: str, wanted: Params, source: Source, notes: list[str]) -> list[Benchmark]:
    """A few types that suit the model."""
    supported = wanted.get("SupportedInstanceTypes")
    types = [each for each in supported or plan.USUAL_TYPES if _suits(each)]
    if not types:
        raise ValidationException(
            f"SupportedInstanceTypes: none of {', '.join(supported or [])} can be tried here."
        )
    compiled = _compiled(job, types, source, notes)
    left = plan.DEFAULT_TESTS - len(compiled)
    if types[left:]:
        notes.append(
            f"a Default job tries {plan.DEFAULT_TESTS} at the most: not tried are {', '.join(types[left:])}"
        )
    return [Benchmark(plan.new_endpoint(), {"InstanceType": each}) for each in types[:left]] + compiled


def _suits(instance_type: str) -> bool:
    try:
        recommendation_rules.check_type(instance_type)
    except ValidationException:
        return False
    return True


def _compiled(job: str, types: list[str], source: Source, notes: list[str]) -> list[Benchmark]:
    """The test of the compiled model, on the first type that there is a target for."""
    for instance_type in types:
        endpoint = plan.new_endpoint()
        test = Benchmark(endpoint, {"InstanceType": instance_type}, compilation=f"{job[:40]}-{endpoint[-12:]}")
        if test.target not in targets.KNOWN:
            continue
        if str(source.framework).upper() not in neo.IMAGES or not source.artifact:
            notes.append(f"the model is not compiled: that is for {', '.join(neo.IMAGES)}, with its archive")
        elif not source.output:
            notes.append("the model is not compiled: OutputConfig.CompiledOutputConfig names no place for that")
        else:
            return [test]
        break
    return []
