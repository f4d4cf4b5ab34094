"""One batch transform: model servers as an endpoint has them, and every object of the input through them.

An object whose data is bad has no output and fails the job; the others are transformed all the same:
https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform.html
"""

from __future__ import annotations

import gzip
import io
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.data import channels
from sagelab.cloud.engine.hosting import chain
from sagelab.cloud.engine.hosting.client import Reply, ServerUnavailable
from sagelab.cloud.engine.hosting.instance import Instance
from sagelab.cloud.engine.hosting.server import VariantSpec, close_all
from sagelab.cloud.engine.jobs import batches, frames
from sagelab.cloud.engine.jobs.attempt import NO_WAY
from sagelab.cloud.engine.jobs.batches import BadData, Processing, Shape
from sagelab.cloud.engine.jobs.jsonpath import Expression
from sagelab.cloud.engine.jobs.logs import Stream
from sagelab.cloud.engine.jobs.run import JobRun, Report, Step
from sagelab.cloud.errors import ClientError

LOG_GROUP = "/aws/sagemaker/TransformJobs"
MB = 1 << 20
RETRY_PAUSE = 0.2
SHOWN = 500  # characters of a model's words that are told


@dataclass(frozen=True)
class Item:
    """One object of the input. name: of its output, without .out."""

    location: channels.Location
    name: str


class TransformRun(JobRun):
    """The life of one transform job. spec: its model servers, as a variant of an endpoint; count: of instances."""

    def __init__(self, job: dict[str, Any], spec: VariantSpec, context: EngineContext, report: Report) -> None:
        super().__init__(job["TransformJobName"], report)
        self.job, self.spec, self.context = job, spec, context.inside(spec.vpc)
        self.servers = [chain.make(self.job_name, spec, context) for _ in range(spec.count)]
        self.s3: Any = None  # with the rights of the model's role
        self.shape = read_shape(job)
        self.troubles: list[str] = []

    def work(self) -> None:
        self.s3 = self.context.client_as(self.spec.role, "s3")
        items = self._list()
        self._start_servers()
        self.report(Step("InProgress", facts={"TransformStartTime": datetime.now(UTC)}))
        with ThreadPoolExecutor(self.spec.count) as pool:
            lots = [items[number :: self.spec.count] for number in range(self.spec.count)]
            done = [pool.submit(self._feed, *each) for each in zip(self.servers, lots, strict=True)]
            for one in done:
                one.result()
        self.go_on()
        if self.troubles:
            raise self._failure()

    def _start_servers(self) -> None:
        with ThreadPoolExecutor(self.spec.count) as pool:
            for started in [pool.submit(server.start) for server in self.servers]:
                try:
                    started.result()
                except Exception:
                    self.go_on()  # it was closed while it started
                    raise

    def halt(self, now: bool) -> None:  # noqa: ARG002 - a server has nothing to finish
        for server in self.servers:
            threading.Thread(target=server.close, daemon=True).start()

    def clean(self) -> None:
        close_all(self.servers)

    def _failure(self) -> ClientError:
        more = f" ({len(self.troubles) - 1} more objects failed)" if len(self.troubles) > 1 else ""
        return ClientError(f"{self.troubles[0]}{more} See job logs for more information.")

    def _list(self) -> list[Item]:
        source = self.job["TransformInput"]["DataSource"]["S3DataSource"]
        self.context.require_s3(f"Data download failed:{NO_WAY}")
        try:
            found = channels.list_files(self.s3, source)
        except botocore.exceptions.ClientError as error:
            raise ClientError(f"Data download failed: {source['S3Uri']}: {error}") from error
        return [Item(location, name) for location, name in found]

    # One instance

    def _feed(self, server: Instance, items: list[Item]) -> None:
        """Send an instance its objects, so many requests at a time."""
        at_once = self.job["MaxConcurrentTransforms"]
        now = int(time.time())
        log = Stream(self.context.client("logs"), LOG_GROUP, f"{self.job_name}/{server.instance}-{now}/data-log")
        log.write(
            f"MaxConcurrentTransforms={at_once}, MaxPayloadInMB={self.job['MaxPayloadInMB']},"
            f" BatchStrategy={self.job['BatchStrategy']}"
        )
        with ExitStack() as stack:
            stack.callback(log.flush)
            requests = stack.enter_context(ThreadPoolExecutor(at_once))
            objects = stack.enter_context(ThreadPoolExecutor(at_once))
            work = Work(self, server, requests, log)
            for done in [objects.submit(work.transform, item) for item in items]:
                done.result()


class Work:
    """The objects of one instance on their way through it."""

    def __init__(self, run: TransformRun, server: Instance, requests: ThreadPoolExecutor, log: Stream) -> None:
        self.run, self.server, self.requests, self.log = run, server, requests, log
        self.job = run.job
        client = run.job.get("ModelClientConfig", {})
        self.retries: int = client.get("InvocationsMaxRetries", 3)

    def transform(self, item: Item) -> None:
        """One object: read, cut, asked, put together, written. What goes wrong is noted, not raised."""
        if self.run.ending:
            return
        try:
            payloads, room = batches.cut(self._read(item), self.run.shape), Room(channels.WHOLE)
            answers = [self.requests.submit(self._answer, records, room) for records in payloads]
            body = batches.assemble([answer.result() for answer in answers], self.run.shape)
            self._write(item, body)
        except (BadData, Refused, ServerUnavailable, botocore.exceptions.ClientError) as error:
            self._note(item, error)

    def _note(self, item: Item, error: Exception) -> None:
        if self.run.ending:
            return
        where = f"{item.location.bucket}/{item.location.key}"
        for line in (f"ClientError: {error}"[:SHOWN]).splitlines():
            self.log.write(f"{where}: {line}")
        self.run.troubles.append(f"{item.location}: {error}"[:SHOWN])

    def _read(self, item: Item) -> bytes:
        try:
            body = channels.read_whole(self.run.s3, item.location)
        except ValueError as error:
            raise BadData(str(error)) from error
        if self.job["TransformInput"].get("CompressionType", "None") != "Gzip":
            return body
        try:
            with gzip.open(io.BytesIO(body)) as packed:
                unzipped = packed.read(channels.WHOLE + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise BadData(f"it is not gzip: {error}") from error
        Room(channels.WHOLE).take(unzipped)
        return unzipped

    def _answer(self, records: list[bytes], room: Room) -> bytes:
        """What comes back for one payload, joined and filtered. room: of all of an object's.

        Refused, ServerUnavailable: the model does not answer it.
        """
        how = read_processing(self.job, None)
        reply = self._ask(batches.filter_input(records, how))
        room.take(reply.body)
        return batches.finish(records, reply.body, read_processing(self.job, reply.headers.get("content-type")))

    def _ask(self, body: bytes) -> Reply:
        headers = {"Accept": self.job["TransformOutput"].get("Accept", "*/*")}
        if "ContentType" in self.job["TransformInput"]:  # else the container's own default counts
            headers["Content-Type"] = self.job["TransformInput"]["ContentType"]
        for attempt in range(self.retries + 1):
            try:
                reply = self.server.invoke("/invocations", headers, body)
            except ServerUnavailable:
                if attempt == self.retries or self.run.ending:
                    raise
                self._wait_ready()
                continue
            if reply.status < 400:
                return reply
            if reply.status < 500 or attempt == self.retries:
                raise Refused(reply)
        raise AssertionError("the last attempt returns or raises")

    def _wait_ready(self) -> None:
        """A server that died is started again: wait until it answers, or the job is asked to stop."""
        limit = time.monotonic() + self.run.spec.startup
        time.sleep(RETRY_PAUSE)  # until its end is noticed
        while not (self.server.ready or self.run.ending) and time.monotonic() < limit:
            time.sleep(RETRY_PAUSE)

    def _write(self, item: Item, body: bytes) -> None:
        output = self.job["TransformOutput"]
        location = channels.locate(output["S3OutputPath"]).join(f"{item.name}.out")
        key = output.get("KmsKeyId")
        extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
        self.run.s3.put_object(Bucket=location.bucket, Key=location.key, Body=body, **extra)


class Room:
    """Bytes that may be held in memory, for several threads."""

    def __init__(self, size: int) -> None:
        self._size, self._left, self._lock = size, size, threading.Lock()

    def take(self, content: bytes) -> None:
        """BadData: there is not as much left."""
        with self._lock:
            self._left -= len(content)
            if self._left < 0:
                raise BadData(f"it is larger than {self._size >> 20} MB in all")


class Refused(Exception):
    """The model answered with an error: its status and its words."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{reply.status}\nMessage: {reply.body.decode(errors='replace')[:SHOWN]}")


def read_shape(job: dict[str, Any]) -> Shape:
    """How a job's objects are cut and put together."""
    split = job["TransformInput"].get("SplitType", "None")
    return Shape(
        lines=split == "Line",
        single=job["BatchStrategy"] == "SingleRecord",
        limit=job["MaxPayloadInMB"] * MB,
        assemble_lines=job["TransformOutput"].get("AssembleWith", "None") == "Line",
        frames=split if split in frames.READ else "",
    )


def read_processing(job: dict[str, Any], answered: str | None) -> Processing:
    """A job's DataProcessing. answered: the media type of the model's answer. ValueError: an unknown filter."""
    how = job.get("DataProcessing", {})
    return Processing(
        source=media_type(job["TransformInput"].get("ContentType")),
        answer=media_type(answered or job["TransformOutput"].get("Accept")),
        input_filter=Expression(how.get("InputFilter", "$")),
        output_filter=Expression(how.get("OutputFilter", "$")),
        join=how.get("JoinSource", "None") == "Input",
    )


def media_type(text: str | None) -> str:
    """One of the three kinds that data processing knows; JSON where it is none of them."""
    return batches.KINDS.get((text or "").partition(";")[0].strip().lower(), batches.JSON)
