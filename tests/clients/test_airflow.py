"""Airflow's operators for SageMaker, unmodified."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.built import build
from tests.clients.conformance import note
from tests.clients.conftest import SCRIPTS, Run, environment
from tests.cloud import pipelines, processing
from tests.cloud.endpoints import DOUBLER, Hosting, pack_folder
from tests.cloud.endpoints import IMAGE as SERVING
from tests.cloud.jobs import ROLE, Jobs
from tests.cloud.pipelines import Pipelines
from tests.cloud.tunings import Tunings
from tests.conftest import LocalCloud

pytestmark = pytest.mark.long


def test_every_operator_and_sensor(cloud: LocalCloud, run: Run, tmp_path: Path) -> None:
    python = environment("airflow") / "bin/python"
    hosting = Hosting(cloud)
    name = f"airflow-{uuid.uuid4().hex[:10]}"
    (tmp_path / "requests.json").write_text(json.dumps(requests(cloud, hosting, name)))
    variables = {"AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws"}'}
    ran = run(str(python), str(SCRIPTS / "operators_airflow.py"), cwd=tmp_path, **variables)
    if hosting.sagemaker.list_endpoints(NameContains=name)["Endpoints"]:
        hosting.made.append(name)
        hosting.close()
    assert ran.code == 0, ran.out[-4000:] + ran.err[-4000:]
    note(ran.source, ran.calls)  # operators ask whether a job of that name is there


def requests(cloud: LocalCloud, hosting: Hosting, name: str) -> dict[str, object]:
    """A request for each operator."""
    jobs = Jobs(cloud)
    tunings = Tunings(jobs)
    data = hosting.put("model.tar.gz", pack_folder(build(DOUBLER, "2")))
    hosting.put("in/rows.jsonl", b"[1, 2]\n")
    channel = jobs.channel("rows", f"s3://{hosting.bucket}/in/")  # Airflow wants one
    searched = tunings.definition(InputDataConfig=[channel])
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{hosting.bucket}/in/"}}
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
    said, words = pipelines.shell("Say", "echo said"), {"Name": "Words", "Type": "String"}
    variant = {"VariantName": "v", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.c5.large"}
    return {
        "processing": processing.request("echo processed"),
        "training": jobs.shell("echo trained; echo w > /opt/ml/model/w", InputDataConfig=[channel]),
        "tuning": tunings.request(tunings.config(2), TrainingJobDefinition=searched),
        "model": {
            "ModelName": name,
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": {"Image": SERVING, "ModelDataUrl": data},
        },
        "transform": {
            "TransformJobName": name,
            "ModelName": name,
            "TransformInput": {"DataSource": source, "ContentType": "application/jsonlines", "SplitType": "Line"},
            "TransformOutput": {"S3OutputPath": f"s3://{hosting.bucket}/out"},
            "TransformResources": resources,
        },
        "config": {"EndpointConfigName": name, "ProductionVariants": [variant]},
        "endpoint": {"EndpointName": name, "EndpointConfigName": name},
        "pipeline": Pipelines(jobs).create(pipelines.definition(said, parameters=[words])),
    }
