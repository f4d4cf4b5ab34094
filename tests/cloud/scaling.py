"""Endpoints that scale, as tests make them: real servers of a few lines, targets and policies, through boto3."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from sagelab.cloud.engine.images.own import OwnImages
from tests import signers
from tests.cloud.endpoints import Hosting
from tests.conftest import LocalCloud
from tests.waiting import until

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
IMAGE = "scaled:1"
SERVE = """#!/usr/bin/env python3
import http.server, os, time

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        while os.path.exists("hold"):
            time.sleep(0.05)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = answer

port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""
INVOCATIONS = {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}


def user(cloud: LocalCloud, name: str, *actions: str) -> boto3.Session:
    """A session of a new user who may do these on everything."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return signers.session(key["AccessKeyId"], key["SecretAccessKey"])


def add_image(cloud: LocalCloud, folder: Path, name: str = IMAGE) -> str:
    """The image that endpoints here serve with; none of them answers while its folder has a file `hold`."""
    (folder / "serve").write_text(SERVE)
    (folder / "serve").chmod(0o755)
    return OwnImages(cloud.home.images).add(name, folder)


@dataclass
class Scaling:
    """Makes endpoints of variants v1, v2, ... and scales them."""

    hosting: Hosting
    image: str
    api: Any = field(init=False)

    def __post_init__(self) -> None:
        self.api = self.hosting.cloud.client("application-autoscaling")
        self.cloudwatch = self.hosting.cloud.client("cloudwatch")

    def config(self, count: int = 1, variants: int = 1, **variant: Any) -> str:
        models = [self.hosting.model(None, Image=self.image) for _ in range(variants)]
        return self.hosting.config(*models, count=count, **variant)

    def endpoint(self, count: int = 1, variants: int = 1) -> str:
        return self.hosting.serve(self.config(count, variants))

    def named(self, endpoint: str, variant: str = "v1") -> dict[str, str]:
        """What names a target in requests."""
        facts = {"ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/{endpoint}/variant/{variant}"}
        return facts | {"ScalableDimension": DIMENSION}

    def register(self, endpoint: str, least: int = 1, most: int = 4, **more: Any) -> str:
        """The ARN of a target, of variant v1."""
        bounds = {"MinCapacity": least, "MaxCapacity": most}
        return str(
            self.api.register_scalable_target(**self.named(endpoint), **bounds, **more)["ScalableTargetARN"]
        )

    def track(self, endpoint: str, target: float, name: str = "tracking", **more: Any) -> dict[str, Any]:
        """The answer to a new policy that keeps invocations an instance at a target."""
        configuration = {"TargetValue": target} | (more or INVOCATIONS)
        found: dict[str, Any] = self.api.put_scaling_policy(
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=configuration,
            **self.named(endpoint),
        )
        return found

    def activities(self, endpoint: str, whole: bool = False) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.describe_scaling_activities(
            ServiceNamespace="sagemaker",
            ResourceId=self.named(endpoint)["ResourceId"],
            IncludeNotScaledActivities=whole,
        )["ScalingActivities"]
        return found

    def done(self, endpoint: str, count: int = 1) -> list[dict[str, Any]]:
        """The activities of an endpoint, once there are so many, and all are over."""
        return until(
            lambda: self.activities(endpoint),
            lambda found: len(found) >= count and all("EndTime" in one for one in found),
        )

    def count(self, endpoint: str) -> int:
        return int(self.hosting.describe(endpoint)["ProductionVariants"][0]["CurrentInstanceCount"])
