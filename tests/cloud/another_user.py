"""What test_another_user.py runs as a user who is not root: a whole local cloud, with folders that its code closes.

    python -m tests.cloud.another_user HOME

It fails with what is wrong, and prints `done` at its end.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import botocore.exceptions

from sagelab.cloud import control
from sagelab.cloud.engine.images.own import OwnImages
from sagelab.cloud.home import Home
from tests.cloud.endpoints import Hosting
from tests.cloud.jobs import Gate, Jobs
from tests.cloud.kills import kill
from tests.conftest import LocalCloud
from tests.waiting import until

CLOSE = """
for place in /opt/ml/model /opt/ml/output/data /opt/ml/checkpoints /opt/ml/other "$TMPDIR" "$HOME"; do
  mkdir -p "$place/closed/below"; echo kept > "$place/closed/below/file"
  chmod 0 "$place/closed/below/file" "$place/closed/below" "$place/closed"
done
chmod 0 /opt/ml/other /opt/ml/checkpoints
"""
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


def train(cloud: LocalCloud) -> None:
    """A job that closes its folders completes, and what it made is there."""
    jobs = Jobs(cloud)
    checkpoints = {"S3Uri": f"s3://{jobs.bucket}/checkpoints"}
    job = jobs.run(jobs.shell(CLOSE, CheckpointConfig=checkpoints))
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    assert jobs.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"closed/below/file": b"kept\n"}
    listed = jobs.s3.list_objects_v2(Bucket=jobs.bucket, Prefix="checkpoints/")["Contents"]
    assert [one["Key"] for one in listed] == ["checkpoints/closed/below/file"]


def serve(cloud: LocalCloud, folder: Path) -> None:
    """A server that closes its folders and ends is started again; its endpoint can be deleted."""
    folder.mkdir()
    (folder / "serve").write_text(SERVE)
    (folder / "serve").chmod(0o755)
    hosting = Hosting(cloud)
    name = hosting.serve(
        hosting.config(hosting.model(None, Image=OwnImages(cloud.home.images).add("own:1", folder)))
    )
    assert invoke(hosting, name, b"ask") == b"ok"
    assert invoke(hosting, name, b"close") == b""
    until(lambda: hosting.log(name), lambda log: "start number 2" in log)
    until(lambda: invoke(hosting, name, b"ask"), lambda said: said == b"ok")
    hosting.delete(name)


def invoke(hosting: Hosting, name: str, body: bytes) -> bytes:
    try:
        answer = hosting.runtime.invoke_endpoint(EndpointName=name, Body=body)
    except botocore.exceptions.ClientError:
        return b""
    return bytes(answer["Body"].read())


def leave(cloud: LocalCloud) -> None:
    """The local cloud is killed while a job runs that has closed its folders."""
    jobs = Jobs(cloud)
    request = jobs.shell(f"{CLOSE}echo closed; {Gate(cloud.home).wait}")
    jobs.sagemaker.create_training_job(**request)
    jobs.wait_log(request["TrainingJobName"], "closed")
    kill(cloud.home)


def main() -> None:
    home = Home(sys.argv[1])
    assert os.getuid()
    cloud = LocalCloud(home, control.up(home))
    try:
        train(cloud)
        assert list(home.jobs.iterdir()) == []
        serve(cloud, home.path.parent / "program")
        assert list(home.jobs.iterdir()) == []
        leave(cloud)
        assert len(list(home.jobs.iterdir())) == 1
        control.up(home)
        assert list(home.jobs.iterdir()) == []
    finally:
        control.down(home)
    control.reset(home)
    assert not (home.path / "jobs").exists()
    print("done")


if __name__ == "__main__":
    main()
