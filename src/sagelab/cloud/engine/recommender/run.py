"""One recommendations job, from its first test to its end: endpoints are made, loaded and deleted, one at a time.

What it makes is made, watched and removed by a Site (resources/recommendation_sites.py), which remembers it first.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import botocore.exceptions

from sagelab.cloud.engine.context import EngineContext
from sagelab.cloud.engine.hosting.endpoint import Endpoint
from sagelab.cloud.engine.jobs.logs import Stream
from sagelab.cloud.engine.jobs.run import INTERRUPTED, JobRun, Report, Step, Stopped, failure
from sagelab.cloud.engine.recommender import advice, plan, samples
from sagelab.cloud.engine.recommender.advice import Outcome
from sagelab.cloud.engine.recommender.crowd import Crowd, Order
from sagelab.cloud.engine.recommender.curve import BUSY, chosen
from sagelab.cloud.engine.recommender.load import Load, Meter, Metrics, describe
from sagelab.cloud.engine.recommender.plan import Benchmark, Plan, Source
from sagelab.cloud.engine.recommender.traffic import levels
from sagelab.cloud.engine.role_keys import RoleKeys
from sagelab.cloud.errors import ClientError, JobError
from sagelab.prices import hourly, prices

LOG_GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"
LOG = "execution"
SHORTENED = 40  # characters of the job's name in those of what it makes
FACTS = (
    "tests run one at a time, whatever MaxParallelOfTests says: two would take each other's processors",
    "instance types differ here by the threads they are held to (their vCPUs, as far as there are cores) and by"
    " their prices: the processor and the memory are this machine's",
    "MaxInvocations are answered invocations in a real second, times 60, whatever the clock",
)


class Site(Protocol):
    """Where tests are made."""

    def create(self, operation: str, request: dict[str, Any]) -> None:
        """Make something with the rights of the job's role. botocore's ClientError: it is refused."""
        ...

    def rest(self, stem: str, name: str) -> dict[str, Any]:
        """The description of what was made, once it moves no more. Stopped: the local cloud ends."""
        ...

    def serving(self, name: str) -> Endpoint:
        """An endpoint in service. ClientError: there is none."""
        ...

    def stop(self) -> None:
        """The job is asked to end: end what it waits for, as far as that can be."""
        ...

    def remove(self) -> None:
        """Delete all that the job has made, and wait until it is gone."""
        ...


class RecommendationsRun(JobRun):
    """The life of one job. site: where its tests are made, given the run."""

    def __init__(
        self, wanted: Plan, site: Callable[[RecommendationsRun], Site], context: EngineContext, report: Report
    ) -> None:
        super().__init__(wanted.job, report)
        self.plan, self.context = wanted, context
        self.outcomes = [Outcome(test) for test in wanted.tests]
        self._site = site(self)
        self._crowd: Crowd | None = None
        self._folder: str | None = None
        self._log: Stream | None = None

    def halt(self, now: bool) -> None:  # noqa: ARG002 - what it runs is nobody's work: it need not end in order
        if self._crowd:
            self._crowd.kill()
        self._site.stop()

    def clean(self) -> None:
        for outcome in self.outcomes:
            if outcome.status not in advice.ENDS:
                outcome.status = advice.STOPPED
        self.facts = self._facts()
        if self.ending != INTERRUPTED:  # else the next start removes what there is
            self._site.remove()
        if self._folder:
            self.context.launcher.remove_folder(self._folder)
        if self._log:
            self._log.flush()

    def end(self) -> Step | None:
        if self.ending is not None:
            return super().end()
        if any(each.status == advice.DONE for each in self.outcomes):
            return Step("Completed")
        failed = next((each.reason for each in self.outcomes if each.reason), "no test was begun.")
        return failure(ClientError(f"All benchmarks failed: {failed}"))

    def work(self) -> None:
        began = self.context.clock.real()
        self._tell()
        self._open_log()
        folder = self._make_folder()
        payload, s3 = self.plan.payload, self.context.client_as(self.plan.role, "s3")
        names = samples.fetch(s3, payload.url, folder)
        self.say(f"{len(names)} samples of {payload.url}, sent as {payload.content_type}")
        for outcome in self.outcomes:
            self.go_on()
            if self.context.clock.elapsed(began) >= self.plan.duration:
                self.say(f"JobDurationInSeconds ({self.plan.duration:,.0f}) are over: no other test is begun")
                break
            self._try(outcome, folder, names)

    def say(self, line: str) -> None:
        """A line of the job's own log, which is sent at once."""
        if self._log:
            self._log.note(line)
            self._log.flush()

    # One test

    def _try(self, outcome: Outcome, folder: Path, names: list[str]) -> None:
        """Run a test to its end; where it fails, the next one is begun."""
        outcome.status = advice.RUNNING
        self._tell()
        self.say(f"test {self.outcomes.index(outcome) + 1} of {len(self.outcomes)}: {outcome.test}")
        try:
            self._prepare(outcome.test)
            self._load(outcome, folder, names)
            outcome.status = advice.DONE
        except (JobError, botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            self._fail(outcome, error)
        finally:
            if self.ending != INTERRUPTED:
                self._site.remove()
        self._tell()

    def _fail(self, outcome: Outcome, error: Exception) -> None:
        if self.ending is not None:  # what it needed was ended under it
            raise Stopped from error
        outcome.status, outcome.reason = advice.FAILED, str(error).removeprefix(f"{ClientError.prefix}: ")
        self.say(f"the test failed: {outcome.reason}")

    def _prepare(self, test: Benchmark) -> None:
        """Bring the test's endpoint to life. JobError, botocore's ClientError: it does not come."""
        if test.existing:
            return
        model = self._model(test)
        self.go_on()
        self._site.create("CreateEndpointConfig", plan.config(self.plan, test, model))
        names = {"EndpointName": test.endpoint, "EndpointConfigName": test.endpoint}
        began = self.context.clock.real()
        self._site.create("CreateEndpoint", names)
        found = self._site.rest("Endpoint", test.endpoint)
        self.go_on()
        if found["EndpointStatus"] != "InService":
            reason = str(found.get("FailureReason", f"{test.endpoint} is {found['EndpointStatus']}."))
            raise ClientError(reason.removeprefix(f"{ClientError.prefix}: "))
        self._stream(f"Endpoint/{test.endpoint}", f"in service after {self.context.clock.real() - began:.1f} s")

    def _model(self, test: Benchmark) -> str:
        """The name of the model that a test serves; made, where it is not the one that was given."""
        source = self.plan.sources[test.specification]
        if source.model and not test.environment and not test.compilation:
            return source.model
        containers = [self._compile(source, test)] if test.compilation else plan.containers(source, test)
        name = f"{self.job_name[:SHORTENED]}-{secrets.token_hex(4)}"
        self._site.create("CreateModel", plan.model(name, self.plan, source, containers))
        return name

    def _compile(self, source: Source, test: Benchmark) -> dict[str, Any]:
        """The container of the compiled model."""
        assert test.compilation
        self._site.create("CreateCompilationJob", plan.compilation(self.plan, source, test))
        job = self._site.rest("CompilationJob", test.compilation)
        self._stream(f"CompilationJob/{test.compilation}", f"{job['CompilationJobStatus']} for {test.target}")
        self.go_on()
        if job["CompilationJobStatus"] != "COMPLETED":
            raise ClientError(f"{test.compilation}: {job.get('FailureReason')}")
        artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
        return {"Image": job["InferenceImage"], "ModelDataUrl": artifact}

    def _load(self, outcome: Outcome, folder: Path, names: list[str]) -> None:
        """Let users ask, and keep what was found."""
        test, context = outcome.test, self.context
        endpoint = self._site.serving(test.endpoint)
        with self._lock:
            self.go_on()
            self._crowd = crowd = Crowd(RoleKeys(context.client("sts"), self.plan.role, context.end_key))
        meter = Meter(endpoint, context.memory)
        try:
            if trouble := crowd.try_samples(self._order(test, folder, names)):
                raise ClientError(trouble)
            outcome.began = datetime.now(UTC)
            metrics = Metrics(context.client("cloudwatch"), self.job_name, test.endpoint)
            load = Load(crowd, meter, metrics, context.clock, self.asked, self.say)
            windows = load.run(levels(self.plan.pattern), self.plan.limits)
        finally:
            outcome.ended = datetime.now(UTC)
            meter.close()
            crowd.close()
        outcome.window = chosen(windows, self.plan.limits)
        self._judge(outcome)

    def _judge(self, outcome: Outcome) -> None:
        """Say what the numbers of a test are taken from, and what is to be known of them."""
        window, limits, test = outcome.window, self.plan.limits, outcome.test
        assert window
        self.say(f"the numbers are those of {describe(window)}{self.context.clock.words}")
        if not limits.keeps(window):
            self.say("the model does not keep to its ModelLatencyThresholds with as few users as there can be")
        if window.generator >= BUSY:
            self.say(
                f"the load generator was the limit, or near it: it took {100 * window.generator:.0f} % of a core."
                " The endpoint may take more than MaxInvocations."
            )
        count = advice.instances(window, limits.invocations)
        if test.instance_type and count > 1:
            self.say(
                f"{count} instances together reach {limits.invocations:,} invocations a minute; one was tried"
            )
        if test.instance_type and hourly(test.instance_type, "hosting") is None:
            self.say(f"no price of {test.instance_type} is at hand ({prices()['date']}): it has no costs")

    def _order(self, test: Benchmark, folder: Path, names: list[str]) -> Order:
        payload, context = self.plan.payload, self.context
        return Order(
            context.url,
            context.region,
            test.endpoint,
            str(folder),
            names,
            payload.content_type,
            payload.accept,
            samples.LARGEST,
        )

    # What is told

    def _tell(self) -> None:
        """Keep what has become of the tests."""
        self.report(Step(advice.RUNNING, facts=self._facts()))

    def _facts(self) -> dict[str, Any]:
        steps = [advice.step(self.plan, each) for each in self.outcomes]
        return {"Steps": steps, **advice.recommendations(self.plan, self.outcomes)}

    def _open_log(self) -> None:
        self._log = Stream(self.context.client("logs"), LOG_GROUP, f"{self.job_name}/{LOG}")
        rule = f"costs: prices of {prices()['date']}, {prices()['region']}"
        for line in (*FACTS, rule, *self.plan.notes):
            self._log.note(line)
        if words := self.context.clock.words:
            self._log.note(f"the seconds of phases, stairs and JobDurationInSeconds pass{words}")
        self._log.flush()

    def _stream(self, name: str, line: str) -> None:
        stream = Stream(self.context.client("logs"), LOG_GROUP, f"{self.job_name}/{name}")
        stream.note(line)
        stream.flush()

    def _make_folder(self) -> Path:
        self._folder = f"{self.job_name}-{secrets.token_hex(4)}"
        return self.context.launcher.make_folder(self._folder, "samples") / "payload"
