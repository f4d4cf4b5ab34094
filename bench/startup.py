"""How long a local cloud takes to be there, and what it weighs while nobody uses it."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from place import Place, new_home
from table import Result

from sagelab.cloud import control
from sagelab.cloud.home import ROLE_NAME, Home

MB = 1_000_000


def up(quick: bool) -> Iterator[Result]:
    """`sagelab up --detach` on a new home until it returns, and the memory of what it started."""
    times, weights = [], []
    for _ in range(2 if quick else 5):
        with new_home() as home:
            times.append(_time_up(home))
            _call_each(home)
            weights.append(_weigh(home))
    seen = f"median of {len(times)} on new homes; slowest {max(times):.2f} s"
    yield Result("sagelab up --detach until it is ready", statistics.median(times), 2.0, "s", seen=seen)
    resident, share = (max(one[side] for one in weights) / MB for side in (0, 1))
    seen = f"resident, S3, IAM, STS, Logs, CloudWatch and SageMaker loaded; proportional share {share:.0f} MB"
    yield Result("memory of an idle local cloud", resident, 250, "MB", seen=seen)


def _time_up(home: Home) -> float:
    command = [str(Path(sys.executable).with_name("sagelab")), "up", "--detach", "--home", str(home.path)]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _call_each(home: Home) -> None:
    """One call of each service that is loaded ahead, so that all of it is there when it is weighed."""
    status = control.status(home)
    assert status is not None
    place = Place("local cloud", status.url, home.credentials())
    place.client("s3").list_buckets()
    place.client("iam").get_role(RoleName=ROLE_NAME)
    place.client("sts").get_caller_identity()
    place.client("logs").describe_log_groups()
    place.client("cloudwatch").list_metrics()
    place.client("sagemaker").list_training_jobs()


def _weigh(home: Home) -> tuple[int, int]:
    """(resident, proportional) bytes of the local cloud's process and of all that it started."""
    status = control.status(home)
    assert status is not None
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in _family(status.pid)]
    resident, proportional = (sum(_kilobytes(text, name) for text in rollups) for name in ("Rss", "Pss"))
    return resident << 10, proportional << 10


def _family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _kilobytes(rollup: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", rollup, re.MULTILINE)
    assert found, f"no {name} in smaps_rollup"
    return int(found[1])
