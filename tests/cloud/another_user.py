"""What test_another_user.py runs as a user who is not root: jobs and servers that close their folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import botocore.exceptions
import pytest

from sagelab.cloud import control
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.home import Home
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs
from tests.cloud.kills import kill
from tests.conftest import LocalCloud
from tests.waiting import until

CLOSE = (  # 256 characters at most
    "cd /opt/ml; for p in model output/data checkpoints x ${TMPDIR:-/tmp} $HOME; do mkdir -p $p/c/b;"
    " echo kept >$p/c/b/f; chmod 0 $p/c/b/f $p/c/b $p/c; done; chmod 0 x checkpoints; "
)
SERVE = """#!/usr/bin/env python3
import http.server, os, pathlib

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer()

    def do_POST(self):
        if self.rfile.read(int(self.headers["Content-Length"])) == b"close":
            for place in (os.environ["HOME"], os.environ.get("TMPDIR", "/tmp")):
                folder = pathlib.Path(place, "closed")
                (folder / "below").mkdir(parents=True, exist_ok=True)
                (folder / "below").chmod(0)
                folder.chmod(0)
            os._exit(1)
        self.answer()

    def answer(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    assert os.getuid()
    home = Home(tmp_path_factory.mktemp("mine"))
    yield LocalCloud(home, control.up(home))
    control.down(home)


def left(cloud: LocalCloud) -> list[Path]:
    return list(cloud.home.jobs.iterdir())


def test_a_job_that_closes_its_folders_completes_and_leaves_nothing(mine: LocalCloud) -> None:
    jobs = Jobs(mine)
    checkpoints = {"S3Uri": f"s3://{jobs.bucket}/checkpoints"}
    job = jobs.run(jobs.shell(CLOSE, CheckpointConfig=checkpoints))
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert jobs.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"c/b/f": b"kept\n"}
    listed = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="checkpoints/")["Contents"]
    assert [one["Key"] for one in listed] == ["checkpoints/c/b/f"]
    assert left(mine) == []


def test_a_server_that_closes_its_folders_starts_again_and_leaves_nothing(
    mine: LocalCloud, tmp_path: Path
) -> None:
    (tmp_path / "serve").write_text(SERVE)
    (tmp_path / "serve").chmod(0o755)
    hosting = Hosting(mine)
    model = hosting.model(None, Image=OwnImages(mine.home.images).add("own:1", tmp_path))
    name = hosting.serve(hosting.config(model))
    assert invoke(hosting, name, b"ask") == b"ok"
    assert invoke(hosting, name, b"close") == b""
    until(lambda: hosting.log(name), lambda log: "start number 2" in log)
    until(lambda: invoke(hosting, name, b"ask"), lambda said: said == b"ok")
    hosting.delete(name)
    assert left(mine) == []


def test_a_kill_and_the_end_leave_nothing_that_a_job_closed(mine: LocalCloud) -> None:
    jobs, home = Jobs(mine), mine.home
    request = jobs.shell(f"{CLOSE}echo ok; sleep 60")
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(request["TrainingJobName"], "ok")
    kill(home)
    assert len(left(mine)) == 1
    control.up(home)
    assert left(mine) == []
    control.reset(home)
    assert not (home.path / "jobs").exists()


def invoke(hosting: Hosting, name: str, body: bytes) -> bytes:
    try:
        answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=body)
    except botocore.exceptions.ClientError:
        return b""
    return bytes(answer["Body"].read())
