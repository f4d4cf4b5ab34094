"""SageMaker from Kubernetes: a manifest of AWS's controller, and kubectl, where there is one and a cluster to ask.

In the local cloud the cluster is `sagelab k8s up`: an API of Kubernetes with the controller's kinds, no nodes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.model import ListShape, Shape, StructureShape

if TYPE_CHECKING:
    from sagelab.lab.session import Lab

GROUP = "sagemaker.services.k8s.aws/v1alpha1"
# What CreateTrainingJob was asked for, of all that a description has; no more than AWS's controller knows.
ASKED = (
    *("RoleArn", "AlgorithmSpecification", "HyperParameters", "InputDataConfig", "OutputDataConfig"),
    *("ResourceConfig", "StoppingCondition", "Environment"),
)
WORD = re.compile(r"[A-Z]+(?![a-z0-9])|[A-Z][a-z0-9]*")
INITIALISMS = {
    "Arn": "ARN",
    "Arns": "ARNs",
    "Uri": "URI",
    "Url": "URL",
    "Id": "ID",
    "Ids": "IDs",
    "Kms": "KMS",
    "Vpc": "VPC",
}
PATIENCE = "30m"  # that kubectl waits for a job


class CommandFailed(RuntimeError):
    """A command failed; its own words say why, and a notebook shows them in place of a traceback."""


def connect(lab: Lab) -> bool:
    """Point kubectl at a cluster with AWS's controller for SageMaker; False, and a sentence, where there is none.

    The local cloud's is started; on AWS it is the one that KUBECONFIG names.
    """
    if shutil.which("kubectl") is None:
        print("kubectl is not on this machine (Debian: apt install kubernetes-client): this step is left out.")
        return False
    if not lab.local:
        if "KUBECONFIG" not in os.environ:
            print("KUBECONFIG names no cluster with AWS's controller for SageMaker: this step is left out.")
        return "KUBECONFIG" in os.environ
    said = _run(str(Path(sys.executable).with_name("sagelab")), "k8s", "up")
    os.environ["KUBECONFIG"] = said.rpartition("KUBECONFIG=")[2].strip().strip("'")
    return True


def close(lab: Lab) -> None:
    """End the local cloud's Kubernetes API, if `connect` has started it; a cluster of your own stays."""
    if lab.local and "KUBECONFIG" in os.environ:
        _run(str(Path(sys.executable).with_name("sagelab")), "k8s", "down")
        del os.environ["KUBECONFIG"]


def kubectl(*words: str) -> str:
    """What kubectl says. CommandFailed: it did, with its own words."""
    return _run("kubectl", *words)


def wait(name: str) -> str:
    """Wait until the controller has nothing more to do for a training job, which has ended then."""
    condition = "--for=condition=ACK.ResourceSynced"
    return kubectl("wait", condition, f"trainingjob/{name}", f"--timeout={PATIENCE}")


def training_job(lab: Lab, like: str, name: str) -> str:
    """The manifest, in YAML, of a training job that asks for what another was asked for, under a name of its own.

    like: the name of that job. A field is called as AWS's controller has it: RoleArn is roleARN.
    """
    import yaml

    job = lab.client("sagemaker").describe_training_job(TrainingJobName=like)
    request = {key: job[key] for key in ASKED if key in job} | {"TrainingJobName": name, "Tags": lab.tags}
    model = lab.client("sagemaker").meta.service_model.operation_model("CreateTrainingJob").input_shape
    found: dict[str, Any] = {
        "apiVersion": GROUP,
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": _fields(request, model),
    }
    return str(yaml.safe_dump(found, sort_keys=False, width=110))


def _fields(value: Any, shape: Shape) -> Any:
    """A request's members under the names that AWS's controller has for them; a map's keys are the user's own."""
    if isinstance(shape, StructureShape):
        return {
            _name(name): _fields(value[name], member) for name, member in shape.members.items() if name in value
        }
    if isinstance(shape, ListShape):
        return [_fields(one, shape.member) for one in value]
    return value


def _name(member: str) -> str:
    """RoleArn -> roleARN: camelCase, with the capitals of Go."""
    first, *others = WORD.findall(member)
    return str(first).lower() + "".join(INITIALISMS.get(word, word) for word in others)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command[:3])} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()
