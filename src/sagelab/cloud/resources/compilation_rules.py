"""What a CreateCompilationJob request must satisfy beyond the service model, and what of it is not done here.

Messages are SageMaker's where it has one for the case.
"""

from __future__ import annotations

from sagelab.cloud.context import Cloud
from sagelab.cloud.engine.compilation import options, targets
from sagelab.cloud.engine.compilation.run import Order
from sagelab.cloud.engine.images import neo
from sagelab.cloud.errors import ValidationException
from sagelab.cloud.resources import checks
from sagelab.cloud.resources.call import Params

DEFAULT_RUNTIME = 900  # seconds; what AWS recommends to begin with
ELSEWHERE = {
    "PYTORCH": "PyTorch is not among this environment's packages; export the model to ONNX and compile that",
    "MXNET": "MXNet has ended; convert the model to ONNX and compile that",
    "DARKNET": "convert the model to ONNX and compile that",
    "XGBOOST": "trees are not compiled here",
    "SKLEARN": "scikit-learn's models are not compiled here",
}


def check(job: Params, cloud: Cloud) -> None:
    """ValidationException: the request breaks a rule."""
    _check_input(job)
    _check_stopping(job["StoppingCondition"])
    read_order(job)
    checks.role(job["RoleArn"], cloud)
    output = job["OutputConfig"]["S3OutputLocation"]
    checks.bucket("OutputConfig.S3OutputLocation", output, cloud)


def read_order(job: Params) -> Order:
    """What to compile for what. ValidationException: it cannot be."""
    target, found = _aim(job)
    return Order(job, target, found, tuple(_notes(job)))


def _check_input(job: Params) -> None:
    if "ModelPackageVersionArn" in job:
        raise ValidationException("ModelPackageVersionArn: the local cloud compiles what InputConfig names.")
    if "InputConfig" not in job:
        raise ValidationException("Either ModelPackageVersionArn or InputConfig must be provided.")
    config = job["InputConfig"]
    framework, uri = config["Framework"], config["S3Uri"]
    if framework not in neo.IMAGES:
        raise ValidationException(
            f"Framework {framework}: {ELSEWHERE[framework]}. The local cloud compiles {', '.join(neo.IMAGES)}."
        )
    checks.location("InputConfig.S3Uri", uri)
    if not uri.endswith(".tar.gz"):
        raise ValidationException(f"InputConfig.S3Uri must point to one .tar.gz archive, which {uri} does not.")


def _check_stopping(condition: Params) -> None:
    checks.days(condition)
    for name in ("MaxWaitTimeInSeconds", "MaxPendingTimeInSeconds"):
        if name in condition:
            raise ValidationException(f"{name} is for training jobs.")


def _aim(job: Params) -> tuple[targets.Target, options.Options]:
    output = job["OutputConfig"]
    if ("TargetDevice" in output) == ("TargetPlatform" in output):
        raise ValidationException("OutputConfig: give either TargetDevice or TargetPlatform.")
    try:
        target = targets.find(output)
        found = options.read(output.get("CompilerOptions"), target, job["InputConfig"]["Framework"])
    except (targets.Refused, options.BadOptions) as error:
        raise ValidationException(str(error)) from None
    return found.target, found


def _notes(job: Params) -> list[str]:
    config, found = job["InputConfig"], []
    if "FrameworkVersion" in config:
        found.append(f"FrameworkVersion {config['FrameworkVersion']}: this environment's packages read the model")
    if "VpcConfig" in job:
        found.append("VpcConfig: the job has no network at all")
    return found
