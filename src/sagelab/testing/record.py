"""What tests make of SageMaker's: its log for the report of a test that fails, its end where it is left running.

Every call of boto3 and of both SDKs goes through one method of botocore, where what was made is noted. How a kind
is called, described and ended, and where its log is, the catalog says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any

import pytest
from botocore import xform_name
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sagelab import catalog
from sagelab.catalog import Kind
from sagelab.testing.cloud import REGION, LocalCloud

LINES, WIDTH = 40, 500  # of a log that a report has
MOST = 10  # resources that a report tells of
TRIALS = 3  # failed ones of a tuning job
TUNING, TRAINING = (catalog.of_stem(stem) for stem in ("HyperParameterTuningJob", "TrainingJob"))
MAKES = ("Create", "Start")
QUICK = Config(connect_timeout=5, read_timeout=5, retries={"max_attempts": 0})
Section = tuple[str, str]  # of a report: its title, its text


@dataclass(frozen=True)
class Made:
    """A resource that a test made. name: or its ARN. owner: a fixture of a wider scope, where one made it."""

    cloud: LocalCloud
    kind: Kind
    name: str
    region: str
    owner: str | None = None


class Record:
    """What the tests of this process have made on the local clouds that it watches."""

    def __init__(self) -> None:
        self._clouds: dict[str, LocalCloud] = {}
        self._made: dict[tuple[str, str, str, str], Made] = {}
        self._owner: str | None = None
        self._patch = pytest.MonkeyPatch()

    def watch(self, cloud: LocalCloud) -> None:
        """Note what is made there from now on."""
        if not self._clouds:
            self._patch.setattr(BaseClient, "_make_api_call", self._noting(BaseClient._make_api_call))
        self._clouds[cloud.url] = cloud

    def close(self) -> None:
        self._patch.undo()

    @contextmanager
    def owned(self, fixture: str) -> Iterator[None]:
        """What is made in the block outlives the test: a fixture of a wider scope has made it."""
        before, self._owner = self._owner, self._owner or fixture
        try:
            yield
        finally:
            self._owner = before

    def end(self) -> None:
        """Ask all that the test has left running to end, and forget what it made."""
        for made in [made for made in self._made.values() if made.owner is None]:
            with suppress(ClientError, BotoCoreError):  # it has ended, or its local cloud has
                _end(made)
        self._made = {key: made for key, made in self._made.items() if made.owner}

    def sections(self, fixtures: Collection[str]) -> list[Section]:
        """How all stands that the test and these fixtures of it made, with the end of each one's log."""
        made = [made for made in self._made.values() if made.owner is None or made.owner in fixtures]
        found = [section for each in made for one in (each, *_trials(each)) if (section := _section(one))]
        left_out = [("sagelab", f"{len(found) - MOST} made before these are left out")] if found[MOST:] else []
        return left_out + found[-MOST:]

    def _noting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def noting(client: Any, operation: str, params: dict[str, Any]) -> Any:
            answer = call(client, operation, params)
            cloud = self._clouds.get(client.meta.endpoint_url.rstrip("/"))
            if cloud and client.meta.service_model.service_name == "sagemaker":
                self._note(cloud, client.meta.region_name, operation, params | answer)
            return answer

        return noting

    def _note(self, cloud: LocalCloud, region: str, operation: str, facts: dict[str, Any]) -> None:
        kind = catalog.of_operation(operation)
        if kind and operation in map(kind.operation, MAKES) and (name := kind.name_of(facts)):
            made = Made(cloud, kind, name, region, self._owner)
            self._made.setdefault((cloud.url, region, kind.stem, name), made)


def _section(made: Made) -> Section | None:
    """None: it is a record that neither runs nor fails, such as a model."""
    try:
        facts = _ask(made, "Describe")
        status = facts.get(made.kind.status_member)
        if status is None:
            return None
        reason = [f"FailureReason: {facts['FailureReason']}"] if facts.get("FailureReason") else []
        text = "\n".join([*reason, *_log(made)]) or "There is no log."
    except (ClientError, BotoCoreError) as error:
        status, text = "unknown", f"It cannot be read any more: {error}"
    return f"sagelab: {made.kind.noun} {made.name}: {status}", text


def _trials(made: Made) -> list[Made]:
    """The training jobs of a tuning job that failed, the first few."""
    if made.kind != TUNING:
        return []
    with suppress(ClientError, BotoCoreError):
        answer = _client(made, "sagemaker").list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=made.name, StatusEquals="Failed", MaxResults=TRIALS
        )
        names = [job["TrainingJobName"] for job in answer["TrainingJobSummaries"]]
        return [Made(made.cloud, TRAINING, name, made.region) for name in names]
    return []


def _end(made: Made) -> None:
    """Take the first step of its removal, if it is something that runs."""
    if made.kind.running:
        _ask(made, made.kind.removal[0].verb)


def _ask(made: Made, verb: str) -> dict[str, Any]:
    act = getattr(_client(made, "sagemaker"), xform_name(made.kind.operation(verb)))
    answer: dict[str, Any] = act(**{made.kind.name_member: made.name})
    return answer


def _log(made: Made) -> list[str]:
    """The last lines of its log; with several streams (hosts, servers) each line says which one it is of."""
    found = [event for region in {made.region, REGION} for event in _events(made, region)]
    events = sorted(found, key=lambda event: event[0])
    several = len({stream for _, stream, _ in events}) > 1
    lines = [f"{stream} | {message}" if several else message for _, stream, message in events]
    return [line[:WIDTH] for line in lines[-LINES:]]


def _events(made: Made, region: str) -> Iterator[tuple[int, str, str]]:
    """Time, stream and text of the last events of each stream. The local cloud writes all regions' logs in one."""
    if made.kind.log is None:
        return
    logs = _client(made, "logs", region)
    group, start = (part.format(name=made.name) for part in (made.kind.log.group, made.kind.log.streams))
    with suppress(logs.exceptions.ResourceNotFoundException):
        named = {"logStreamNamePrefix": start} if start else {}
        for stream in logs.describe_log_streams(logGroupName=group, **named)["logStreams"]:
            name = stream["logStreamName"]
            if not start or name.partition("/")[0] == made.name:
                found = logs.get_log_events(logGroupName=group, logStreamName=name, limit=LINES)["events"]
                yield from ((one["timestamp"], _short(name), one["message"].rstrip()) for one in found)


def _short(stream: str) -> str:
    """The host of a stream: "algo-1" of "job/algo-1-1700000000"."""
    return re.sub(r"-\d{10,}$", "", stream.rpartition("/")[2])


def _client(made: Made, service: str, region: str | None = None) -> Any:
    return _clients(made.cloud, made.cloud.url, service, region or made.region)


@cache
def _clients(cloud: LocalCloud, url: str, service: str, region: str) -> Any:
    """A client made once; url: where the local cloud is now, for it may have had to move."""
    return cloud.session(region).client(service, endpoint_url=url, config=QUICK)
