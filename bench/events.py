"""How long an event takes: from PutEvents, and from the end of a job, to the queue that a rule sends it to.

Clients are made once: that of a busy process takes longer than an event.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

from jobs import Jobs
from place import Place, local_cloud
from table import Result

LIMIT = 0.3  # seconds
CLIENTS: dict[tuple[str, str], Any] = {}  # (URL of a place, service) -> its client
ACCOUNT = "123456789012"


def events(quick: bool) -> Iterator[Result]:
    """Single events, a crowd of them, and a training job's last one."""
    with local_cloud() as place:
        url = _hear(place)
        count = 10 if quick else 100
        single = [_deliver(place, url) for _ in range(count)]
        seen = f"median {statistics.median(single):.3f} s of {count}"
        yield Result("PutEvents to the message in a queue, 95 of 100", _high(single), LIMIT, "s", seen=seen)
        crowd = 10 * count
        start = time.perf_counter()
        for _ in range(crowd // 10):
            _client(place, "events").put_events(Entries=[_entry() for _ in range(10)])
        _take(place, url, crowd)
        spent = time.perf_counter() - start
        yield Result(f"{crowd} events to a queue, each", spent / crowd, LIMIT, "s", seen=f"{spent:.1f} s in all")
        yield _of_job(place, url)


def _client(place: Place, service: str) -> Any:
    key = (place.url, service)
    if key not in CLIENTS:
        CLIENTS[key] = place.client(service)
    return CLIENTS[key]


def _of_job(place: Place, url: str) -> Result:
    jobs = Jobs(place)
    _client(place, "events").put_rule(
        Name="bench", EventPattern='{"source": ["aws.sagemaker"], "detail": {"TrainingJobStatus": ["Completed"]}}'
    )
    jobs.run(jobs.shell("true"), 0.05)
    (event,) = _take(place, url, 1)
    late = time.time() - event["detail"]["TrainingEndTime"] / 1000
    return Result("a job's end to the message, and its receipt", late, 2 * LIMIT, "s", seen="one job")


def _hear(place: Place) -> str:
    """A rule for what the benchmark puts, and the URL of its queue."""
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:bench"
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow | {"Resource": arn}]})
    url = _client(place, "sqs").create_queue(QueueName="bench", Attributes={"Policy": policy})["QueueUrl"]
    _client(place, "events").put_rule(Name="bench", EventPattern='{"source": ["bench"]}')
    _client(place, "events").put_targets(Rule="bench", Targets=[{"Id": "1", "Arn": arn}])
    return str(url)


def _entry() -> dict[str, str]:
    return {"Source": "bench", "DetailType": "t", "Detail": json.dumps({"at": time.time()})}


def _deliver(place: Place, url: str) -> float:
    """Seconds from the request to the receipt."""
    _client(place, "events").put_events(Entries=[_entry()])
    (event,) = _take(place, url, 1)
    return time.time() - float(event["detail"]["at"])


def _take(place: Place, url: str, count: int) -> list[Any]:
    """So many events out of the queue."""
    sqs, found = _client(place, "sqs"), list[Any]()
    while len(found) < count:
        asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 10}
        got = sqs.receive_message(**asked).get("Messages", [])
        found += [json.loads(one["Body"]) for one in got]
        entries = [{"Id": str(at), "ReceiptHandle": one["ReceiptHandle"]} for at, one in enumerate(got)]
        if entries:
            sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return found


def _high(values: list[float]) -> float:
    """The value that 95 of 100 do not exceed."""
    return sorted(values)[max(0, round(len(values) * 0.95) - 1)]
