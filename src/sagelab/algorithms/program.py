"""What the program of a built-in algorithm of Amazon's own has in common with the others: its log, and its end.

Lines are as such jobs leave them in CloudWatch; SageMaker reads metrics from those that begin with `#`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

from sagelab.algorithms.job import Job, UserError

USERS_FAULT = 2  # exit code of a job whose input is at fault: its FailureReason is a ClientError


def main(train: Callable[[Job], None], job: Job | None = None) -> NoReturn:
    """Train, and end with 0; with 2 where the user has to put something right, with 1 for any other error."""
    job = job or Job()
    try:
        train(job)
    except UserError as error:
        line(f"Customer Error: {error}", "ERROR")
        job.fail(str(error))
        sys.exit(USERS_FAULT)
    except Exception as error:
        traceback.print_exc()
        job.fail(f"{type(error).__name__}: {error}")
        sys.exit(1)
    sys.exit(0)


def line(text: str, level: str = "INFO") -> None:
    """A line of the log."""
    print(f"[{datetime.now(UTC):%m/%d/%Y %H:%M:%S} {level} {threading.get_ident()}] {text}", flush=True)


def warn(text: str) -> None:
    line(text, "WARNING")


def quality(host: str, what: str, value: float, *, loss: bool = False, epoch: int | None = None) -> None:
    """A metric. what: "train mse", with the channel first. loss: it is better the lower it is."""
    number = "" if epoch is None else f"epoch={epoch}, "
    line(f"#quality_metric: host={host}, {number}{what} <{'loss' if loss else 'score'}>={value!r}")


def progress(host: str, done: int, whole: int) -> None:
    """How much of the epochs is behind."""
    line(f"#progress_metric: host={host}, completed {100 * done / whole:g} % of epochs")


def throughput(host: str, rows: int, began: float) -> None:
    """Rows of the training channel in a second. began: by time.monotonic()."""
    rate = rows / max(time.monotonic() - began, 1e-9)
    line(f"#throughput_metric: host={host}, train throughput={rate!r} records/second")


def figures(algorithm: str, host: str, values: dict[str, float], **dimensions: int) -> None:
    """A line of `#metrics`, of what was measured now."""
    now = time.time()
    found = {"Algorithm": algorithm, "Host": host, "Operation": "training"} | dimensions
    metrics = {name: {"sum": value, "count": 1, "min": value, "max": value} for name, value in values.items()}
    record = {"StartTime": now, "EndTime": now, "Dimensions": found, "Metrics": metrics}
    print(f"#metrics {json.dumps(record)}\n", flush=True)
