"""How the process of a local cloud ends: what ran tells its end and its last lines before anything closes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagelab.cloud import control
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.home import Home
from sagelab.cloud.store import Store
from tests import clouds
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Jobs

pytestmark = pytest.mark.slow

LINES = 12_000
TALKS_AT_ITS_END = f"""
import http.server, os, signal

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

def end(*_):
    for number in range({LINES}):
        print("last words", number, flush=True)
    os._exit(0)

signal.signal(signal.SIGTERM, end)
port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", 8080))
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/talks:1"


def test_all_that_a_server_says_at_its_end_is_in_its_log(home: Home, tmp_path: Path) -> None:
    serve = tmp_path / "image/serve"
    serve.parent.mkdir()
    serve.write_text('#!/bin/sh\npython3 "$(dirname "$0")/server.py"\n')
    serve.with_name("server.py").write_text(TALKS_AT_ITS_END)
    serve.chmod(0o755)
    OwnImages(home.images).add(IMAGE, serve.parent)
    before = Hosting(clouds.start(home))
    name = before.start(before.config(before.model(None, Image=IMAGE)))
    assert before.wait(name)["EndpointStatus"] == "InService", before.describe(name)
    control.down(home)

    logs = clouds.start(home).client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/sagemaker/Endpoints/{name}", filterPattern='"last words"'
    )
    found = [int(event["message"].split()[-1]) for page in pages for event in page["events"]]
    assert sorted(found) == list(range(LINES))


def test_a_job_that_waits_for_its_runtime_tells_its_end_before_the_store_closes(home: Home) -> None:
    jobs = Jobs(clouds.start(home))
    request = jobs.script("print('never')")
    arn = jobs.sagemaker.create_training_job(**request)["TrainingJobArn"]
    control.down(home)
    store = Store(home.database)
    job = store.get(arn)
    store.close()
    assert job["TrainingJobStatus"] == "Failed"
    assert "The local cloud ended while the job was running" in job["FailureReason"]
    assert "Traceback" not in home.log.read_text()
