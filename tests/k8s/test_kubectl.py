"""Debian's kubectl against the run's local cloud, as a person has it: `sagelab k8s up`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagelab.cloud.home import DEFAULT_REGION
from sagelab.k8s.sagemaker import fields
from sagelab.k8s.sagemaker.kinds import GROUP, KINDS, VERSION
from tests.built import build
from tests.cloud import processing
from tests.cloud.endpoints import DOUBLER, Hosting, pack_folder
from tests.cloud.endpoints import IMAGE as SERVING
from tests.cloud.jobs import ROLE, Jobs
from tests.cloud.tunings import Tunings
from tests.conftest import LocalCloud, Sagelab
from tests.k8s.conftest import definition, widget
from tests.waiting import until

KUBECTL = shutil.which("kubectl")
PATIENCE = "60s"
Kubectl = Callable[..., str]

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl here (Debian's kubernetes-client)")


@pytest.fixture(scope="session")
def config(cloud: LocalCloud, sagelab: Sagelab) -> str:
    """The kubeconfig of the run's API server, which ends with the run's local cloud."""
    started = sagelab("k8s", "up", home=cloud.home.path)
    if "could not be downloaded" in started.stderr:
        pytest.skip(started.stderr)
    assert started.returncode == 0, started.stderr
    return str(cloud.home.path / "kubernetes/kubeconfig")


@pytest.fixture
def kubectl(config: str, tmp_path: Path, unique: Callable[[str], str]) -> Kubectl:
    """kubectl ARGUMENTS in a namespace of the test's own, with an object or a text as its standard input."""
    env = {**os.environ, "KUBECONFIG": config, "HOME": str(tmp_path)}

    def run(*arguments: str, given: Any = None, code: int = 0) -> str:
        text = given if isinstance(given, str) else json.dumps(given)
        command = [str(KUBECTL), "-n", namespace, *arguments]
        done = subprocess.run(command, env=env, input=text, capture_output=True, text=True, timeout=100)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    namespace = unique("test")
    run("create", "namespace", namespace)
    return run


def manifest(kind: str, request: dict[str, Any]) -> dict[str, Any]:
    """What asks Kubernetes for what a request asks AWS for; its name is the request's too."""
    found = next(one for one in KINDS if one.name == kind)
    spec = fields.to_fields(request, found.operation("Create").input_shape)
    head = {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": request[found.name_member]}}
    return {**head, "spec": spec}


def test_a_job_from_apply_to_delete(kubectl: Kubectl, cloud: LocalCloud) -> None:
    request = processing.request("true")
    name = request["ProcessingJobName"]
    job, body = f"processingjob/{name}", manifest("ProcessingJob", request)
    wrong = manifest("ProcessingJob", request)
    wrong["spec"]["processingResources"]["clusterConfig"]["instanceCount"] = "one"
    said = kubectl("apply", "-f", "-", given=wrong, code=1)
    assert 'instanceCount in body must be of type integer: "string"' in said
    wrong["spec"] = body["spec"] | {"colour": "red"}
    assert 'unknown field "spec.colour"' in kubectl("apply", "-f", "-", given=wrong, code=1)
    assert kubectl("apply", "-f", "-", given=body).endswith(f"/{name} created\n")
    assert kubectl("apply", "-f", "-", given=body).endswith(f"/{name} unchanged\n")
    kubectl("wait", "--for=condition=ACK.ResourceSynced", job, f"--timeout={PATIENCE}")
    assert re.fullmatch(rf"NAME +STATUS\n{name} +Completed\n", kubectl("get", job))
    assert "ProcessingJob is in Completed status." in kubectl("describe", job)
    arn = cloud.client("sagemaker", region_name=DEFAULT_REGION).describe_processing_job(ProcessingJobName=name)
    assert kubectl("get", job, "-o", "jsonpath={.status.ackResourceMetadata.arn}") == arn["ProcessingJobArn"]
    kubectl("delete", job, f"--timeout={PATIENCE}")
    assert "NotFound" in kubectl("get", job, code=1)


def test_a_definition_of_ones_own(kubectl: Kubectl, unique: Callable[[str], str]) -> None:
    """Both in one file, explained, changed in every way, selected, deleted with the definition."""
    plural = unique("w").replace("-", "")
    defined = json.loads(json.dumps(definition()).replace("widgets", plural).replace("Widget", plural.title()))
    defined["spec"]["names"]["shortNames"] = [plural[:8]]
    body = widget("a", labels={"team": "x"}) | {"kind": plural.title()}
    both = {"apiVersion": "v1", "kind": "List", "items": [defined, body]}
    kubectl("apply", "-f", "-", given=json.dumps(defined))
    kubectl("wait", "--for=condition=Established", f"crd/{defined['metadata']['name']}")
    kubectl("apply", "-f", "-", given=both)
    assert "size\t<integer> -required-" in kubectl("explain", f"{plural}.spec")
    kubectl("patch", plural, "a", "--type=json", "-p", '[{"op": "replace", "path": "/spec/size", "value": 8}]')
    kubectl("patch", plural, "a", "--subresource=status", "--type=merge", "-p", '{"status": {"phase": "Big"}}')
    kubectl("wait", "--for=jsonpath={.status.phase}=Big", f"{plural}/a")
    assert kubectl("get", plural, "-l", "team=x", "-o", "jsonpath={.items[*].spec.size}") == "8"
    assert kubectl("apply", "--dry-run=server", "-f", "-", given=body).endswith("configured (server dry run)\n")
    assert "server-side apply is not done here" in kubectl("apply", "--server-side", "-f", "-", given=body, code=1)
    kubectl("delete", "crd", defined["metadata"]["name"])


def test_kubernetes_own_kinds(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "c", "--from-literal=a=1")
    kubectl("create", "secret", "generic", "s", "--from-literal=key=value")
    assert kubectl("get", "secret", "s", "-o", "jsonpath={.data.key}") == "dmFsdWU="
    kubectl("patch", "configmap", "c", "-p", '{"data": {"b": "2"}}')
    assert kubectl("get", "configmap", "c", "-o", "jsonpath={.data}") == '{"a":"1","b":"2"}'
    for command in (("run", "p", "--image=x"), ("get", "pods"), ("create", "deployment", "d", "--image=x")):
        assert "It has no nodes, so nothing here runs pods" in kubectl(*command, code=1)


def apply(kubectl: Kubectl, kind: str, request: dict[str, Any]) -> str:
    """TYPE/NAME of an object that is there now, and in step."""
    body = manifest(kind, request)
    kubectl("apply", "-f", "-", given=body)
    name = f"{kind.lower()}/{body['metadata']['name']}"
    kubectl("wait", "--for=condition=ACK.ResourceSynced", name, f"--timeout={PATIENCE}")
    return name


@pytest.mark.long
def test_an_endpoint_is_made_updated_set_back_and_deleted(kubectl: Kubectl, cloud: LocalCloud) -> None:
    hosting = Hosting(cloud)
    data = hosting.put("model.tar.gz", pack_folder(build(DOUBLER, "2")))
    other = hosting.config(hosting.model(pack_folder(build(DOUBLER, "3"))))
    name = hosting.bucket
    container = {"Image": SERVING, "ModelDataUrl": data}
    model = apply(kubectl, "Model", {"ModelName": name, "PrimaryContainer": container, "ExecutionRoleArn": ROLE})
    variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.c5.large", "InitialInstanceCount": 1}
    made = {"EndpointConfigName": name, "ProductionVariants": [variant]}
    config = apply(kubectl, "EndpointConfig", made)
    endpoint = apply(kubectl, "Endpoint", {"EndpointName": name, "EndpointConfigName": name})
    assert re.fullmatch(rf"NAME +STATUS\n{name} +InService\n", kubectl("get", endpoint))
    ask = {"instances": [[1, 2]]}

    def serves() -> tuple[str, str]:
        found = hosting.describe(name)
        return found["EndpointConfigName"], found["EndpointStatus"]

    assert hosting.invoke(name, ask)["predictions"] == [[2, 4]]
    kubectl("patch", endpoint, "--type=merge", "-p", json.dumps({"spec": {"endpointConfigName": other}}))
    until(serves, lambda found: found == (other, "InService"))
    assert hosting.invoke(name, ask)["predictions"] == [[3, 6]]
    hosting.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=name)
    until(serves, lambda found: found == (other, "InService"))  # it was Updating when the call was answered
    assert hosting.invoke(name, ask)["predictions"] == [[3, 6]]
    kubectl("delete", endpoint, config, model, f"--timeout={PATIENCE}")
    assert hosting.sagemaker.list_endpoints(NameContains=name)["Endpoints"] == []
    assert hosting.sagemaker.list_models(NameContains=name)["Models"] == []


@pytest.mark.long
def test_jobs_of_every_kind(kubectl: Kubectl, cloud: LocalCloud) -> None:
    jobs, hosting = Jobs(cloud), Hosting(cloud)
    training = jobs.shell("echo val: 0.5; echo w > /opt/ml/model/w")
    trained = apply(kubectl, "TrainingJob", training)
    assert re.search(r"NAME +SECONDARY-STATUS +STATUS\n.* +Completed +Completed", kubectl("get", trained))
    artifact = kubectl("get", trained, "-o", "jsonpath={.status.modelArtifacts.s3ModelArtifacts}")
    assert artifact.startswith(f"s3://{jobs.bucket}/out/")
    tunings = Tunings(jobs)
    searched = apply(kubectl, "HyperParameterTuningJob", tunings.request(tunings.config(2)))
    assert kubectl("get", searched, "-o", "jsonpath={.status.bestTrainingJob.trainingJobStatus}") == "Completed"
    model = hosting.model(pack_folder(build(DOUBLER, "2")))
    hosting.put("in/rows.jsonl", b"[1, 2]\n")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{hosting.bucket}/in/"}}
    transform = {
        "TransformJobName": f"transform-{hosting.bucket}",
        "ModelName": model,
        "TransformInput": {"DataSource": source, "ContentType": "application/jsonlines", "SplitType": "Line"},
        "TransformOutput": {"S3OutputPath": f"s3://{hosting.bucket}/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    transformed = apply(kubectl, "TransformJob", transform)
    assert "Completed" in kubectl("get", transformed)
    failing = jobs.shell("echo no such luck; exit 3")
    failed = apply(kubectl, "TrainingJob", failing)
    assert "no such luck" in kubectl("get", failed, "-o", "jsonpath={.status.failureReason}")
    kubectl("delete", trained, searched, transformed, failed, f"--timeout={PATIENCE}")
