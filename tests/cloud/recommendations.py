"""Recommendations jobs as tests make them, of an image of a few lines."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagelab.cloud.engine.images.own import OwnImages
from tests.cloud.jobs import ROLE, pack
from tests.conftest import LocalCloud
from tests.waiting import until

GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"
GOING = ("PENDING", "IN_PROGRESS", "STOPPING")
# Answers at once; with FAILS it does not come up, with REFUSES it answers 400.
SERVE = """#!/usr/bin/env python3
import os, signal, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if os.environ.get("FAILS"):
    sys.exit("no model here")

class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", 1 << 16, True

    def do_GET(self):
        self.answer(200, b"")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if os.environ.get("REFUSES"):
            self.answer(400, b"not like this")
        else:
            self.answer(200, b"7")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""
LEFT = ("endpoints", "endpoint_configs", "models")


def phases(*given: tuple[int, int, int]) -> dict[str, Any]:
    """given: users at first, how many more a minute, seconds."""
    names = ("InitialNumberOfUsers", "SpawnRate", "DurationInSeconds")
    return {"TrafficType": "PHASES", "Phases": [dict(zip(names, each, strict=True)) for each in given]}


@dataclass
class Recommendations:
    """Makes models and jobs. image: that of SERVE."""

    cloud: LocalCloud
    image: str
    bucket: str = field(default_factory=lambda: f"advice-{uuid.uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.sagemaker, self.s3 = self.cloud.client("sagemaker"), self.cloud.client("s3")
        self.logs = self.cloud.client("logs")
        self.s3.create_bucket(Bucket=self.bucket)
        self.payload = self.put("samples/payload.tar.gz", pack({"one.csv": "1,2", "two.csv": "3,4"}))
        self.usual = self.model()

    def put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def model(self, **environment: str) -> str:
        name = f"model-{uuid.uuid4().hex[:12]}"
        container = {"Image": self.image, "Environment": environment}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        return name

    def container(self, **changes: Any) -> dict[str, Any]:
        """A ContainerConfig."""
        payload = {"SamplePayloadUrl": self.payload, "SupportedContentTypes": ["text/csv"]}
        return {"Domain": "MACHINE_LEARNING", "Framework": "OTHER", "PayloadConfig": payload} | changes

    def request(self, conditions: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
        """A load test of two minutes on one instance type; a change of InputConfig to None takes a member away."""
        wanted = {
            "ModelName": self.usual,
            "JobDurationInSeconds": 7200,
            "TrafficPattern": phases((1, 1, 120)),
            "EndpointConfigurations": [{"InstanceType": "ml.c5.large"}],
            "ContainerConfig": self.container(),
        } | config
        found = {
            "JobName": f"advice-{uuid.uuid4().hex[:12]}",
            "JobType": "Advanced",
            "RoleArn": ROLE,
            "InputConfig": {name: value for name, value in wanted.items() if value is not None},
        }
        return found | ({"StoppingConditions": conditions} if conditions else {})

    def start(self, request: dict[str, Any]) -> str:
        self.sagemaker.create_inference_recommendations_job(**request)
        return str(request["JobName"])

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_inference_recommendations_job(JobName=name)
        return found

    def wait(self, name: str, *statuses: str) -> dict[str, Any]:
        """Wait for the end of a job, or until it has one of these statuses."""
        ended = (lambda one: one["Status"] in statuses) if statuses else lambda one: one["Status"] not in GOING
        return until(lambda: self.describe(name), ended)

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.wait(self.start(request))

    def steps(self, name: str, **filters: Any) -> list[dict[str, Any]]:
        answer = self.sagemaker.list_inference_recommendations_job_steps(JobName=name, **filters)
        found: list[dict[str, Any]] = answer["Steps"]
        return found

    def log(self, name: str, stream: str = "execution") -> str:
        events = self.logs.get_log_events(logGroupName=GROUP, logStreamName=f"{name}/{stream}")["events"]
        return "\n".join(event["message"] for event in events)

    def left(self) -> list[str]:
        """The names of the endpoints, configurations and models that jobs have made and not removed."""
        found = []
        for kind in LEFT:
            (answer,) = (
                each
                for each in getattr(self.sagemaker, f"list_{kind}")(MaxResults=100).values()
                if isinstance(each, list)
            )
            names = [value for row in answer for member, value in row.items() if member.endswith("Name")]
            found += [name for name in names if name.startswith(("sm-epc-", "advice-"))]
        return found


def add_image(cloud: LocalCloud, folder: Path) -> str:
    """The name of an image with SERVE."""
    (folder / "serve").write_text(SERVE)
    (folder / "serve").chmod(0o755)
    return OwnImages(cloud.home.images).add(f"serves-{uuid.uuid4().hex[:12]}:1", folder)
