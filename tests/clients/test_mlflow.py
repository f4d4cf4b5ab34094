"""MLflow's deployment to SageMaker, unmodified, with an image of one's own in the place of MLflow's container."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import pytest

from tests.clients.conftest import SCRIPTS, Run, check
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import ROLE
from tests.conftest import LocalCloud, Sagelab

pytestmark = pytest.mark.long
# What MLflow's own image runs.
SERVE = """#!/bin/sh
export __pyfunc_model_path__=/opt/ml/model
exec python3 -m uvicorn --host 127.0.0.1 --port 8080 mlflow.pyfunc.scoring_server.app:app
"""


def test_a_deployment_is_made_asked_updated_and_deleted(
    cloud: LocalCloud, sagelab: Sagelab, run: Run, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    image.mkdir()
    (image / "serve").write_text(SERVE)
    (image / "serve").chmod(0o755)
    name, hosting = f"mlflow-{uuid.uuid4().hex[:8]}", Hosting(cloud)
    uri = f"{cloud.home.account}.dkr.ecr.us-east-1.amazonaws.com/{name}:1"
    added = sagelab("image", "add", uri, str(image), home=cloud.home.path)
    assert added.returncode == 0, added.stderr
    script = str(SCRIPTS / "deployment_mlflow.py")
    check(run(sys.executable, script, ROLE, hosting.bucket, uri, name, cwd=tmp_path))
