"""Bootstrap actions: scripts of S3 that an instance runs before anything else.

https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-plan-bootstrap.html
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from sagelab.spark.emr import logs
from sagelab.spark.emr.cluster import Cluster
from sagelab.spark.emr.objects import fetch


def run(cluster: Cluster, actions: list[dict[str, Any]]) -> tuple[int, int]:
    """(the number of the action that failed, its exit code); (0, 0): none did."""
    for number, action in enumerate(actions, start=1):
        folder = Path(tempfile.mkdtemp(prefix=f"bootstrap-{number}-"))
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            code = _one(action, folder, out, err)
        (folder / "controller").write_text(f"{action['path']} {action.get('args', [])}: exit code {code}\n")
        for name in ("controller", "stdout", "stderr"):
            place = f"node/{cluster.instance}/bootstrap-actions/{number}/{name}"
            logs.put(cluster.logs, place, folder / name)
        if code:
            return number, code
    return 0, 0


def _one(action: dict[str, Any], folder: Path, out: Any, err: Any) -> int:
    script = folder / "script"
    try:
        fetch(action["path"], script)
        script.chmod(0o755)
        command = [str(script), *action.get("args", [])]
        return subprocess.run(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL).returncode & 0xFF
    except Exception as error:  # it is not there, or is no program
        err.write(f"{error}\n".encode())
        return 1
